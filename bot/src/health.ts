/** What is up and what is off, for people: in the room by !status, and at the console. */
import type { Book } from './approval/view.ts';
import type { Chain } from './chain.ts';
import type { Connection } from './connect.ts';
import type { PartName, State } from './room/outages.ts';
import type { Troubles } from './room/troubles.ts';
import { shortOfSpace } from './space.ts';
import type { RoomId } from './types.ts';

export type HealthOptions = {
  matrix: Connection;
  chain: Chain;
  book: Book;
  troubles: Troubles;
  /** Whether the brain is there; undefined where none is configured. */
  brainIsUp(): boolean | undefined;
  /** Why the brain is not up though something answers there, or ''. */
  brainRefusal(): string;
  stateDir: string;
  /** What a workspace's sandbox has, in words. */
  sandboxOf(workspace: string): string;
};
export type Health = {
  /** Something was heard of the executor: an entry, output, or that it is there. */
  heard(): void;
  states(): Record<PartName, State>;
  /** For the room: first whether something is down. */
  lines(workspace: string): string[];
  /** For the console. @param room of the main workspace */
  status(room: RoomId): Promise<object>;
};

const upIf = (up: boolean): State => (up ? 'up' : 'down');

/** Milliseconds: the executor says every ten seconds that it is there. */
const silence = 30_000;

export function createHealth({
  matrix,
  chain,
  book,
  troubles,
  brainIsUp,
  brainRefusal,
  stateDir,
  sandboxOf,
}: HealthOptions): Health {
  let heard = Date.now();

  function states(): ReturnType<Health['states']> {
    const chained = chain.state();
    const ledger = chained === 'turned back' ? 'unknown' : chained; // nobody knows where it is
    const brain = brainIsUp();
    return {
      homeserver: matrix.state(),
      ledger,
      history: chained === 'turned back' ? 'down' : chained === 'up' ? 'up' : 'unknown',
      executor: ledger === 'up' ? upIf(Date.now() - heard < silence) : 'unknown',
      brain: brain === undefined ? 'unknown' : upIf(brain),
      disk: upIf(!shortOfSpace(stateDir)),
    };
  }
  function partsLine(mark: string, state: State): string[] {
    const { disk: _, history: __, ...others } = states(); // they have words of their own
    const parts = Object.entries(others).flatMap(([part, now]) => (now === state ? [part] : []));
    return parts.length > 0 ? [`${mark} ${state}: ${parts.join(', ')}`] : [];
  }

  return {
    heard() {
      heard = Date.now();
    },
    states,
    lines: (workspace) => [
      ...partsLine('⚠️', 'down'),
      ...partsLine('✅', 'up'),
      ...(brainIsUp() === undefined ? ['No model is configured: only !run and files work.'] : []),
      `🧰 the sandbox: ${sandboxOf(workspace)}`,
      ...(book.frozen() ? ['everything is frozen: nothing is approved'] : []),
      ...[chain.why(), ...troubles.all().map(({ why }) => why), brainRefusal(), shortOfSpace(stateDir)]
        .filter(Boolean)
        .map((why) => `⚠️ ${why}`),
    ],
    status: async (room) => ({
      ...states(),
      device: matrix.device,
      signed: (await matrix.deviceNow(matrix.user, matrix.device))?.crossSigned === true,
      room,
      enrolled: book.enrolled().length,
      troubles: troubles.all().map(({ room, why }) => [room, why]),
      turned: chain.why(),
      refusal: brainRefusal(),
      space: shortOfSpace(stateDir),
    }),
  };
}
