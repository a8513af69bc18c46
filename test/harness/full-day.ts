/** A ledger in which each kind of entry, and of action, stands: what a forger may begin with. */
import assert from 'node:assert/strict';
import { effectOf, readsOf } from '../../ledger/rules/answers.cjs';
import { idOf } from '../../ledger/rules/id.cjs';
import { defaultPolicy, type Policy, type Term } from '../../ledger/rules/policy.cjs';
import { type Action, type Asked, digestOf, makeAction, sha256 } from '../../ledger/src/action.ts';
import type { Entry } from '../../ledger/src/entry.ts';
import { imported, memoryLedger, type Person, person } from './ledger-chain.ts';
import { callOf, far, keyed, outward, pin } from './pins.ts';

type Ask = Pick<Asked, 'kind' | 'args'> & Partial<Pick<Asked, 'workspace' | 'task' | 'requester'>>;
type Answer = { by: Person; grade?: string; event?: string; form?: string };

const [owner, ann] = [person('owner'), person('ann')];
const tablet = { ...person('owner', 'TABLET'), master: owner.master };
const term = (over: object): Term => ({ ...(defaultPolicy['exec'] as Term), ...over });
const reads = { uses: 3, seconds: 500 };
const first: Policy = { ...defaultPolicy, read: term({ reads }) };
const bash = { kind: 'bash', args: { script: 'sh a.sh', cwd: '.', env: {}, timeout: 9 } } as const;
const read = { kind: 'read_file', args: { path: 'src/a', offset: 0, limit: 10 } } as const;
const write = { kind: 'write_file', args: { path: 'src/b', content: 'x' } } as const;
const repository = { host: 'a.example', path: '/a.git' } as const;
const rule = { host: 'example.org', port: 443, class: 'any', path: '/' } as const;
const git = { host: 'a.example', port: 443, class: 'git-fetch', path: '/a', secret: 'T' } as const;
const output = Buffer.from('a long output\n'.repeat(400));
const sent = Buffer.from('what somebody sends');
export const files = { output, sent };

