/** Figures for Prometheus: numbers of the whole instance, whose labels are words of ours. The ledger gives them out (ledger/metrics.go). */
import { readFileSync } from 'node:fs';
import { bodyOf, isOver, last, lifecycle } from '@pocketcoder/ledger/rules/lifecycle.cjs';
import type { Entry } from '@pocketcoder/ledger/src/client.ts';
import { attempt } from '@pocketcoder/ledger/src/retry.ts';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Book, Page } from './approval/view.ts';
import type { Spent } from './brain/costs.ts';
import type { PartName, State } from './room/outages.ts';

/** How things stand at this moment. */
export type Standing = {
  parts: Record<PartName, State>;
  /** Events that the homeserver told of and that are not handled yet. */
  events: number;
  /** What agents have yet to be told. */
  debts: number;
  /** Tasks that work, or wait for somebody. */
  tasks: number;
  /** Since the first start. */
  spent: Spent;
  /** Bytes left on the bot's disk. */
  free: number;
};
export type Figures = {
  /** Takes the next entry of the chain, once the book has read it. */
  read(entry: Entry): void;
  /** Takes how long an entry took to be written, in seconds. */
  appended(seconds: number): void;
  /** All of them, in Prometheus's text form. */
  text(now: Standing): Promise<string>;
};

const seconds = ({ at }: Pick<Entry, 'at'>): number => Date.parse(at) / 1000;
const open = Object.keys(lifecycle).filter((state) => state && !isOver(state));
const waits = ['posted', 'endorsed'];

/** When the newest backup was made, by the file that the operator's program keeps: seconds since 1970, or 0 without one. */
const backedUp = (file: string): number =>
  attempt(() => Date.parse(JSON.parse(readFileSync(file, 'utf8')) as string) / 1000) || 0; // it may be being written

/** What is counted is counted from the chain's beginning on, so that a restart sets nothing back. @param backup file of the newest one's time */
export function createFigures(book: Book, backup: string): Figures {
  const registry = new Registry();
  const about = (name: string, help: string, labelNames: string[] = []) => ({
    ...{ name: `pocketcoder_${name}`, help, labelNames, registers: [registry] },
  });
  const gauge = (...of: Parameters<typeof about>) => new Gauge(about(...of));
  const counter = (...of: Parameters<typeof about>) => new Counter(about(...of));
  const histogram = (name: string, help: string, buckets: number[], labels: string[] = []) =>
    new Histogram({ ...about(name, help, labels), buckets });
  const parts = gauge('part_up', 'Whether the bot hears of it.', ['part']);
  const actions = gauge('actions_open', 'Actions that are not over.', ['state']);
  const oldest = gauge('card_oldest_seconds', 'How long the oldest card has waited for an answer.');
  const answers = counter('answers_total', 'Answers to cards and commands.', ['answer', 'grade']);
  const waited = [2, 5, 15, 60, 300, 900, 3600, 14_400];
  const decisions = histogram('decision_seconds', 'From a card to its decision.', waited);
  const ended = counter('actions_total', 'Actions that are over.', ['outcome']);
  const ran = [0.5, 2, 10, 60, 300, 1800, 7200];
  const running = histogram('action_seconds', 'From the claim of an action to its end.', ran, ['outcome']);
  const alarms = counter('alarms_total', 'Alarms in the ledger.');
  const entries = gauge('ledger_entries', 'Entries of the chain that were read.');
  const wrote = [0.005, 0.02, 0.1, 0.5, 2];
  const appending = histogram('ledger_append_seconds', 'From an entry to its standing in the ledger.', wrote);
  const events = gauge('events_waiting', 'Events of rooms that are not handled yet.');
  const debts = gauge('debts', 'What agents have yet to be told.');
  const tasks = gauge('tasks_at_work', 'Tasks that work, or wait for somebody.');
  const tokens = counter('model_tokens_total', 'Tokens that models took.');
  const cost = counter('model_cost_total', 'What models cost, by the prices in the settings.');
  const free = gauge('disk_free_bytes', 'Room left where Docker keeps the data.');
  const saved = gauge('backup_timestamp_seconds', 'When the newest backup was made; 0 without one.');

  /** The card of a person's own command was decided with it, and waited for nobody. */
  function decided(entry: Entry, { story }: Page): void {
    const posted = last(story, 'posted');
    const isFirst = story.find(({ kind }) => kind === 'approved' || kind === 'denied') === entry;
    if (!posted || !isFirst || bodyOf(posted, 'posted').form === 'command') return;
    decisions.observe(seconds(entry) - seconds(posted));
  }

  return {
    read(entry) {
      const { kind } = entry;
      const page = book.page(entry.action);
      entries.set(entry.seq);
      if (kind === 'alarm') alarms.inc();
      if (kind === 'approved' || kind === 'endorsed' || kind === 'denied') {
        const { grade = 'plain' } = bodyOf(entry, kind);
        answers.inc({ answer: kind, grade });
        if (page && kind !== 'endorsed') decided(entry, page);
      }
      if (!isOver(kind)) return;
      ended.inc({ outcome: kind });
      const claimed = page && last(page.story, 'claimed');
      if (claimed) running.observe({ outcome: kind }, seconds(entry) - seconds(claimed));
    },
    appended: (took) => appending.observe(took),
    async text(now) {
      parts.reset();
      for (const [part, state] of Object.entries(now.parts))
        if (state !== 'unknown') parts.set({ part }, state === 'up' ? 1 : 0);
      const pages = Map.groupBy(book.unfinished(), ({ action }) => book.state(action.id));
      for (const state of open) actions.set({ state }, pages.get(state)?.length ?? 0);
      const cards = waits.flatMap((state) => pages.get(state) ?? []);
      const since = cards.flatMap(({ story }) => last(story, 'posted') ?? []).map(seconds);
      oldest.set(Math.max(0, Date.now() / 1000 - Math.min(...since)));
      events.set(now.events);
      debts.set(now.debts);
      tasks.set(now.tasks);
      tokens.reset();
      tokens.inc(now.spent.tokens);
      cost.reset();
      cost.inc(now.spent.dollars);
      free.set(now.free);
      saved.set(backedUp(backup));
      return registry.metrics();
    },
  };
}
