/** Commands about what needs no card each time. They ask by cards, or only narrow what is allowed. */
import type { Act } from '@pocketcoder/ledger/src/action.ts';
import { roughly } from '../../show/control.ts';
import { wishOf } from '../../show/kinds.ts';
import {
  ask,
  type CommandContext,
  type Commands,
  duration,
  number,
  oneOf,
  optional,
  person,
  times,
  way,
  word,
} from './command.ts';

/** What a lease below a path may be for, by the word for it. */
const kinds = {
  read: 'read_file',
  list: 'list',
  grep: 'grep',
  write: 'write_file',
  edit: 'edit_file',
} as const;
const reads = oneOf('read', 'list', 'grep', 'write', 'edit');
const usual = { uses: 10, seconds: 3600 };
const ends = [optional(times), optional(duration)] as const;

function leases({ book }: CommandContext): string {
  const lines = book.standing().map((g) => {
    const { steps, acts, of, path, uses, seconds } = g.args;
    const left = roughly(Math.max(0, (Date.parse(g.at) + seconds * 1000 - Date.now()) / 1000));
    if (steps) return `#${g.number} plan: ${g.used} of ${steps.length} steps done, ${left} left`;
    const used = `${g.used} of ${uses} used, ${left} left`;
    if (g.kind === 'reads') return `#${g.number} reads of this workspace in its task: ${used}`;
    const what = acts
      ? acts.map((a) => wishOf(a.kind)).join(', ')
      : `${wishOf(of as Act['kind'])} below ${path || 'the whole workspace'}`;
    return `#${g.number} lease to ${what}: ${used}`;
  });
  return lines.join('\n') || 'No lease and no plan stands: every action is asked for.';
}

async function endLease({ book, ledger, user }: CommandContext, n: number): Promise<string> {
  const standing = book.standing().find((g) => g.number === n);
  if (!standing) return `No lease and no plan #${n} stands. !leases lists them.`;
  await ledger.append({ kind: 'lease.ended', body: { lease: standing.id, by: user, reason: 'revoked' } });
  return `#${n} is over: what it covered is asked for again.`;
}

async function revoke(c: CommandContext, of: string | undefined, device: string): Promise<string> {
  const named = c.book.enrolled().filter((d) => d.device === device && (!of || d.user === of));
  const [found, another] = named;
  if (another)
    return `More than one person has a device ${device}: !revoke @USER:SERVER ${device}. Nothing was done.`;
  if (!found) return `There is no lease and no enrolled device of that name. !leases and !people list them.`;
  const { user } = found;
  if (user !== c.user && c.role !== 'owner')
    return 'Only an owner takes back the devices of others. Nothing was done.';
  await c.ledger.append({ kind: 'identity.revoked', body: { user, device, by: c.user } });
  return `${device} of ${user} reads and decides nothing here any more. Only ./pocketcoder pair or an approved !device brings it back.`;
}

export const leasing: Commands = {
  lease: {
    summary: 'ask that something may run without a card each time, such as !lease read src 50 2h',
    ways: [
      way([number, ...ends], (c, n, uses = usual.uses, seconds = usual.seconds) => {
        const { action } = c.book.byNumber(n) ?? {};
        if (!action || action.class === 'control')
          return `There is no action #${n} to lease. Ask for it once, then lease it.`;
        const acts = [{ kind: action.kind, args: action.args } as Act];
        return ask(c, { kind: 'lease', args: { acts, uses, seconds } });
      }),
      way([reads, word('PATH'), ...ends], (c, of, path, uses = usual.uses, seconds = usual.seconds) => {
        const below = path === '/' ? '' : path;
        return ask(c, { kind: 'lease', args: { of: kinds[of], path: below, uses, seconds } });
      }),
    ],
  },
  leases: { summary: 'which leases and plans stand', ways: [way([], leases)] },
  revoke: {
    summary: 'end a lease or plan, or take a device’s enrolment back',
    least: 'approves',
    control: true,
    ways: [way([number], endLease), way([optional(person), word('DEVICE')], revoke)],
  },
};
