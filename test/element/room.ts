/**
 * What a person does in a room of the phone. What is looked for is looked for anew each time: the engine's own live timeline can
 * miss an edit after a limited sync until somebody scrolls.
 */
import { basename } from 'node:path';
import { messageOf } from '../../ledger/src/retry.ts';
import { until } from '../harness/wait.ts';
import { printed } from './print.ts';
import type { Program } from './program.ts';
import type { Attachment, Room, Row } from './types.ts';

export type Place = { room: string; thread?: string | undefined };
type Act = { do: string; with?: unknown };

/** Seconds after which a person scrolls, because what they look for is not there. */
const soon = 2;

/** An open room, or a thread of it. */
export function roomOf(command: Program['command'], place: Place): Room {
  const act = <T = null>(what: Act): Promise<T> => command<T>('in', [place, what]);
  const rows = (back = 0): Promise<Row[]> => act<Row[]>({ do: 'read', with: back });

  /**
   * Sends, and waits until the server has it. Older rows may come into view meanwhile, as the root of a thread that was just
   * opened: so it is known by its words and is the newest of those. @returns its event
   */
  async function sent(what: Act, isIt: (row: Row) => boolean): Promise<string> {
    const before = new Set((await rows()).map((row) => row.id));
    await act(what);
    return until(`${JSON.stringify(what).slice(0, 100)} to be sent`, async () => {
      const own = (await rows()).filter((row) => row.own && isIt(row));
      const failed = own.find((row) => row.sending?.startsWith('failed'));
      if (failed) throw new Error(failed.sending ?? '');
      const id = own.at(-1)?.id;
      return id && !before.has(id) ? id : false;
    });
  }

  const room: Room = {
    room: place.room,
    rows,
    async until<T>(what: string, ask: (rows: Row[]) => T | undefined | false, seconds = 60): Promise<T> {
      let scrolled = Date.now();
      let last: Row[] = [];
      const look = async (): Promise<T | undefined | false> => {
        const scrolls = Date.now() - scrolled > soon * 1000;
        if (scrolls) scrolled = Date.now();
        last = await rows(scrolls ? 30 : 0);
        return ask(last);
      };
      try {
        return await until(what, look, { seconds, every: 100 });
      } catch (error) {
        throw new Error(
          `${messageOf(error)}\nThe newest of ${last.length} rows:\n${printed(last.slice(-12))}`,
        );
      }
    },
    sees: (words: string, seconds?: number): Promise<Row> =>
      room.until(
        `a message with ${JSON.stringify(words)}`,
        (all) => all.find((row) => !row.own && row.body?.includes(words)),
        seconds,
      ),
    say: (text: string): Promise<string> => sent({ do: 'say', with: text }, (row) => row.body === text),
    queue: (text: string): Promise<null> => act({ do: 'say', with: text }),
    reply: (to: string, text: string): Promise<string> =>
      sent({ do: 'reply', with: [to, text] }, (row) => row.body === text),
    edit: (event: string, text: string): Promise<null> => act({ do: 'edit', with: [event, text] }),
    tap: (event: string, key: string): Promise<null> => act({ do: 'tap', with: [event, key] }),
    vote: (poll: string, answers: readonly string[]): Promise<null> =>
      act({ do: 'vote', with: [poll, answers] }),
    redact: (event: string): Promise<null> => act({ do: 'redact', with: event }),
    attach: ({ kind, path, mime, caption }: Attachment): Promise<string> =>
      sent(
        { do: 'attach', with: [kind, path, mime, caption ?? null] },
        (row) => row.body === (caption ?? basename(path)),
      ),
    close: (): Promise<null> => act({ do: 'close' }),
  };
  return room;
}
