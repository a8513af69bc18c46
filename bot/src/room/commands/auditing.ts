/** `!audit`: the whole ledger judged anew, also against what a message on somebody's phone says of it. */
import { auditLedger } from '@pocketcoder/ledger/audit/audit.ts';
import { type Command, type CommandContext, optional, rest, way } from './command.ts';

/** As a message has it: the number of an entry, and the first twelve digits of its hash or more. */
const mark = /^⛓?\s*([1-9]\d{0,8})\s+([0-9a-f]{12,64})\.?$/u;

async function audit({ ledger }: CommandContext, words = ''): Promise<string> {
  const [, number, hash = ''] = mark.exec(words) ?? [];
  if (words && !number)
    return 'Nothing was audited: say !audit alone, or with what stands behind the ⛓ of a message, as !audit 8 84c8cb97e9e1.';
  const seq = Number(number ?? 0);
  const pins: Record<string, { seq: number; hash: string }> = {};
  if (seq > 0) {
    const { value: entry } = await ledger
      .each(seq - 1)
      [Symbol.asyncIterator]()
      .next();
    // A hash that no entry has where there is none, or another one: the audit says which.
    const isThere = entry?.seq === seq && entry.hash.startsWith(hash);
    pins['message'] = { seq, hash: isThere ? entry.hash : hash };
  }
  const { off, entries, head, actions, results, removed } = await auditLedger(ledger, pins);
  if (off) {
    const what = off.kind && ` (${off.kind})`;
    return `⚠️ The ledger is not as it was written: entry ${off.seq}${what}: ${off.why}. Approve nothing, say !freeze, and look at it by ./pocketcoder audit at the console.`;
  }
  return [
    `⛓ The ledger is whole: ${entries} entries, the stories of ${actions} actions and the bytes of ${results} results hold.`,
    seq > 0
      ? `Entry ${seq} is the one of which your message says ⛓ ${seq} ${hash}.`
      : 'To hold it to what your phone keeps, say !audit with what stands behind the ⛓ of a message.',
    ...(removed.length > 0
      ? [`Taken out of the room by somebody: ${removed.map((n) => `#${n}`).join(', ')}.`]
      : []),
    `Its head: ⛓ ${entries} ${head}`,
  ].join('\n');
}

export const auditing: readonly Command[] = [
  {
    name: 'audit',
    summary: 'judge the whole ledger anew; with what stands behind the ⛓ of a message, also against that',
    ways: [way([optional(rest('⛓'))], audit)],
  },
];
