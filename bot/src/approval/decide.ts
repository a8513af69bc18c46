/**
 * The one module that may append `endorsed` or `approved`. It takes events, not verdicts: what approves is written here, by
 * the gatekeeper's word alone, and whoever comes after is handed what else an event may do.
 */
import { canonical } from '@pocketcoder/ledger/rules/canonical.cjs';
import { idOf } from '@pocketcoder/ledger/rules/id.cjs';
import { mostSent, sha256 } from '@pocketcoder/ledger/src/action.ts';
import { type Ledger, LedgerError } from '@pocketcoder/ledger/src/client.ts';
import type { Logger } from 'pino';
import type { Content, Taken } from '../types.ts';
import { judge } from './gatekeeper.ts';
import type { Poster } from './poster.ts';
import type { Approval, Command, Decided, Gate, Judged, Received } from './verdict.ts';
import type { Book, Page } from './view.ts';

export type DecideOptions = {
  /** The whole ledger. */
  ledger: Pick<Ledger, 'append'>;
  gate: Gate;
  book: Pick<Book, 'lacking' | 'decides' | 'reached'>;
  /** Records the message that asks for an action as what stands in a card's place. */
  adopt: Poster['adopt'];
  /** The bytes of a file that was sent, opened by its own key. @throws Error with words for a person */
  download(file: Content, most: number): Promise<Uint8Array>;
  log: Logger;
};
export type Decide = {
  /** Judges an event, and writes the approval that it is. @throws where the ledger does not answer: nobody knows, take it again */
  take(t: Taken): Promise<Judged>;
  /** Downloads a file that a person sent. @returns the bytes, and the command that adds exactly these */
  receive(received: Received): Promise<{ command: Command; bytes: Uint8Array }>;
  /**
   * The message that asked for an action is the decision on it, where it named this very action and the policy lets it.
   * @returns undefined where a card has to ask, else the code with which the ledger refused, or ''
   */
  command(page: Page, command: Command): Promise<string | undefined>;
};

/** The id is the event's: taken again after a crash it makes the same entry, which is confirmed then, not refused. */
export const createAnswer =
  ({ ledger, gate, book, log }: Pick<DecideOptions, 'ledger' | 'gate' | 'book' | 'log'>) =>
  async ({ card, grade, evidence }: Omit<Approval, 'do'>): Promise<Decided> => {
    const { action, digest, number } = card;
    const about = { action, number, event: evidence.event };
    // One of several answers, or the one that suffices.
    const { people, devices } = book.lacking(action, evidence);
    const kind = people + devices > 0 ? 'endorsed' : 'approved';
    const id = idOf(`${action} ${evidence.event}`, sha256);
    try {
      const entry = await ledger.append({ id, kind, action, body: { digest, grade, evidence } });
      if (kind === 'endorsed')
        await book.reached(entry.seq); // the next answer counts on top of it
      else gate.cards.set(action, { open: false, approval: evidence.event });
      log.info({ ...about, kind, grade, seq: entry.seq }, 'decision');
      return { do: 'decided', card, refused: '' };
    } catch (error) {
      if (!(error instanceof LedgerError) || error.code === 'unreachable') throw error;
      log.warn({ ...about, kind, code: error.code }, 'the ledger refused a decision');
      return { do: 'decided', card, refused: error.code };
    }
  };

export function createDecide(o: DecideOptions): Decide {
  const answer = createAnswer(o);
  /** What the gatekeeper said here, as it was then: what comes back is known by it, and never read. */
  const commands = new WeakMap<Command, Command>();
  const files = new WeakMap<Received, Received>();
  const isNamed = ({ action }: Page, { act, evidence }: Command): boolean =>
    action.id === idOf(evidence.event, sha256) &&
    action.requester === evidence.user &&
    canonical({ kind: action.kind, args: action.args }) === canonical(act);

  return {
    async take(t) {
      const verdict = await judge(t, o.gate);
      if (verdict.do === 'approve') return answer(verdict);
      if (verdict.do === 'ask') commands.set(verdict.command, structuredClone(verdict.command));
      if (verdict.do === 'receive') files.set(verdict, structuredClone(verdict));
      return verdict;
    },
    async receive(received) {
      const heard = files.get(received);
      if (!heard) throw new Error('That is no file that the gatekeeper heard of: it was not taken.');
      const { sent, evidence } = heard;
      const bytes = await o.download(sent.file, mostSent);
      const args = { path: sent.path, sha256: sha256(bytes), size: bytes.length };
      const command: Command = { act: { kind: 'put_file', args }, evidence };
      commands.set(command, structuredClone(command));
      return { command, bytes };
    },
    async command(page, command) {
      const heard = commands.get(command);
      if (!heard || !isNamed(page, heard) || !o.book.decides(page, heard.evidence)) return undefined;
      const card = await o.adopt(page, heard.evidence.event);
      return (await answer({ card, grade: 'signed', evidence: heard.evidence })).refused;
    },
  };
}
