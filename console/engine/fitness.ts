/** What an engine and its machine are: what PocketCoder cannot run on is refused in words, and the limits it lacks are said. */
import type Docker from 'dockerode';

export type Fitness = Awaited<ReturnType<typeof fitnessOf>>;

/**
 * Asks the engine, which answers, what it is.
 * @returns also why PocketCoder does not run on it, and what to do ('' where nothing speaks against it), and the limits of tasks
 * that this kernel, or the part of it that a rootless engine was given, lacks
 */
export async function fitnessOf(docker: Docker) {
  const [{ Version, ApiVersion, Components }, info] = await Promise.all([docker.version(), docker.info()]);
  const podman = Components?.some(({ Name }) => Name.startsWith('Podman'));
  // Seen with it: the executor's root is nobody to the engine's socket or, as the machine's own, to the files set up for it.
  const mapped = info.SecurityOptions?.includes('name=userns');
  const refusal = podman
    ? 'What answers is Podman, on which nothing of this was ever seen to run: start Docker, and name its socket by DOCKER_HOST'
    : mapped
      ? 'This engine maps users of containers to others, so none can open its socket, as the executor has to: take ' +
        'userns-remap out of /etc/docker/daemon.json and restart Docker, or name another engine by DOCKER_HOST'
      : '';
  const warnings: string[] = info.Warnings ?? [];
  const lacks = warnings.filter((line) => /No (cpu cfs quota|memory limit|pids limit)/.test(line));
  return { version: Version, api: ApiVersion, refusal, lacks: lacks.map((l) => `${l}: tasks go without`) };
}
