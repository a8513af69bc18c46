/** The containers of an instance, as the engine sees them. */
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import type Docker from 'dockerode';
import { fault } from '../fault.ts';

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
export async function restartsOf(docker: Docker, id: string): Promise<number> {
  const about = await docker
    .getContainer(id)
    .inspect()
    .catch(() => undefined);
  return about?.RestartCount ?? 0;
}

/** Runs a program in a service's container to its end and returns what it printed, errors included, and its exit code. */
export async function execIn(
  docker: Docker,
  project: string,
  service: string,
  cmd: readonly string[],
): Promise<{ code: number | null; out: string }> {
  const state = (await serviceStates(docker, project)).get(service);
  if (!state?.running) return { code: null, out: `the ${service} does not run` };
  const options = { Cmd: [...cmd], AttachStdout: true, AttachStderr: true };
  const exec = await docker.getContainer(state.id).exec(options);
  const stream = await exec.start({ hijack: true });
  const both = new PassThrough();
  docker.modem.demuxStream(stream, both, both);
  stream.on('end', () => both.end());
  const out = await text(both);
  return { code: (await exec.inspect()).ExitCode, out: out.trim() };
}

/** The entrance's root certificate (PEM), as its own container has it. */
export async function rootOf(docker: Docker, project: string): Promise<string> {
  const path = '/data/caddy/pki/authorities/local/root.crt';
  const { code, out } = await execIn(docker, project, 'entrance', ['cat', path]);
  if (code !== 0) throw fault.unavailable(`The entrance has no root certificate: ${out}.`);
  return out;
}
