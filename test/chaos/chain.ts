/** The chain as a round waits for it: which entries an action has, and which action a story's mark stands in. */
import { isOver } from '../../ledger/rules/lifecycle.cjs';
import type { Entry, Ledger } from '../../ledger/src/client.ts';

/** Anything that somebody waits for, asked again whenever something happened. */
export function makeWaits() {
  const waiting = new Set<() => void>();
  return {
    happened(): void {
      for (const look of [...waiting]) look();
    },
    /** Resolves with the first answer that is not undefined, or with undefined where there was none in time. @param seconds at most */
    until<T>(ask: () => T | undefined, seconds: number): Promise<T | undefined> {
      return new Promise((resolve) => {
        const end = (got: T | undefined) => {
          clearTimeout(timer);
          waiting.delete(look);
          resolve(got);
        };
        const look = () => {
          const got = ask();
          if (got !== undefined) end(got);
        };
        const timer = setTimeout(() => end(ask()), seconds * 1000);
        waiting.add(look);
        look();
      });
    },
  };
}
export type Waits = ReturnType<typeof makeWaits>;

export function watchChain(ledger: Ledger, { happened }: Waits) {
  const stories = new Map<string, Entry[]>();
  /** In the order in which they were asked for: an action's place is its number. */
  const asked: Entry[] = [];
  const following = ledger.follow({
    onEntry(entry) {
      if (entry.action) stories.set(entry.action, [...(stories.get(entry.action) ?? []), entry]);
      if (entry.kind === 'requested') asked.push(entry);
      happened();
    },
  });
  const storyOf = (action: string): Entry[] => stories.get(action) ?? [];
  return {
    ready: following.ready,
    stop: following.stop,
    storyOf,
    kinds: (action: string): string[] => storyOf(action).map(({ kind }) => kind),
    has: (action: string, ...kinds: string[]): true | undefined =>
      storyOf(action).some(({ kind }) => kinds.includes(kind)) || undefined,
    /** The entry that ended it. */
    end: (action: string): Entry | undefined => storyOf(action).find(({ kind }) => isOver(kind)),
    numberOf: (action: string): number => asked.findIndex((e) => e.action === action) + 1,
    /** The actions whose request has this in it. */
    withMark: (mark: string): string[] =>
      asked.filter(({ body }) => body.includes(mark)).map(({ action }) => action),
    /** Asked for earlier and under way: what writes in turn with it. */
    writersAhead: (action: string): string[] => {
      const at = asked.findIndex((e) => e.action === action);
      return asked
        .slice(0, at)
        .map((e) => e.action)
        .filter((one) => stories.get(one)?.some(({ kind }) => kind === 'approved' || kind === 'leased'))
        .filter((one) => !stories.get(one)?.some(({ kind }) => isOver(kind)));
    },
    isUndo: (action: string): boolean => storyOf(action)[0]?.body.includes('"kind":"undo"') ?? false,
    /** The way back from before the action of this number. */
    undoOf: (number: number): string | undefined =>
      asked
        .filter(({ body }) => body.includes('"kind":"undo"') && JSON.parse(body).args.number === number)
        .map(({ action }) => action)[0],
    requests: (): readonly Entry[] => asked,
  };
}
export type Chain = ReturnType<typeof watchChain>;
