/** Tells the rooms when a part is down and when it is back: one message an outage, which is edited once it is over. */
import type { Logger } from 'pino';
import type { Database } from '../database.ts';
import { clock } from '../show/action.ts';
import { type Content, message } from '../show/blocks.ts';
import type { EventId, Matrix, RoomId } from '../types.ts';

/** `down` and `back` say what that means; `after` is how long it has to last, in milliseconds, to be told. */
type Part = { gone: string; down: string; came: string; back: string; after: number };
export type PartName = keyof typeof parts;
/** `unknown`: what would tell is itself away. */
export type State = 'up' | 'down' | 'unknown';

const parts = {
  ledger: {
    gone: 'The ledger is down',
    down: 'Nothing is asked, approved or run until it is back; what you tap waits.',
    came: 'The ledger is back',
    back: 'What was tapped meanwhile counts where its time was not over.',
    after: 30_000,
  },
  history: {
    gone: 'The ledger was turned back, or goes another way than what was read of it,',
    down: 'Nothing is asked, approved or run by it; what you tap waits.',
    came: 'The ledger has again what was read of it',
    back: 'What was tapped meanwhile counts where its time was not over.',
    after: 0,
  },
  executor: {
    gone: 'Nothing is heard of the executor',
    down: 'What you approve starts when it is back, or expires where its time is over by then.',
    came: 'The executor is back',
    back: 'What was approved meanwhile runs, where its time was not over.',
    after: 20_000,
  },
  brain: {
    gone: 'The agent is down',
    down: 'What you say to it is kept, and told to it when it is back. !run works.',
    came: 'The agent is back',
    back: 'It was told what was said meanwhile.',
    after: 60_000,
  },
  disk: {
    gone: 'The bot’s disk is nearly full',
    down: 'Nothing new is asked until there is room where Docker keeps the bot’s data.',
    came: 'There is room on the bot’s disk',
    back: 'Actions are asked again.',
    after: 0,
  },
  // It is not told before it is back, and then only where people may have noticed.
  homeserver: {
    gone: '',
    down: '',
    came: 'The homeserver was away and is back',
    back: 'What was said and tapped meanwhile counts where its time was not over.',
    after: 180_000,
  },
} as const satisfies Record<string, Part>;

/** A part that comes and goes has one outage, which is over when it stayed for so long (milliseconds). */
const calm = 30_000;

type Told = { part: PartName; room: RoomId; since: number; event: EventId | '' };

/**
 * @param o.db keeps which outages were told, so that a restart of the bot tells none again
 * @param o.rooms where it is told; none as long as nobody is there to read it
 */
export function createOutages(o: {
  db: Database;
  matrix: Pick<Matrix, 'post' | 'edit'>;
  rooms(): readonly RoomId[];
  log: Logger;
}) {
  const { db } = o;
  db.exec(
    `CREATE TABLE IF NOT EXISTS outage(part TEXT, room TEXT, since INTEGER, event TEXT, PRIMARY KEY(part, room)) STRICT;`,
  );
  const find = db.prepare('SELECT * FROM outage WHERE part = ?');
  const told = (part: PartName) => find.all(part) as unknown as Told[];
  const note = db.prepare('INSERT OR REPLACE INTO outage VALUES(:part, :room, :since, :event)');
  const forget = db.prepare('DELETE FROM outage WHERE part = :part AND room = :room');
  /** When it went down, and since when it is up again. */
  const seen = new Map<PartName, { down: number; up?: number }>();
  const busy = new Set<PartName>();

  /** Sent again after a crash it is the same message. */
  const post = (outage: Told, content: Content): Promise<EventId> =>
    o.matrix.post(outage.room, 'm.room.message', content, { txn: `outage-${outage.part}-${outage.since}` });
  const downText = ({ part, since }: Told) =>
    message(
      `⚠️ ${parts[part].gone} since ${clock(new Date(since))}. ${parts[part].down} At the console: ./pocketcoder doctor`,
      'm.text',
    );
  const backText = ({ part, since }: Told, up: number) =>
    message(
      `✅ ${parts[part].came} (${clock(new Date(since), new Date(up))} to ${clock(new Date(up))}). ${parts[part].back}`,
    );

  async function tellDown(part: PartName, since: number): Promise<void> {
    for (const room of o.rooms()) {
      const outage: Told = { part, room, since, event: '' };
      note.run(outage); // before it is sent
      note.run({ ...outage, event: await post(outage, downText(outage)) });
    }
  }

  async function tellBack(part: PartName, since: number, up: number): Promise<void> {
    if (part === 'homeserver')
      for (const room of o.rooms()) {
        const outage: Told = { part, room, since, event: '' };
        await post(outage, backText(outage, up));
      }
    for (const outage of told(part)) {
      const event = outage.event || (await post(outage, downText(outage)));
      await o.matrix.edit(outage.room, event, backText(outage, up));
      forget.run({ part, room: outage.room });
    }
  }

  /** One thing at a time is told of a part; one that failed is tried again at the next look. */
  function tell(part: PartName, work: () => Promise<void>): void {
    busy.add(part);
    work()
      .catch((error: unknown) => o.log.warn({ part, err: error }, 'an outage was not told'))
      .finally(() => busy.delete(part));
  }

  function judge(part: PartName, state: State, now: number): void {
    if (busy.has(part)) return;
    const [before] = told(part);
    const outage = seen.get(part) ?? (before && { down: before.since });
    if (state === 'down') {
      const since = outage?.down ?? now;
      seen.set(part, { down: since });
      if (!before && part !== 'homeserver' && now - since >= parts[part].after)
        tell(part, () => tellDown(part, since));
      return;
    }
    if (!outage) return;
    if (state === 'unknown') return void (before || seen.delete(part));
    const up = outage.up ?? now;
    seen.set(part, { down: outage.down, up });
    if (now - up < calm) return;
    const long = part === 'homeserver' && up - outage.down >= parts[part].after;
    if (!before && !long) return void seen.delete(part);
    tell(part, async () => {
      await tellBack(part, outage.down, up);
      seen.delete(part);
    });
  }

  return {
    /** What that room was told is down, a line a part. */
    down: (room: RoomId): string[] =>
      (db.prepare('SELECT * FROM outage WHERE room = ? ORDER BY since').all(room) as Told[]).map(
        ({ part, since }) => `⚠️ ${parts[part].gone} since ${clock(new Date(since))}`,
      ),
    /** Takes what each part is now, every few seconds. Never throws. */
    look(states: Record<PartName, State>, now: number): void {
      try {
        for (const part of Object.keys(parts) as PartName[]) judge(part, states[part], now);
      } catch (error) {
        o.log.warn({ err: error }, 'outages were not looked at');
      }
    },
  };
}
