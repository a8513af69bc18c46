/** The `!` commands about who may approve what: policy, leases, people and devices, freezing. */

import { roles } from '@pocketcoder/ledger/rules/identities.cjs';
import { classes } from '@pocketcoder/ledger/rules/policy.cjs';
import type { Act, Asked, Role } from '@pocketcoder/ledger/src/action.ts';
import { LedgerError } from '@pocketcoder/ledger/src/client.ts';
import { refused } from '../desk/refusals.ts';
import { wishes } from '../show/action.ts';
import { fingerprint, policyText, roughly } from '../show/control.ts';
import type { Command, CommandContext } from './commands.ts';

/** Asks for a control action by its own card; the room shows the rest. */
async function ask(c: CommandContext, what: Pick<Asked, 'kind' | 'args'>): Promise<string> {
  const { workspace, user } = c;
  const task = c.conversation.currentTask(workspace).id;
  try {
    await c.desk.ask({ ...what, workspace, task, requester: user } as Asked);
    return '';
  } catch (error) {
    const why = error instanceof LedgerError ? refused[error.code] : undefined;
    if (!why) throw error;
    return `Not asked: ${why}.`;
  }
}

const usual = { uses: 10, seconds: 3600 };
const kinds = {
  read: 'read_file',
  list: 'list',
  grep: 'grep',
  write: 'write_file',
  edit: 'edit_file',
} as const;

/** `10 90m` → ten times, within 90 minutes; either may be left out. */
function ends(words: readonly string[]): { uses: number; seconds: number } | undefined {
  const found = { ...usual };
  for (const word of words) {
    const [, number = '', unit = ''] = /^(\d{1,4})([smhd]?)$/.exec(word) ?? [];
    if (!number) return undefined;
    const size = { s: 1, m: 60, h: 3600, d: 86400 }[unit];
    if (size) found.seconds = Number(number) * size;
    else found.uses = Number(number);
  }
  return found;
}

const leaseUsage =
  '!lease N [TIMES] [TIME], or !lease read|list|grep|write|edit PATH [TIMES] [TIME], such as !lease read src 50 2h';

function lease(args: string, c: CommandContext): Promise<string> | string {
  const [what = '', ...rest] = args.split(/\s+/).filter(Boolean);
  const number = /^#?(\d+)$/.exec(what)?.[1];
  const path = number ? undefined : rest.shift();
  const until = ends(rest);
  if (!until) return `I did not understand that, nothing was asked. ${leaseUsage}`;
  if (number) {
    const page = c.book.byNumber(Number(number));
    if (!page || page.action.class === 'control')
      return `There is no action #${number} to lease. Ask for it once, then lease it.`;
    const { kind, args: of } = page.action;
    return ask(c, { kind: 'lease', args: { acts: [{ kind, args: of } as Act], ...until } });
  }
  const of = Object.hasOwn(kinds, what) ? kinds[what as keyof typeof kinds] : undefined;
  if (!of || path === undefined) return leaseUsage;
  return ask(c, { kind: 'lease', args: { of, path: path === '/' ? '' : path, ...until } });
}

function leases({ book }: CommandContext): string {
  const lines = book.standing().map((g) => {
    const { steps, acts, of, path, uses, seconds } = g.args;
    const left = roughly(Math.max(0, (Date.parse(g.at) + seconds * 1000 - Date.now()) / 1000));
    if (steps) return `#${g.number} plan: ${g.used} of ${steps.length} steps done, ${left} left`;
    const used = `${g.used} of ${uses} used, ${left} left`;
    if (g.kind === 'reads') return `#${g.number} reads of this workspace in its task: ${used}`;
    const what = acts
      ? acts.map((a) => wishes[a.kind]).join(', ')
      : `${wishes[of as Act['kind']]} below ${path || 'the whole workspace'}`;
    return `#${g.number} lease to ${what}: ${used}`;
  });
  return lines.length > 0 ? lines.join('\n') : 'No lease and no plan stands: every action is asked for.';
}

async function revoke(args: string, { book, ledger, role, user }: CommandContext): Promise<string> {
  const number = /^#?(\d+)$/.exec(args)?.[1];
  const standing = number && book.standing().find((g) => g.number === Number(number));
  if (standing) {
    await ledger.append({ kind: 'lease.ended', body: { lease: standing.id, by: user, reason: 'revoked' } });
    return `#${number} is over: what it covered is asked for again.`;
  }
  const [first = '', second] = args.split(/\s+/);
  const named = book
    .enrolled()
    .filter((d) => (second ? d.user === first && d.device === second : d.device === first));
  const [device, another] = named;
  if (another)
    return `More than one person has a device ${first}: !revoke @USER:SERVER ${first}. Nothing was done.`;
  if (!device)
    return `There is no lease ${args} and no enrolled device of that name. !leases and !people list them.`;
  if (device.user !== user && role !== 'owner')
    return 'Only an owner takes back the devices of others. Nothing was done.';
  await ledger.append({
    kind: 'identity.revoked',
    body: { user: device.user, device: device.device, by: user },
  });
  return `${device.device} of ${device.user} reads and decides nothing here any more. Only ./pocketcoder pair or an approved !device brings it back.`;
}

