/** The containers of an instance, as the engine sees them. */
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
