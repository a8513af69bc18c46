/** The containers of an instance, as the engine sees them. */
import { PassThrough } from 'node:stream';
import type Docker from 'dockerode';

export type ServiceState = { id: string; running: boolean; status: string; health: string };

/** Each service's container by the service's name. */
export async function serviceStates(docker: Docker, project: string): Promise<Map<string, ServiceState>> {
  const filters = { label: [`com.docker.compose.project=${project}`] };
  const states = new Map<string, ServiceState>();
  for (const container of await docker.listContainers({ all: true, filters })) {
    const service = container.Labels['com.docker.compose.service'];
    if (!service) continue;
    const health = /\((?:health: )?(\w+)\)/.exec(container.Status)?.[1] ?? '';
    states.set(service, {
      id: container.Id,
      running: container.State === 'running',
      status: container.Status,
      health,
    });
  }
  return states;
}

/** How often Docker has restarted a container by itself; 0 where it is gone meanwhile. */
export const restartsOf = (docker: Docker, id: string): Promise<number> =>
  docker
    .getContainer(id)
    .inspect()
    .then(
      ({ RestartCount }) => RestartCount,
      () => 0,
    );

/** Runs a program in a container, as the container's user, and returns how it ended and what it printed. */
export async function execIn(
  docker: Docker,
  id: string,
  cmd: readonly string[],
): Promise<{ code: number; out: string }> {
  const exec = await docker.getContainer(id).exec({ Cmd: [...cmd], AttachStdout: true, AttachStderr: true });
  const stream = await exec.start({});
  const out = new PassThrough();
  docker.modem.demuxStream(stream, out, new PassThrough().resume());
  stream.on('end', () => out.end()).on('close', () => out.end());
  let text = '';
  for await (const chunk of out.setEncoding('utf8')) text += chunk;
  return { code: (await exec.inspect()).ExitCode ?? -1, out: text };
}
