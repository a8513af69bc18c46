/** `pocketcoder status`: what runs, and what the bot says of itself. */
import { askBot } from './bot-console.ts';
import { serviceStates } from './containers.ts';
import { ask, findEngine } from './engine.ts';
import { Fault, messageOf } from './fault.ts';
import type { Instance } from './instance.ts';
import type { Report } from './report.ts';
import { ledgerUrlOf, phoneAddressOf, servicesOf } from './services.ts';

/** Reports the instance's state; throws a Fault (`unavailable`) unless all of its services are up. */
export async function status(instance: Instance, report: Report): Promise<void> {
  const engine = findEngine();
  const { state } = instance;
  if ((await ask(engine)) !== 'up')
    throw new Fault(
      'unavailable',
      `No Docker engine answers at ${engine.host}. Start it, then ./pocketcoder start.`,
    );
  const states = await serviceStates(engine.docker, state.project);
  const expected = servicesOf(instance);
  const services = Object.fromEntries(
    expected.map((name) => [name, states.get(name)?.status ?? 'not there']),
  );
  const down = expected.filter((name) => {
    const service = states.get(name);
    return !service?.running || service.health === 'unhealthy';
  });
  const bot = down.includes('bot')
    ? null
    : await askBot(engine, state.project, { cmd: 'status' }).catch((error) => ({
        event: 'error',
        message: messageOf(error),
      }));
  const facts = { project: state.project, address: phoneAddressOf(instance), ledger: ledgerUrlOf(instance) };
  const lines = [
    ...expected.map((name) => `${name.padEnd(18)}${services[name]}`),
    `homeserver at ${facts.address}, ledger at ${facts.ledger}/_/`,
    ...(bot ? [`bot: ${JSON.stringify(bot)}`] : []),
  ];
  report.event({ event: 'status', ...facts, up: down.length === 0, services, bot }, lines.join('\n'));
  if (down.length > 0)
    throw new Fault(
      'unavailable',
      `Not up: ${down.join(', ')}. ./pocketcoder start -d starts what is missing.`,
    );
}
