/** Waits until services are ready: asked directly, because the engine's own health checks come seldom. */
import { setTimeout as pause } from 'node:timers/promises';
import type Docker from 'dockerode';
import { execIn, restartsOf, serviceStates } from '../engine/containers.ts';
import { addressOf, ledgerUrlOf } from '../engine/services.ts';
import { fault } from '../fault.ts';
import type { Instance } from '../instance/instance.ts';

const seconds = 120;
/** A service that ended this often since its container was made will not come up by itself. */
const tooOften = 4;

const answers = (url: string): Promise<boolean> =>
  fetch(url, { signal: AbortSignal.timeout(2000) }).then(
    ({ ok }) => ok,
    () => false,
  );

async function isUp(docker: Docker, instance: Instance, service: string): Promise<boolean> {
  if (service === 'homeserver') return answers(`${addressOf(instance)}/health`);
  if (service === 'ledger') return answers(`${ledgerUrlOf(instance)}/api/health`);
  const asked = execIn(docker, instance.state.project, service, ['test', '-f', '/tmp/ready']);
  // An exec fails while the container is between two lives: then it is not ready either.
  return (await asked.catch(() => undefined))?.code === 0;
}

/** Throws a Fault (`temporary`) that names the service which did not come up, and where its log is. */
export async function waitReady(
  docker: Docker,
  instance: Instance,
  services: readonly string[],
): Promise<void> {
  const end = Date.now() + seconds * 1000;
  for (const service of services)
    while (!(await isUp(docker, instance, service))) {
      const state = (await serviceStates(docker, instance.state.project)).get(service);
      const gaveUp = state && (await restartsOf(docker, state.id)) >= tooOften;
      if (gaveUp || Date.now() > end)
        throw fault.temporary(
          `The ${service} did not come up; what did was left running. Its log says why:\n` +
            `  ./pocketcoder logs ${service}\nStart again to go on, or ./pocketcoder stop.`,
        );
      await pause(200);
    }
}
