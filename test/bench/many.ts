/**
 * Many at once: TASKS tasks (50), eight in a workspace, each with one approved script that prints MB million bytes of its own (4), all approved in one go.
 * Seconds from the first `approved` to the last end by the entries' times, and until the phone has each output as a file; what
 * executor, ledger and bot hold before, at most, and once it is over; and what each task's container holds then. Fails where one did not
 * succeed, or the ledger has other bytes than it printed. One JSON object a figure.
 */
import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type Docker from 'dockerode';
import { findEngine } from '../../console/engine/engine.ts';
import { isOver } from '../../ledger/rules/lifecycle.cjs';
import { approve, askAndSee, numberOf } from '../harness/answers.ts';
import { ledgerOf, startInstance } from '../harness/instance.ts';
import { pairedPhone } from '../harness/paired.ts';
import { until } from '../harness/wait.ts';
import { memoryOf, watchMemory } from './memory.ts';

const tasks = Number(process.env['TASKS'] ?? 50);
const size = Number(process.env['MB'] ?? 4) * 1_000_000;
/** Tasks that may be at work in one workspace: more of them have another one. */
const atWork = 8;
const json = process.argv.includes('--json');
const note = (text: string): void => void process.stderr.write(`bench many: ${text}\n`);
const { docker } = findEngine();
/** A line of eighty bytes with the newline that ends it, of one task alone. */
const lineOf = (n: number): string =>
  `${n} a line of what a build prints in one of many tasks at once`.padEnd(79, '.');

/** What a task's script prints, made here. */
function sumOf(n: number): string {
  const all = Buffer.from(`${lineOf(n)}\n`.repeat(Math.ceil(size / 80)));
  return createHash('sha256').update(all.subarray(0, size)).digest('hex');
}

const round = (x: number): number => Math.round(x * 10) / 10;
/** What it comes to: the least of looks within half a minute. */
async function settled(container: Docker.Container): Promise<number> {
  let least = await memoryOf(container);
  for (let look = 0; look < 30; look++) {
    await pause(1000);
    least = Math.min(least, await memoryOf(container));
  }
  return round(least);
}
const each = async (of: Readonly<Record<string, Docker.Container>>): Promise<Record<string, number>> =>
  Object.fromEntries(
    await Promise.all(Object.entries(of).map(async ([name, one]) => [name, await settled(one)] as const)),
  );

function tell(figure: object): void {
  const words = () => Object.entries(figure).map(([key, value]) => `${key} ${value}`);
  console.log(json ? JSON.stringify(figure) : words().join(', '));
}

const instance = await startInstance({ overrides: { approvals: { reads: { uses: 0 } } } });
try {
  const phone = await pairedPhone({ address: instance.address, ...instance.owner, home: instance.home });
  const ledger = await ledgerOf(instance);
  const cards = [];
  let room = phone.room();
  for (let n = 0; n < tasks; n++) {
    if (n % atWork > 0) await phone.say('!new', room);
    else if (n > 0) {
      const { code, err } = await instance.run(['workspace', 'add', `more${n}`]);
      if (code !== 0) throw new Error(err);
      room = await phone.until('the room', (p) => p.rooms()[n / atWork]);
      await until('words there', () => phone.say('!pending', room));
    }
    cards.push(await askAndSee(phone, `!run yes '${lineOf(n)}' | head -c ${size}`, room));
  }
  note(`${tasks} cards wait`);
  const services = Object.fromEntries(
    ['executor', 'ledger', 'bot'].map((name) => [name, docker.getContainer(instance.container(name))]),
  );
  const before = await each(services);
  const asked = (await ledger.since(0)).at(-1)?.seq ?? 0;
  const watched = await watchMemory(services);
  const from = performance.now();
  await Promise.all(cards.map((card) => approve(phone, card)));
  note('approved');
  const ends = await until(
    'all ends',
    async () => {
      const some = (await ledger.since(asked)).filter(({ kind }) => isOver(kind));
      return some.length === tasks && some;
    },
    { seconds: 580, every: 1000 },
  );
  const files = () => phone.timeline().filter(({ content }) => content['msgtype'] === 'm.file').length;
  await until('all files', () => files() === tasks, { seconds: 580, every: 200 });
  const seen = (performance.now() - from) / 1000;
  const most = watched();
  note(`over: ${JSON.stringify(most)}`);
  for (const [n, card] of cards.entries()) {
    const action = (await ledger.since(0)).filter(({ kind }) => kind === 'requested')[numberOf(card) - 1]
      ?.action;
    const end = ends.find((entry) => entry.action === action);
    const hash = createHash('sha256');
    if (end?.kind === 'succeeded') for await (const piece of ledger.transcript(end)) hash.update(piece);
    if (hash.digest('hex') !== sumOf(n)) throw new Error(`#${numberOf(card)}: ${end?.kind} ${end?.body}`);
  }
  const approved = (await ledger.since(asked)).find(({ kind }) => kind === 'approved');
  const took = Math.max(...ends.map(({ at }) => Date.parse(at))) - Date.parse(approved?.at ?? '');
  await phone.close();
  const after = await each(services);
  tell({ bench: 'many', unit: 's', n: tasks, bytes: size, ended: round(took / 1000), seen: round(seen) });
  for (const name of Object.keys(services))
    tell({ bench: `many.${name}`, unit: 'MiB', before: before[name], most: most[name], after: after[name] });
  const sum = (of: Record<string, number>) => round(Object.values(of).reduce((all, mib) => all + mib, 0));
  tell({ bench: 'many.together', unit: 'MiB', before: sum(before), after: sum(after) });
  const filters = { label: [`org.pocketcoder=${instance.project}`, 'org.pocketcoder.task'] };
  const there = await docker.listContainers({ filters });
  const held = await each(Object.fromEntries(there.map(({ Id }) => [Id, docker.getContainer(Id)])));
  tell({ bench: 'many.task', unit: 'MiB', n: there.length, each: round(sum(held) / there.length) });
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await instance.destroy();
}
process.exit();
