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
  const turned = bot['turned'] ? `\n${bot['turned']}` : '';
  return bot.event === 'error' ? String(bot['message']) : `${parts.join(' · ')}${turned}`;
}

/** Reports the instance's state; throws a Fault (`unavailable`) unless all of its services are up. */
export async function status(instance: Instance, report: Report): Promise<void> {
  const engine = await requireEngine(findEngine());
  const { project } = instance.state;
  const states = await serviceStates(engine.docker, project);
  const services: Record<string, string> = {};
  const restarts: Record<string, number> = {};
  const down: string[] = [];
  const lines: string[] = [];
  for (const name of servicesOf(instance)) {
    const state = states.get(name);
    if (!state?.running || state.health === 'unhealthy') down.push(name);
    services[name] = state?.status ?? 'not there';
    restarts[name] = state ? await restartsOf(engine.docker, state.id) : 0;
    const again = restarts[name] ? `, restarted ${restarts[name]} times` : '';
    lines.push(`${name.padEnd(18)}${services[name]}${again}`);
  }
  const facts = { project, address: phoneAddressOf(instance), ledger: ledgerUrlOf(instance) };
  lines.push(`homeserver at ${facts.address}, ledger at ${facts.ledger}/_/`);
  const asked = () => askBot(engine, project, { cmd: 'status' });
  const bot = down.includes('bot')
    ? null
    : await asked().catch((error) => ({ event: 'error', message: messageOf(error) }));
  if (bot) lines.push(`the bot hears of: ${heard(bot)}`);
  const up = down.length === 0;
  report.event({ event: 'status', ...facts, up, services, restarts, bot }, lines.join('\n'));
  if (!up)
    throw fault.unavailable(
      `Not up: ${down.join(', ')}. ./pocketcoder start -d starts what is missing, ./pocketcoder doctor looks for why.`,
    );
}
