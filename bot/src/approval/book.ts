/** What the bot knows of the ledger: the chain read once, in order, and kept as far as anything open needs it. */
import type { Action } from '@pocketcoder/ledger/src/action.ts';
import type { Entry } from '@pocketcoder/ledger/src/client.ts';
import { controlKinds, enrolled, isFrozen, isOver, stateOf } from '@pocketcoder/ledger/src/rules.cjs';
import type { Enrolled } from '../matrix/types.ts';

export type Page = { action: Action; digest: string; number: number; requestedAt: number; story: Entry[] };
export type Book = {
  /** Takes the next entry of the chain. */
  read(entry: Entry): void;
  /** Resolves when the entry with this seq has been read. */
  reached(seq: number): Promise<void>;
  page(action: string): Page | undefined;
  state(action: string): string;
  /** Pages of actions that can still change, oldest first. */
  unfinished(): Page[];
  enrolled(): Enrolled[];
  frozen(): boolean;
  /** Whether a device was revoked since the action's card was shown. It may have read the chips, so a tap proves nothing. */
  tapsSpoilt(action: string): boolean;
  rooms(): ReadonlyMap<string, string>;
};

/** @param digest of a requested entry's body */
export function createBook(digest: (body: string) => string): Book {
  const pages = new Map<string, Page>();
  const open = new Set<string>();
  const control: Entry[] = [];
  const rooms = new Map<string, string>();
  const waiting: { seq: number; resolve: () => void }[] = [];
  let devices: Enrolled[] = [];
  let read = 0;
  let requests = 0;

  function readAction(entry: Entry): void {
    if (entry.kind === 'requested') {
      const page: Page = {
        action: JSON.parse(entry.body) as Action,
        digest: digest(entry.body),
        number: ++requests,
        requestedAt: Date.parse(entry.at),
        story: [],
      };
      pages.set(entry.action, page);
      open.add(entry.action);
    }
    pages.get(entry.action)?.story.push(entry);
    if (isOver(entry.kind)) open.delete(entry.action);
  }

  return {
    read(entry) {
      if (entry.seq <= read) return;
      read = entry.seq;
      if (entry.action) readAction(entry);
      if (controlKinds.includes(entry.kind)) {
        control.push(entry);
        devices = enrolled(control) as unknown as Enrolled[]; // branded here: the ledger's rules know no Matrix
      }
      if (entry.kind === 'workspace.created') {
        const { workspace, room } = JSON.parse(entry.body) as { workspace: string; room: string };
        rooms.set(workspace, room);
      }
      for (let i = waiting.length - 1; i >= 0; i--)
        if ((waiting[i]?.seq ?? 0) <= entry.seq) waiting.splice(i, 1)[0]?.resolve();
    },
    reached: (seq) =>
      seq <= read ? Promise.resolve() : new Promise((resolve) => waiting.push({ seq, resolve })),
    page: (action) => pages.get(action),
    state: (action) => stateOf(pages.get(action)?.story ?? []),
    unfinished: () => [...open].flatMap((id) => pages.get(id) ?? []),
    enrolled: () => devices,
    frozen: () => isFrozen(control),
    tapsSpoilt(action) {
      const shown = pages.get(action)?.story.find((e) => e.kind === 'posted')?.seq ?? 0;
      return control.some((e) => e.kind === 'identity.revoked' && e.seq > shown);
    },
    rooms: () => rooms,
  };
}
