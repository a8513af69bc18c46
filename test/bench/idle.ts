/**
 * What it takes to have it: the memory of each part of a composed instance that has nothing to do, after one action by a phone, and of
 * the container of each of TASKS tasks that wait. Memory is what the engine charges a container with, without files that the kernel
 * could drop. The floor of bot and executor, in the same run: a Node that does nothing. One JSON object a figure, in MiB.
 */
import type Docker from 'dockerode';
import { findEngine } from '../../console/engine/engine.ts';
import { ensureImage } from '../../console/engine/images.ts';
import { approve, askAndSee, endsWith, hears } from '../harness/answers.ts';
import { startInstance } from '../harness/instance.ts';
import { pairedPhone } from '../harness/paired.ts';
import { until } from '../harness/wait.ts';

const tasks = Number(process.env['TASKS'] ?? 10);
const json = process.argv.includes('--json');
const { docker } = findEngine();

type Stats = {
  memory_stats: { usage?: number; stats?: { inactive_file?: number; total_inactive_file?: number } };
};
async function memoryOf(container: Docker.Container): Promise<number> {
  const { memory_stats } = (await container.stats({ stream: false })) as unknown as Stats;
  const { usage = 0, stats = {} } = memory_stats;
  return (usage - (stats.inactive_file ?? stats.total_inactive_file ?? 0)) / (1 << 20);
}
/** What it comes to once it has settled: the least of looks within half a minute. */
async function settled(container: Docker.Container): Promise<number> {
  let least = await memoryOf(container);
  for (let look = 0; look < 10; look++) least = Math.min(least, await memoryOf(container)); // each takes the engine a second or two
  return least;
}
/** A Node of the bot's image that does nothing. */
async function floorOf(): Promise<number> {
  const Cmd = ['node', '-e', 'setInterval(() => {}, 1e9)'];
  const HostConfig = { Init: true, NetworkMode: 'none' };
  const container = await docker.createContainer({ Image: await ensureImage('bot'), Cmd, HostConfig });
  try {
    await container.start();
    return await settled(container);
  } finally {
    await container.remove({ force: true });
  }
}

function tell(what: string, mib: number, floor?: number): void {
  const round = (x: number) => Math.round(x * 10) / 10;
  const beside =
    floor === undefined ? {} : { floor: round(floor), ratio: Math.round((mib / floor) * 100) / 100 };
  const figure = { bench: `idle.${what}`, unit: 'MiB', mib: round(mib), ...beside };
  console.log(
    json
      ? JSON.stringify(figure)
      : Object.entries(figure)
          .map(([key, value]) => `${key} ${value}`)
          .join(', '),
  );
}

const instance = await startInstance({ overrides: { approvals: { reads: { uses: 0 } } } });
try {
  const phone = await pairedPhone({ address: instance.address, ...instance.owner, home: instance.home });
  for (let n = 0; n < tasks; n++) {
    if (n > 0) await hears(phone, '!new', 'New task');
    const card = await askAndSee(phone, `!run echo ${n}`);
    await approve(phone, card);
    await endsWith(phone, card, '✅');
  }
  await phone.close();
  const node = await floorOf();
  let all = 0;
  for (const service of ['bot', 'executor', 'ledger']) {
    const mib = await settled(docker.getContainer(instance.container(service)));
    all += mib;
    tell(service, mib, service === 'ledger' ? undefined : node);
  }
  tell('together', all);
  const filters = { label: [`org.pocketcoder=${instance.project}`, 'org.pocketcoder.task'] };
  const there = await until('the tasks’ containers', () => docker.listContainers({ filters }));
  const each = await Promise.all(there.map(({ Id }) => settled(docker.getContainer(Id))));
  if (each.length > 0)
    tell(`each of ${each.length} tasks`, each.reduce((sum, mib) => sum + mib, 0) / each.length);
} finally {
  await instance.destroy();
}
