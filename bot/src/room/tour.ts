/** A short tour of the room after the first pairing, told step by step as a person does what it says. Nothing waits for it. */
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { Database } from '../database.ts';
import type { Outcome } from '../gateway/outcome.ts';

export type TourOptions = {
  /** Keeps over restarts where everybody is. */
  db: Database;
  /** Says it in that workspace's room; the same `txn` is the same message. */
  say(workspace: string, text: string, txn: string): Promise<unknown>;
  log: Logger;
};
/** What a person did that may lead on: an action that is over, or a stop. */
export type Deed = Outcome['state'] | 'stopped';
export type Tour = ReturnType<typeof createTour>;
type Row = { workspace: string; run: string; step: number; told: number };

const yes: readonly Deed[] = ['succeeded', 'failed', 'killed'];
const no: readonly Deed[] = ['denied'];
/** Each says something to do, and what leads on. The recovery key in the words of Element X for Android 26.08.2. */
const steps: readonly { says: string; until: readonly Deed[] }[] = [
  {
    says:
      '👋 A tour, 1 of 5. Nothing is run here that you did not approve on a card, which shows the whole of it. Try one that ' +
      'harms nothing: send “!run echo hello”, then tap the emoji that the card names. (!tour off ends this, !tour begins anew.)',
    until: yes,
  },
  {
    says: '👋 2 of 5. That tap let exactly this run, once. Now refuse one: send “!run echo no” and tap ❌ on its card.',
    until: no,
  },
  {
    says:
      '👋 3 of 5. Refused: it never ran. For emergencies there is 🛑, tapped on any card, or !stop: it ends what runs and denies ' +
      'what waits. Send !stop now.',
    until: ['stopped'],
  },
  {
    says:
      '👋 4 of 5. Do you like emoji, or rather a poll? “!run echo poll”, then !poll with the number of its card, shows one. For ' +
      'polls always, write “form: poll” under “approvals:” in pocketcoder.yaml and run ./pocketcoder start: a card asks you then.',
    until: [...yes, ...no],
  },
  {
    says:
      '👋 5 of 5. Phones get lost. In Element: Settings, Encryption, “Get recovery key”, then “Generate your recovery key” and ' +
      'keep it where nobody else looks, not in a chat. ./pocketcoder freeze at the console stops everything meanwhile.',
    until: [],
  },
];
const off = steps.length;

export function createTour({ db, say, log }: TourOptions) {
  db.exec(`CREATE TABLE IF NOT EXISTS tour(workspace TEXT PRIMARY KEY, run TEXT NOT NULL, step INTEGER NOT NULL,
      told INTEGER NOT NULL) STRICT;`);
  const add = db.prepare('INSERT OR IGNORE INTO tour VALUES(?,?,0,0)');
  const set = db.prepare('INSERT OR REPLACE INTO tour VALUES(?,?,?,0)');
  const mark = db.prepare('UPDATE tour SET told = 1 WHERE workspace = ? AND run = ? AND step = ?');
  const find = db.prepare('SELECT * FROM tour WHERE workspace = ?');

  function tell(workspace: string): void {
    const { run, step } = find.get(workspace) as Row;
    const text = steps[step]?.says;
    if (text === undefined) return;
    say(workspace, text, `tour-${run}-${step}`).then(
      () => mark.run(workspace, run, step),
      (error: unknown) => log.warn({ workspace, err: error }, 'a step of the tour was not said'),
    );
  }
  function go(workspace: string, run: string, step: number): void {
    set.run(workspace, run, step);
    tell(workspace);
  }

  return {
    /** After a pairing: once a workspace, ever. */
    first(workspace: string): void {
      if (add.run(workspace, randomUUID()).changes > 0) tell(workspace);
    },
    /** From the beginning. */
    again: (workspace: string): void => go(workspace, randomUUID(), 0),
    off: (workspace: string): void => void set.run(workspace, randomUUID(), off),
    did(workspace: string, deed: Deed): void {
      const row = find.get(workspace) as Row | undefined;
      if (row && steps[row.step]?.until.includes(deed)) go(workspace, row.run, row.step + 1);
    },
    /** After a restart: says what was due and not said. */
    resume(): void {
      for (const row of db.prepare('SELECT * FROM tour WHERE told = 0').all() as Row[]) tell(row.workspace);
    },
  };
}
