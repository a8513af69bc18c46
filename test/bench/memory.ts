/** The memory of containers while something goes on in them: anonymous pages and files in memory, which the kernel cannot drop. */
import { readFileSync } from 'node:fs';
import type Docker from 'dockerode';

/** The statistics of the first process's cgroup, version 1 or 2. */
async function statOf(container: Docker.Container): Promise<string> {
  const { State } = await container.inspect();
  const lines = readFileSync(`/proc/${State.Pid}/cgroup`, 'utf8').split('\n');
  const first = lines.find((line) => line.includes(':memory:'));
  const second = lines.find((line) => line.startsWith('0::'))?.slice(3);
  const path = first ? `/memory${first.split(':')[2]}` : second;
  return `/sys/fs/cgroup${path}/memory.stat`;
}

/** In MiB. */
function read(stat: string): number {
  const text = readFileSync(stat, 'utf8');
  const of = (name: string) => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
  return (of('anon') + of('rss') + of('shmem')) / (1 << 20);
}

/** What each holds now, in MiB. */
export const memoryOf = async (container: Docker.Container): Promise<number> => read(await statOf(container));

/** Looks at each 20 times a second. @returns the way to end that, which gives the most that each held, in MiB */
export async function watchMemory(
  containers: Readonly<Record<string, Docker.Container>>,
): Promise<() => Record<string, number>> {
  const stats = await Promise.all(
    Object.entries(containers).map(async ([name, one]) => [name, await statOf(one)] as const),
  );
  const most: Record<string, number> = {};
  const look = () => {
    for (const [name, stat] of stats) most[name] = Math.max(most[name] ?? 0, read(stat));
  };
  look();
  const timer = setInterval(look, 50);
  return () => {
    clearInterval(timer);
    return Object.fromEntries(Object.entries(most).map(([name, mib]) => [name, Math.round(mib * 10) / 10]));
  };
}
