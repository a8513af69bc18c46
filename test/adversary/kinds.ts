/** An action of each kind that there is, as the agent, a person or the operator asks for it: the compiler names a kind that is missing. */

import { traits } from '../../ledger/rules/kinds.cjs';
import type { Policy } from '../../ledger/rules/policy.cjs';
import { type Args, type Asked, type Kind, makeAction, newId, sha256 } from '../../ledger/src/action.ts';
import { callOf, far, pin } from '../harness/pins.ts';
import type { Rig } from '../harness/rig.ts';
import { until } from '../harness/wait.ts';
import type { Card } from '../phone/types.ts';

const sent = Buffer.from('a');
const file = { path: 'sent', sha256: sha256(sent), size: sent.length };
const wait = { until: '', quiet: 1, seconds: 1 };
const repository = { host: 'example.org', path: '/o/r.git', secret: 'MINE' };
const rule = { host: 'example.org', port: 443, class: 'any', path: '/' } as const;

/** @param user who is enrolled */
const argsOf = (user: string, master: string, policy: Policy): { [K in Kind]: Args[K] } => ({
  bash: { script: 'echo forged >> marks', cwd: '.', env: {}, timeout: 10 },
  read_file: { path: 'a', offset: 0, limit: 0 },
  list: { path: '.' },
  grep: { pattern: 'a', path: '.' },
  get_file: { path: 'a' },
  put_file: file,
  diff: {},
  export: { as: 'patch' },
  write_file: { path: 'forged', content: 'a' },
  edit_file: { path: 'forged', old: 'a', new: 'b' },
  push_look: { branch: '' },
  push: { ...repository, branch: 'main', commit: 'ab'.repeat(20), commits: 'commits since the import: 1\n' },
  pull: { ...repository, branch: '' },
  undo_diff: { number: 1 },
  undo: { number: 1, difference: '1 file would vanish\n' },
  merge_look: { number: 1 },
  merge: { number: 1, task: 'apart-abcdefgh', difference: 'adds: a\n' },
  try: { number: 1 },
  screen: {},
  terminal_open: { script: 'true', cwd: '.', seconds: 10 },
  terminal_send: { number: 1, text: 'exit', enter: true, ...wait },
  terminal_read: { number: 1, ...wait },
  server_look: { name: 'looked', image: 'none', command: [] },
  server_reach: { name: 'reached', url: far.url },
  server_pin: pin,
  mcp: callOf('say'),
  mcp_read: callOf('look'),
  mcp_out: { ...callOf('say', {}, far), url: far.url },
  egress: { rules: [rule], up: 1e6, down: 1e6, seconds: 60 },
  lease: { of: 'read_file', path: '', uses: 1, seconds: 60 },
  plan: { steps: [{ kind: 'list', args: { path: '.' } }], seconds: 60 },
  policy: { policy },
  role: { user, role: 'owner' },
  device: { user, master, device: 'FORGED', ed25519: 'e', curve25519: 'c' },
  thaw: {},
});

export type Open = { kind: string; action: string; card: Card };

/** Has an action of each of these kinds asked for, as the bot's ledger would have it after a crash, and its card shown. @param over what some of them take, in place of the usual */
export async function openEach(
  rig: Rig,
  kinds: readonly Kind[],
  over: Partial<{ [K in Kind]: Args[K] }> = {},
): Promise<Open[]> {
  const ledger = await rig.ledger.connect('bot');
  const [enrolled] = await rig.entries('identity.enrolled');
  const { master } = JSON.parse(enrolled?.body ?? '{}') as { master: string };
  const [set] = await rig.entries('policy.set');
  const { policy } = JSON.parse(set?.body ?? '{}') as { policy: Policy };
  const args = { ...argsOf(rig.owner.user, master, policy), ...over };
  const where = { workspace: 'main', task: newId() };
  // What a person's own message decides is to be said again after a crash: of these the agent asked.
  const by = (kind: Kind) => (traits(kind).words ? 'brain' : rig.owner.user);
  const asked = kinds.map((kind) =>
    makeAction({ kind, args: args[kind], ...where, requester: by(kind) } as Asked, policy),
  );
  // A few at a time, for the bot shows them all before it says that it is there.
  for (let i = 0; i < asked.length; i += 8) {
    await rig.bot.kill();
    for (const body of asked.slice(i, i + 8)) {
      const transcript = body.kind === 'put_file' && { transcript: () => [sent] };
      await ledger.append({ kind: 'requested', action: body.id, id: body.id, body, ...transcript });
    }
    await rig.bot.start();
  }
  return Promise.all(
    asked.map(async ({ id, kind }) => {
      const posted = await until(`${kind} to be shown`, async () =>
        (await rig.audit.story(id)).find((e) => e.kind === 'posted'),
      );
      const { event } = JSON.parse(posted.body) as { event: string };
      const card = await rig.phone.until(`the card of ${kind}`, (p) =>
        p.cards().find((c) => c.id === event && (c.chips.length === 3 || c.answers.length === 2)),
      );
      return { kind, action: id, card };
    }),
  );
}
