/** `pocketcoder status`: what runs, and what the bot says of itself. */
import { messageOf } from '../../ledger/src/retry.ts';
import { restartsOf, serviceStates } from '../engine/containers.ts';
import { findEngine, requireEngine } from '../engine/engine.ts';
import { ledgerUrlOf, phoneAddressOf, servicesOf } from '../engine/services.ts';
import { fault } from '../fault.ts';
import { askBot, type Said } from '../instance/bot-console.ts';
import type { Instance } from '../instance/instance.ts';
import type { Report } from '../report.ts';

/** What the bot says of the parts it talks to, on one line. */
function heard(bot: Said): string {
  const parts = ['homeserver', 'ledger', 'executor', 'brain'].map(
    (part) => `${part} ${bot[part] ?? 'unknown'}`,
  );
  return bot.event === 'error' ? String(bot['message']) : parts.join(' · ');
}

/** Reports the instance's state; throws a Fault (`unavailable`) unless all of its services are up. */
export async function status(instance: Instance, report: Report): Promise<void> {
  const engine = await requireEngine(findEngine());
  const { state } = instance;
  const states = await serviceStates(engine.docker, state.project);
  const expected = servicesOf(instance);
  const services = Object.fromEntries(
    expected.map((name) => [name, states.get(name)?.status ?? 'not there']),
  );
  const restarts: Record<string, number> = {};
  for (const [name, { id }] of states) restarts[name] = await restartsOf(engine.docker, id);
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
    ...expected.map(
      (name) =>
        `${name.padEnd(18)}${services[name]}${restarts[name] ? `, restarted ${restarts[name]} times` : ''}`,
    ),
    `homeserver at ${facts.address}, ledger at ${facts.ledger}/_/`,
    ...(bot ? [`the bot hears of: ${heard(bot)}`] : []),
  ];
  const all = { ...facts, up: down.length === 0, services, restarts, bot };
  report.event({ event: 'status', ...all }, lines.join('\n'));
  if (down.length > 0)
    throw fault.unavailable(
      `Not up: ${down.join(', ')}. ./pocketcoder start -d starts what is missing, ./pocketcoder doctor looks for why.`,
    );
}