async function people({ book, devices }: CommandContext): Promise<string> {
  const users = [...new Set(book.enrolled().map((d) => d.user))];
  const lines: string[] = [];
  for (const user of users) {
    const mine = book.enrolled().filter((d) => d.user === user);
    lines.push(`${user}: ${mine[0]?.role} · enrolled ${mine.map((d) => d.device).join(', ')}`);
    for (const d of await devices(user))
      if (d.crossSigned && !mine.some((m) => m.ed25519 === d.ed25519))
        lines.push(
          `  not enrolled: ${d.device}, fingerprint ${fingerprint(d.ed25519)} · !device ${d.device} asks for it`,
        );
  }
  return lines.join('\n');
}

async function device(args: string, c: CommandContext): Promise<string> {
  for (const { user, master } of c.book.enrolled()) {
    const found = (await c.devices(user)).find((d) => d.device === args && d.crossSigned);
    if (!found) continue;
    const { ed25519, curve25519 } = found;
    return ask(c, { kind: 'device', args: { user, master, device: args, ed25519, curve25519 } });
  }
  return `Nobody enrolled here has a device ${args || '(none was named)'} that they signed themselves. !people lists them.`;
}

function role(args: string, c: CommandContext): Promise<string> | string {
  const [user = '', to = ''] = args.split(/\s+/);
  const known = c.book.enrolled().some((d) => d.user === user);
  if (!known || !roles.includes(to))
    return `!role @USER:SERVER ${roles.join('|')}. !people lists who is here.`;
  return ask(c, { kind: 'role', args: { user, role: to as Role } });
}

/** They ask by cards or only narrow what is allowed: no command widens anything by itself. */
export const controlCommands: readonly Command[] = [
  {
    name: 'policy',
    usage: '!policy',
    summary: 'what each class of action needs',
    run: (_, { book }) => {
      const kindsOf = (risk: string) => Object.keys(classes).filter((kind) => classes[kind] === risk);
      const where = 'It is changed in pocketcoder.yaml at the console, and takes your approval here.';
      return `${policyText(book.policy())}\n(${['read', 'write', 'exec'].map((r) => `${r}: ${kindsOf(r).join(', ')}`).join(' · ')})\n${where}`;
    },
  },
  {
    name: 'lease',
    usage: leaseUsage,
    summary: 'ask that something may run without a card each time',
    run: lease,
  },
  { name: 'leases', usage: '!leases', summary: 'which leases and plans stand', run: (_, c) => leases(c) },
  {
    name: 'revoke',
    usage: '!revoke N|[@USER] DEVICE',
    summary: 'end a lease or plan, or take a device’s enrolment back',
    least: 'approves',
    control: true,
    run: revoke,
  },
  {
    name: 'people',
    usage: '!people',
    summary: 'who is here, with which role and devices',
    run: (_, c) => people(c),
  },
  {
    name: 'device',
    usage: '!device DEVICE',
    summary: 'ask to enrol a further device',
    least: 'approves',
    run: device,
  },
  {
    name: 'role',
    usage: '!role @USER ROLE',
    summary: 'ask to change what somebody may do',
    least: 'owner',
    run: role,
  },
  {
    name: 'freeze',
    usage: '!freeze',
    summary: 'nothing is approved or begun until an owner thaws it',
    least: 'approves',
    control: true,
    async run(_, c) {
      await c.desk.freeze(c.user);
      for (const workspace of c.book.rooms().keys()) {
        void c.conversation.interrupt(workspace);
        await c.desk.stop(workspace, c.user);
      }
      return '🧊 Frozen: nothing is approved or begun, and leases are over. !thaw, or ./pocketcoder thaw at the console.';
    },
  },
  {
    name: 'thaw',
    usage: '!thaw',
    summary: 'ask to thaw what was frozen',
    least: 'owner',
    run: (_, c) => ask(c, { kind: 'thaw', args: {} }),
  },
  {
    name: 'attention',
    usage: '!attention',
    summary: 'how carefully cards were answered lately',
    run: (_, { attention }) => attention.describe(),
  },
];
