/**
 * Why nothing runs that was not approved: file 8 of the door. The executor judges every entry again as it reads the chain,
 * and its own claim before it is made, by the rules that the ledger goes by, whose word it takes for nothing. Who runs an
 * action is settled by the ledger, which takes one claim of it: so `claim` gives out each action once, whatever crashes, and
 * nothing else gives out any.
 */
import { isOver } from '../../ledger/rules/lifecycle.cjs';
import { type Action, sha256 } from '../../ledger/src/action.ts';
import { createChain } from '../../ledger/src/chain.ts';
import type { Append, Entry } from '../../ledger/src/client.ts';

/** An action as it was requested, and the digest of exactly that text. `leased`: a lease stands for the answer. */
export type Request = {
  id: string;
  number: number;
  action: Action;
  digest: string;
  requested: Entry;
  leased: boolean;
};

declare const once: unique symbol;
/** What is to be run, now and by this executor. Only `claim` makes one. */
export type Claimed = Request & { readonly [once]: true };

export type Book = ReturnType<typeof makeBook>;

/** The chain as this executor has judged it. */
export function makeBook() {
  const chain = createChain();
  let broken = false;
  /** The numbers that people read: how many were asked for before, and this one. */
  const numbers = new Map<string, number>();
  let requests = 0;
  return {
    /** Takes the next entry of the chain; one that it has is left alone. Returns why the ledger had to refuse it, or ''. */
    add(entry: Entry): string {
      if (broken || entry.seq <= chain.head().seq) return '';
      const why = chain.take(entry);
      broken = why !== '';
      if (!broken && entry.kind === 'requested') numbers.set(entry.action, ++requests);
      if (isOver(entry.kind)) numbers.delete(entry.action);
      return why;
    },
    /** Whether the ledger never took what it had to refuse. */
    holds: () => !broken,
    open: chain.open,
    /** Number of the last entry by which somebody may approve no more. */
    lostAt: () => chain.state().people.lostAt,
    story: chain.story,
    state: chain.state,
    /** @throws Error where there is no such action, or it is over */
    request(id: string): Request {
      const [requested, ...since] = chain.story(id);
      if (requested?.kind !== 'requested') throw new Error(`no open action ${id}`);
      const action: Action = JSON.parse(requested.body);
      const leased = since.some((e) => e.kind === 'leased');
      const number = numbers.get(id) ?? 0;
      return { id, number, action, digest: sha256(requested.body), requested, leased };
    },
    /** Why nobody may claim it now, or ''. Where the ledger once took what it had to refuse, nothing is claimed: `broken`. */
    claimRefusal(action: string, body: object, now: number): string {
      if (broken) return 'broken';
      // The ledger's clock decides; this process may be a little behind it, and is never taken as proof of the contrary.
      const time = new Date(Math.max(now, chain.state().clock)).toISOString();
      return chain.refusal({ author: 'executor', kind: 'claimed', action, body }, time);
    },
  };
}

/**
 * Claims the action under the executor's name and returns it, to be run once; or the code with which this executor refused.
 * What was claimed before, under this name too, is refused.
 * @param by.write writes an entry, and rejects where the ledger refuses it; so does this then
 */
export async function claim(
  by: {
    book: Book;
    name: string;
    tasks: { imageOf(workspace: string): string };
    write(entry: Append): Promise<unknown>;
  },
  id: string,
): Promise<Claimed | { refused: string }> {
  const request = by.book.request(id);
  const image = by.tasks.imageOf(request.action.workspace);
  const body = { digest: request.digest, executor: by.name, image };
  const refused = by.book.claimRefusal(id, body, Date.now());
  if (refused) return { refused };
  await by.write({ kind: 'claimed', action: id, body });
  return request as Claimed;
}
