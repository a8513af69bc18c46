/** The gateway with all its tools, as a brain gone wrong finds it: tasks to call in, helpers to hand work to. */
import pino from 'pino';
import type { Book, Page } from '../../../bot/src/approval/view.ts';
import { openDatabase } from '../../../bot/src/database.ts';
import type { Desk } from '../../../bot/src/desk/desk.ts';
import { createAsks } from '../../../bot/src/gateway/asks.ts';
import type { CrewDoor } from '../../../bot/src/gateway/handing.ts';
import { tokensFrom } from '../../../bot/src/gateway/hold.ts';
import type { Settled } from '../../../bot/src/gateway/line.ts';
import type { Outcome } from '../../../bot/src/gateway/outcome.ts';
import { createGateway, type Hands } from '../../../bot/src/gateway/server.ts';
import { parentOf } from '../../../bot/src/tasks/kin.ts';
import type { Entry } from '../../../ledger/src/entry.ts';
import { alone } from '../../harness/alone.ts';

export type Gate = Awaited<ReturnType<typeof openGate>>;

const mostHelpers = 2;

/** @param o.wait seconds that a call is held open */
export async function openGate(o: { desk: Desk; book: Book; workspace: string; wait: number }) {
  const { desk, book, workspace, wait } = o;
  const asks = createAsks(desk, book, () => false);
  const db = openDatabase(':memory:');
  const log = pino({ level: process.env['TEST_LOG'] ?? 'silent' });
  const gateway = createGateway({
    ...{ port: 0, host: '127.0.0.1', url: 'http://127.0.0.1', network: true, log },
    ...{ token: tokensFrom(db), servers: book.servers, bound: () => ({}), sees: () => true },
  });
  const open = (task: string) => gateway.open({ task, workspace });
  const hands: Hands[] = [];
  const helpers = ['bash', 'read_file', 'result'];
  const crew: CrewDoor = {
    ...alone.crew,
    agents: [{ name: 'tests', description: 'writes tests', tools: ['bash', 'read_file'], words: '' }],
    has: (task, tool) => (parentOf(task) ? helpers.includes(tool) : tool !== 'result'),
    hand(task, { agent }) {
      const count = hands.filter((one) => parentOf(one.task)).length;
      if (agent !== 'tests' || parentOf(task) || count >= mostHelpers) return { wrong: 'nobody is free' };
      hands.push(open(`${task}.${count + 1}`));
      return { helper: 'tests' };
    },
  };
  const ends = new Map<string, PromiseWithResolvers<string>>();
  const endOf = (action: string) => {
    const end = ends.get(action) ?? Promise.withResolvers<string>();
    ends.set(action, end);
    return end;
  };
  const settled = ({ action, outcome }: Settled) => endOf(action).resolve(outcome.state);
  await gateway.run({ ...alone, ...asks, wait, crew, settled, close: desk.close });
  for (let n = 0; n < 6; n++) hands.push(open(`task-${n}`));
  return {
    /** The tasks' hands, and those of helpers that one of them was given. */
    hands,
    /** Of tasks that nobody else calls in. */
    walkers: ['walk-a', 'walk-b', 'walk-c'].map(open),
    /** How an action ended, when it has. */
    told: (action: string): Promise<string> => endOf(action).promise,
    onEntry: (entry: Entry): void => gateway.onEntry(entry),
    over: (page: Page, outcome: Outcome): boolean => asks.over(page, outcome),
    async stop(): Promise<void> {
      await gateway.stop();
      db.close();
    },
  };
}
