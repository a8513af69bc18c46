/**
 * What a long ledger costs: the two appends of a tap, `approved` and `claimed`, on a real ledger with 10,000 and with 50,000
 * control entries, the floor being an empty one, in turns; the first append after its start; and the start of bot and executor,
 * which read 100,000 entries. CONTROL names other sizes (`CONTROL=1000,2000`), ROUNDS the taps. One JSON object a figure.
 */
import { execFile } from 'node:child_process';
import { createWriteStream, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { checkout } from '../../console/instance/paths.ts';
import type { Ledger } from '../../ledger/src/client.ts';
import { startLedger, type TestLedger } from '../harness/ledger.ts';
import { enrol, type Wanted, wayOf } from '../harness/ledger-chain.ts';
import { figure } from './figures.ts';
import { action, history, policy } from './history.ts';

const run = promisify(execFile);
const sizes = (process.env['CONTROL'] ?? '10000,50000').split(',').map(Number);
const rounds = Number(process.env['ROUNDS'] ?? 200);
const startEntries = 100_000;
const json = process.argv.includes('--json');
const note = (text: string): void => void process.stderr.write(`bench growth: ${text}\n`);
const print = (f: object, text: string): void => console.log(json ? JSON.stringify(f) : text);
const folder = await mkdtemp(join(tmpdir(), 'growth-'));

type Taps = { approved: number[]; claimed: number[] };
type Room = { name: string; bot: Ledger; executor: Ledger; taps: Taps };

async function open(ledger: TestLedger, name: string): Promise<Room> {
  const [bot, executor] = await Promise.all([ledger.connect('bot'), ledger.connect('executor')]);
  return { name, bot, executor, taps: { approved: [], claimed: [] } };
}

async function tap({ bot, executor, taps }: Room, counts: boolean): Promise<void> {
  for (const { author, ...entry } of wayOf(action('now'))) {
    const from = performance.now();
    await (author === 'bot' ? bot : executor).append(entry);
    if (counts && (entry.kind === 'approved' || entry.kind === 'claimed'))
      taps[entry.kind].push(performance.now() - from);
  }
}

const ledgers: TestLedger[] = [];
try {
  const empty = await startLedger();
  ledgers.push(empty);
  const operator = await empty.connect('operator');
  const first: Wanted[] = [{ author: 'operator', kind: 'policy.set', body: { policy } }, enrol];
  for (const { author: _, ...entry } of first) await operator.append(entry);
  const rooms = [await open(empty, 'empty')];
  for (const control of sizes) {
    note(`filling a ledger with ${control} control entries, ${4 * control} in all`);
    const ledger = await startLedger();
    ledgers.push(ledger);
    await ledger.put(history(control / 2)); // through its hook it would take an hour
    const room = await open(ledger, String(control));
    rooms.push(room);
    const from = performance.now();
    await room.bot.append({ kind: 'alarm', body: { reason: 'the first append after a start' } });
    const ms = Math.round(performance.now() - from);
    print({ bench: 'growth.first', control, ms }, `first append at ${control}: ${ms} ms`);
  }
  for (let i = -10; i < rounds; i++) for (const room of rooms) await tap(room, i >= 0);
  const [floor, ...full] = rooms;
  for (const { name, taps } of full)
    for (const kind of ['approved', 'claimed'] as const) {
      const f = figure(`growth.${kind}.${name}`, taps[kind], floor?.taps[kind] ?? []);
      print(
        f,
        `${f.bench}: p50 ${f.p50} ms, p99 ${f.p99} ms, empty ${f.floor.p50} ms, ratio ${f.ratio} (n=${f.n})`,
      );
    }
  note(`writing ${startEntries} entries for a start`);
  const file = join(folder, 'entries.jsonl');
  const lines = function* () {
    for (const entry of history(startEntries / 8)) yield `${JSON.stringify(entry)}\n`;
  };
  await pipeline(Readable.from(lines()), createWriteStream(file));
  for (const [part, folder] of [
    ['bot', 'bot'],
    ['executor', 'sandbox'],
  ] as const) {
    // With the flags that its image starts it with.
    const [, command = '[]'] =
      /^CMD (.*)$/m.exec(readFileSync(join(checkout, folder, 'Dockerfile'), 'utf8')) ?? [];
    const flags = (JSON.parse(command) as string[]).filter((word) => word.startsWith('--'));
    const start = [...flags, join(import.meta.dirname, 'growth-start.ts'), part, file];
    const { stdout } = await run(process.execPath, start);
    const f = JSON.parse(stdout) as { entries: number; seconds: number; mib: number };
    print(f, `start of ${part}: ${f.entries} entries in ${f.seconds} s, ${f.mib} MiB`);
  }
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  for (const ledger of ledgers) await ledger.stop();
  await rm(folder, { recursive: true, force: true });
}
process.exit();
