/**
 * The gatekeeper's own work for a decision, from the decrypted event to the verdict: the homeserver answers at once and the
 * ledger is not asked. A room with 10,000 past events and cards, 50 devices and 200 open cards; the floor is a room with
 * one device and one card, measured between, in the same run. One JSON object a figure.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { figure } from './figures.ts';

const rounds = Number(process.env['ROUNDS'] ?? 1000);
const warmUp = 20;
const json = process.argv.includes('--json');

/** A room's process, ready to decide. */
async function openRoom(past: number, devices: number, open: number): Promise<ChildProcess> {
  const child = fork(join(import.meta.dirname, 'decide-room.ts'), [past, devices, open].map(String));
  child.once('exit', (code) => process.exit(code ?? 1));
  await answer(child);
  return child;
}
/** What the process says next. */
const answer = async (child: ChildProcess): Promise<unknown> => (await once(child, 'message'))[0] as unknown;
function decide(child: ChildProcess, kind: string): Promise<number> {
  child.send(kind);
  return answer(child) as Promise<number>;
}

process.stderr.write('bench decide: filling a room\n');
const [full, empty] = await Promise.all([openRoom(10_000, 50, 200), openRoom(0, 1, 1)]);
for (const kind of ['sealed', 'signed']) {
  const ours: number[] = [];
  const floor: number[] = [];
  for (let i = -warmUp; i < rounds; i++) {
    const mine = await decide(full, kind);
    const low = await decide(empty, kind);
    if (i < 0) continue;
    ours.push(mine);
    floor.push(low);
  }
  const f = figure(`decide.${kind}`, ours, floor);
  console.log(
    json
      ? JSON.stringify(f)
      : `${f.bench}: p50 ${f.p50} ms, p99 ${f.p99} ms, empty room ${f.floor.p50} ms, ratio ${f.ratio} (n=${f.n})`,
  );
}
for (const child of [full, empty]) child.disconnect();
