/**
 * A large output on its way: an approved script prints MB million bytes (256), and its result with all of them is in the ledger. From
 * `claimed` to `succeeded` by the entries' times. The floor, in turns with it: the same script by a raw `docker exec` in the same
 * container, its output read to the end, hashed, and written to a file that is then forced to disk. Besides, the most memory that
 * executor, ledger and bot held meanwhile; and `./pocketcoder output` gives out what the script printed. ROUNDS says how often. One JSON
 * object a figure.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type Docker from 'dockerode';
import { findEngine } from '../../console/engine/engine.ts';
import type { Entry, Ledger } from '../../ledger/src/client.ts';
import { stdoutOf } from '../../sandbox/src/exec.ts';
import { approve, askAndSee, numberOf } from '../harness/answers.ts';
import { ledgerOf, startInstance } from '../harness/instance.ts';
import { pairedPhone } from '../harness/paired.ts';
import { until } from '../harness/wait.ts';
import { watchMemory } from './memory.ts';

const size = Number(process.env['MB'] ?? 256) * 1_000_000;
const rounds = Number(process.env['ROUNDS'] ?? 5);
const json = process.argv.includes('--json');
const note = (text: string): void => void process.stderr.write(`bench stream: ${text}\n`);
const line = 'a line of what a build prints, of eighty bytes with the newline that ends it ...';
const script = `yes '${line}' | head -c ${size}`;
const { docker } = findEngine();
const folder = await mkdtemp(join(tmpdir(), 'stream-'));

/** What the script prints, made here. */
async function expected(): Promise<string> {
  const hash = createHash('sha256');
  const some = Buffer.from(`${line}\n`.repeat(1000));
  for (let left = size; left > 0; left -= some.length) hash.update(some.subarray(0, left));
  return hash.digest('hex');
}

const median = (all: readonly number[]): number =>
  [...all].sort((a, b) => a - b)[all.length >> 1] ?? Number.NaN;
const round = (x: number): number => Math.round(x * 100) / 100;

/** @returns seconds */
async function raw(container: Docker.Container, sum: string): Promise<number> {
  const from = performance.now();
  const exec = await container.exec({
    ...{
      Cmd: ['bash', '-c', script],
      User: '65525:65525',
      AttachStdout: true,
      AttachStderr: true,
      Tty: false,
    },
  });
  const stream = (await exec.start({})) as AsyncIterable<Buffer>;
  const hash = createHash('sha256');
  const path = join(folder, 'raw');
  const file = await open(path, 'w');
  for await (const piece of stdoutOf(stream)) {
    hash.update(piece);
    await file.write(piece);
  }
  await file.sync();
  await file.close();
  const took = (performance.now() - from) / 1000;
  if (hash.digest('hex') !== sum) throw new Error('the floor read something else');
  await rm(path);
  return took;
}

const instance = await startInstance();
const ours: number[] = [];
const floor: number[] = [];
const most: Record<string, number> = {};
try {
  const phone = await pairedPhone({ address: instance.address, ...instance.owner, home: instance.home });
  const ledger: Ledger = await ledgerOf(instance);
  const services = ['executor', 'ledger', 'bot'];
  const sum = await expected();
  for (let i = 0; i < rounds; i++) {
    note(`${i + 1} of ${rounds}`);
    const card = await askAndSee(phone, `!run ${script}`);
    const action = (await ledger.since(0)).findLast(({ kind }) => kind === 'requested')?.action ?? '';
    const watched = await watchMemory(
      Object.fromEntries(services.map((name) => [name, docker.getContainer(instance.container(name))])),
    );
    await approve(phone, card);
    const told = () =>
      phone
        .timeline()
        .some((e) => String(e.content['body']).includes(`The whole output of #${numberOf(card)} is`));
    await until('the end', told, { seconds: 600, every: 100 });
    for (const [name, mib] of Object.entries(watched())) most[name] = Math.max(most[name] ?? 0, mib);
    const story = await ledger.story(action);
    const at = (kind: string) => Date.parse(story.find((e) => e.kind === kind)?.at ?? '');
    ours.push((at('succeeded') - at('claimed')) / 1000);
    const end = story.at(-1) as Entry;
    const { bytes, sha256 } = JSON.parse(end.body) as { bytes?: number; sha256?: string };
    if (bytes !== size || sha256 !== sum) throw new Error(`the ledger has ${bytes} bytes, ${sha256}`);
    const path = join(folder, 'out');
    const { code, err } = await instance.run(['output', String(numberOf(card)), path]);
    if (code !== 0) throw new Error(err);
    const hash = createHash('sha256');
    await pipeline(createReadStream(path), hash);
    if (hash.digest('hex') !== sum) throw new Error('the console gave out something else');
    await rm(path);
    const label = [`org.pocketcoder=${instance.project}`, 'org.pocketcoder.task'];
    const [task] = await docker.listContainers({ filters: { label } });
    floor.push(await raw(docker.getContainer(task?.Id ?? ''), sum));
    note(`${ours.at(-1)} s, floor ${floor.at(-1)} s ${JSON.stringify(most)}`);
  }
  await phone.close();
  const seconds = { p50: round(median(ours)), floor: round(median(floor)) };
  const figures = [
    {
      bench: 'stream',
      unit: 's',
      n: rounds,
      bytes: size,
      ...seconds,
      ratio: round(median(ours) / median(floor)),
    },
    ...Object.entries(most).map(([name, mib]) => ({ bench: `stream.${name}`, unit: 'MiB', most: mib })),
  ];
  for (const f of figures)
    console.log(
      json
        ? JSON.stringify(f)
        : Object.entries(f)
            .map(([key, value]) => `${key} ${value}`)
            .join(', '),
    );
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await instance.destroy();
  await rm(folder, { recursive: true, force: true });
}
process.exit();
