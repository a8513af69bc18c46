/** An action's life, as tests tell it. */
import type { Entry } from '../../ledger/src/entry.ts';

/** The kinds of its entries, but for what the executor said before the card, which may come too late for it. */
export const lifeOf = (story: readonly Pick<Entry, 'kind'>[]): string[] =>
  story.map(({ kind }) => kind).filter((kind) => kind !== 'named');
