/** Reads that a lease covers: one message for each run of them in a task, which counts them as they end. */
import { bodyOf, isOver } from '@pocketcoder/ledger/rules/lifecycle.cjs';
import { fullName } from '@pocketcoder/ledger/rules/servers.cjs';
import type { Entry } from '@pocketcoder/ledger/src/client.ts';
import type { Logger } from 'pino';
import type { Book, Page } from '../approval/view.ts';
import { type Content, message } from '../show/blocks.ts';
import { oneLine } from '../show/visible.ts';
import type { Matrix, RoomId } from '../types.ts';
import { type Status, statusMessage } from './status.ts';

/** Milliseconds between two reads that are of one run: what is read after somebody spoke begins a line of its own. */
const together = 60_000;
/** The last things read that are named, and how many characters of each. */
const named = { most: 4, characters: 40 };

const leaseOf = ({ story }: Page): Entry | undefined => story.find((e) => e.kind === 'leased');
const isRead = (page: Page): boolean => page.action.class === 'read' && leaseOf(page) !== undefined;
const endOf = ({ story }: Page): Entry | undefined => story.find((e) => isOver(e.kind));
/** A read that was stopped or refused is told by itself. */
const counts = (page: Page): boolean => /^(succeeded|failed)$/.test(endOf(page)?.kind ?? '');

function whatOf({ action: { args } }: Page): string {
  const path = 'path' in args ? args.path : '';
  if ('hash' in args) return oneLine(fullName(args.server, args.tool), named.characters);
  if ('pattern' in args)
    return `“${oneLine(args.pattern, named.characters)}” in ${oneLine(path, named.characters)}`;
  return 'number' in args ? `terminal #${args.number}` : oneLine(path, named.characters);
}

type Run = { pages: Page[]; status: Status };

export function createReads({ matrix, book, log }: { matrix: Matrix; book: Book; log: Logger }) {
  /** The last run of each task. */
  const runs = new Map<string, Run>();
  /** What had ended before this process began may stand in the room already. */
  const before = new Set<string>();

  /** Whether something else was asked for in its task, between these numbers. */
  const between = ({ action: { task } }: Page, from: number, to = Number.POSITIVE_INFINITY): boolean =>
    [...book.over(), ...book.unfinished()].some(
      (other) => other.action.task === task && !isRead(other) && other.number > from && other.number < to,
    );

  /** The run that it belongs to: a restart, which takes them in the same order, finds the same. */
  function runOf(page: Page, room: RoomId): Run {
    const { id, task } = page.action;
    const now = runs.get(task);
    const last = now?.pages.at(-1);
    const goesOn =
      last && page.requestedAt - last.requestedAt <= together && !between(page, last.number, page.number);
    const run = (goesOn && now) || {
      pages: [],
      status: statusMessage(matrix, room, log, { txn: `reads-${id}`, begun: before.has(id) }),
    };
    if (!run.pages.includes(page)) run.pages.push(page);
    runs.set(task, run);
    return run;
  }

  function content(done: readonly Page[]): Content {
    const failed = done.filter((page) => endOf(page)?.kind === 'failed').length;
    const [from, to] = [done[0]?.number, done.at(-1)?.number];
    const leases = new Set(done.flatMap((p) => leaseOf(p) ?? []).map((e) => bodyOf(e, 'leased').lease));
    const by = [...leases].map((lease) => `#${book.number(lease) ?? lease}`).join(', ');
    const names = [...new Set(done.map(whatOf))];
    const last = names.slice(-named.most).join(', ');
    const about = done.length === 1 ? `#${from} · 1 read` : `#${from}–#${to} · ${done.length} reads`;
    const entry = done.map(endOf).reduce((a, b) => (b && (!a || b.seq > a.seq) ? b : a), undefined);
    return {
      ...message([
        { line: `📖 ${about}${failed > 0 ? ` (${failed} failed)` : ''} · by ${by}` },
        { quote: `${names.length > named.most ? '… ' : ''}${last}` },
      ]),
      ...(entry && { 'org.pocketcoder.checkpoint': { seq: entry.seq, hash: entry.hash } }),
    };
  }

  return {
    counts: (page: Page): boolean => isRead(page) && counts(page),
    /** At the start: what has ended by now. */
    begin(): void {
      for (const { action } of book.over()) before.add(action.id);
    },
    /** Has its run's message say how many they are by now. */
    show(page: Page): void {
      const room = book.rooms().get(page.action.workspace);
      if (!room) return;
      const { pages, status } = runOf(page, room as RoomId);
      // Of what had ended before, only the last run can have been cut off.
      if (!before.has(page.action.id) || !between(page, page.number)) status.show(content(pages));
    },
  };
}