/** Its entries, each taken by the rules. Of those with bytes beside them `transcript` names the one of `files`. */
export function fullDay(): Entry[] {
  const { entries, state, clock, put } = memoryLedger();
  const note = (author: string, kind: string, body: object, action = ''): Entry => {
    clock.now += 1000;
    const why = put({ author, kind, body, ...(action && { action }) });
    assert.equal(why, '', `${kind} ${JSON.stringify(body)}`);
    return entries.at(-1) as Entry;
  };
  const ask = (what: Ask, over: object = {}, id?: string): Action => {
    const where = { workspace: 'work', task: 'task', requester: 'brain' } as const;
    const action = {
      ...makeAction({ ...where, ...what } as Asked, state.policy, undefined, id),
      ...over,
    } as Action;
    const asked = note('bot', 'requested', action, action.id);
    if (action.kind === 'put_file') asked.transcript = 'sent';
    return action;
  };
  const say = (author: string, action: Action, kind: string, body: object = {}): Entry =>
    note(author, kind, { digest: digestOf(action), ...body }, action.id);
  const storyOf = (action: Action): Entry[] => entries.filter((e) => e.action === action.id);
  const approve = (action: Action, answers: readonly Answer[] = [{ by: owner }]): void => {
    say('bot', action, 'posted', { room: '!room', event: '$card', form: 'chip' });
    for (const [i, { by, grade = action.grade, event = '$e', form = 'chip' }] of answers.entries()) {
      const evidence = { user: by.user, device: by.device, event, form };
      say('bot', action, i < answers.length - 1 ? 'endorsed' : 'approved', { grade, evidence });
    }
  };
  const end = (
    action: Action,
    body: object = { bytes: 3, sha256: sha256('hi\n'), output: 'hi\n' },
    kind = 'succeeded',
  ) => say('executor', action, kind, { exit: 0, signal: null, ...body });
  const begin = (action: Action): void => {
    say('executor', action, 'claimed', { executor: 'one', image: 'i' });
    say('executor', action, 'running');
  };
  const apply = (action: Action): void =>
    void note('bot', 'applied', effectOf(action, digestOf(action), storyOf(action)), action.id);
  const run = (what: Ask, answers?: readonly Answer[], over?: object): Action => {
    const action = ask(what, over);
    approve(action, answers);
    begin(action);
    end(action);
    return action;
  };
  const control = (what: Ask, answers?: readonly Answer[]): Action => {
    const action = ask({ requester: '@owner:home', ...what });
    approve(action, answers);
    apply(action);
    return action;
  };
  const use = (what: Ask, lease: string, n: number): void => {
    const action = ask(what);
    say('bot', action, 'leased', { lease, use: n });
    begin(action);
    end(action);
  };

  note('operator', 'policy.set', { policy: first });
  note('operator', 'identity.enrolled', owner);
  note('operator', 'workspace.imported', { workspace: 'work', ...imported });
  note('bot', 'workspace.created', { workspace: 'work', room: '!a' });
  note('bot', 'workspace.created', { workspace: 'shop', room: '!b' });

  // A card with reads, and the names of a script's files.
  const asked = ask(bash, { reads });
  say('executor', asked, 'named', { files: [{ path: 'a.sh', sha256: 'a'.repeat(64) }], more: true });
  approve(asked);
  begin(asked);
  note('executor', 'lease.granted', readsOf(asked, digestOf(asked), storyOf(asked)), asked.id);
  say('bot', asked, 'stop', { by: '@owner:home' });
  end(asked, { bytes: output.length, sha256: sha256(output) }, 'killed').transcript = 'output';
  use(read, asked.id, 1);
  note('bot', 'alarm', { reason: 'card removed', action: asked.id });
  run({ kind: 'put_file', args: { path: 'a', sha256: sha256(sent), size: sent.length } });
  run({ kind: 'get_file', args: { path: 'a' }, workspace: 'shop' });

  // Leases and a plan.
  const acts = control({ kind: 'lease', args: { acts: [bash, write], uses: 2, seconds: 600 } });
  use(bash, acts.id, 1);
  use(write, acts.id, 2);
  const below = control({ kind: 'lease', args: { of: 'read_file', path: 'src', uses: 3, seconds: 600 } });
  use(read, below.id, 1);
  note('bot', 'lease.ended', { lease: below.id });
  const plan = ask({ kind: 'plan', args: { steps: [bash, read], seconds: 600, words: 'in two steps' } });
  say('executor', plan, 'named', { files: [] });
  approve(plan);
  apply(plan);
  use(bash, plan.id, 1);
  use(read, plan.id, 2);
  control({ kind: 'plan', args: { steps: [], seconds: 600, words: 'nothing yet' }, requester: 'brain' });

  // What goes out.
  run({ kind: 'egress', args: { rules: [rule, git], up: 9, down: 9, seconds: 9 } });
  run({
    kind: 'push',
    args: {
      ...repository,
      secret: 'T',
      ssh: 'git@a.example:a',
      branch: 'main',
      commit: 'ab'.repeat(20),
      commits: '1\n',
    },
  });
  run({ kind: 'pull', args: { ...repository, branch: '' } });
  run({ kind: 'push_look', args: { branch: 'main' } });

  // Tool servers.
  const { from: image, name, command } = pin;
  run({ kind: 'server_look', args: { name, image, command } });
  run({ kind: 'server_look', args: { name, image, command, secrets: { TOKEN: 'T', KEY_2: 'T' } } });
  run({ kind: 'server_reach', args: { name: 'far', url: 'https://example.org/mcp', secret: 'T' } });
  run({ kind: 'server_reach', args: { name, image, command, hosts: ['example.org'] } });
  control({ kind: 'server_pin', args: pin });
  control({ kind: 'server_pin', args: far });
  control({ kind: 'server_pin', args: keyed });
  control({ kind: 'server_pin', args: outward });
  run({ kind: 'mcp', args: callOf('say', { text: 'hi' }) });
  run({ kind: 'mcp', args: callOf('say', {}, keyed) });
  use({ kind: 'mcp_read', args: callOf('look') }, asked.id, 2);
  run({ kind: 'mcp_out', args: { ...callOf('say', {}, far), url: far.url } });
  run({ kind: 'mcp_out', args: { ...callOf('say', {}, outward), hosts: outward.hosts } });
  note('bot', 'server.removed', { workspace: 'work', name: far.name });

  // By the message alone; in a copy.
  const spoken = ask(
    { kind: 'list', args: { path: 'src' }, requester: '@owner:home' },
    {},
    idOf('$said', sha256),
  );
  approve(spoken, [{ by: owner, grade: 'signed', event: '$said', form: 'command' }]);
  begin(spoken);
  end(spoken);
  run({ ...bash, task: 'apart-abcdefgh' });
  note('bot', 'helper.ended', { task: 'task.1', agent: 'a', how: 'done', text: 'x' });

  // More people and devices; roles, and what they end.
  control({ kind: 'device', args: tablet });
  note('operator', 'identity.enrolled', { ...ann, role: 'approves' });
  control({
    kind: 'policy',
    args: {
      policy: {
        ...first,
        exec: term({ grade: 'signed', approvers: 2 }),
        write: term({ grade: 'signed', devices: 2, grace: 1 }),
      },
    },
  });
  run(bash, [{ by: owner }, { by: ann }]);
  run(write, [{ by: owner }, { by: tablet }]);
  control({ kind: 'role', args: { user: ann.user, role: 'asks' } });
  control({ kind: 'role', args: { user: ann.user, role: 'approves' } });
  run({ ...bash, requester: 'operator' }, [{ by: ann }, { by: tablet }]);
  const denied = ask(bash);
  say('bot', denied, 'posted');
  say('bot', denied, 'denied', { reason: 'no' });
  const late = ask(bash);
  say('bot', late, 'posted');
  say('executor', late, 'expired');
  const lost = ask(read);
  approve(lost);
  say('executor', lost, 'claimed', { executor: 'one', image: 'i' });
  say('executor', lost, 'unknown');
  const off = ask(read);
  say('operator', off, 'void');

  // A freeze, thawed by a card and at the console; keys that are lost.
  note('bot', 'frozen', {});
  control({ kind: 'thaw', args: {} });
  note('operator', 'frozen', {});
  note('operator', 'thawed', {});
  run(read);
  note('operator', 'identity.revoked', { user: tablet.user, device: tablet.device });
  note('bot', 'identity.changed', { user: ann.user });
  run(read);
  note('operator', 'workspace.exported', { workspace: 'shop', ...imported, form: 'patch' });
  note('bot', 'alarm', { reason: 'the last' });
  return entries;
}
