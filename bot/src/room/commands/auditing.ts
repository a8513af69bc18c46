/** `!audit`: the whole ledger judged anew, also against what a message on somebody's phone says of it. */
import { auditLedger } from '@pocketcoder/ledger/audit/audit.ts';
import type { NarrowLedger } from '../../approval/narrow.ts';
import { type CommandContext, type Commands, optional, rest, way } from './command.ts';

/** As a message has it: the number of an entry, and the first twelve digits of its hash or more. */
const mark = /^(?:⛓\uFE0F?)?\s*([1-9]\d{0,8})\s+([0-9a-f]{12,64})\.?$/iu;
/** Ledgers that are being read: one reading at a time, whoever asks for more. */
const busy = new WeakSet<object>();

const alarm = 'approve nothing, say !freeze, and look at it by ./pocketcoder audit at the console.';

async function audit({ ledger }: CommandContext, words = ''): Promise<string> {
  const [, number, digits = ''] = mark.exec(words) ?? [];
  if (words && !number)
    return 'Nothing was audited: say !audit alone, or with what stands behind the ⛓ of a message, as !audit 8 84c8cb97e9e1.';
  if (busy.has(ledger))
    return 'The ledger is being audited, and nothing more was begun: wait for what is said of it.';
  busy.add(ledger);
  try {
    return await audited(ledger, Number(number ?? 0), digits.toLowerCase());
  } finally {
    busy.delete(ledger);
  }
}

/** @param seq the number of an entry that a message names, 0 for none, and the beginning of its hash */
async function audited(ledger: NarrowLedger, seq: number, hash: string): Promise<string> {
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
  if (off?.kind)
    return `⚠️ The ledger is not as it was written: entry ${off.seq} (${off.kind}): ${off.why}. So ${alarm}`;
  if (off)
    return `⚠️ Of entry ${off.seq} the ledger says other than you: ${off.why}. Compare it with the message digit by digit. If it says just that, the ledger was changed: ${alarm}`;
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

export const auditing: Commands = {
  audit: {
    summary: 'judge the whole ledger anew; with what stands behind the ⛓ of a message, also against that',
    ways: [way([optional(rest('⛓'))], audit)],
  },
};
