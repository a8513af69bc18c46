/** The ways between the services as the design has them: data, to be compared with what is found. */
import type { Service } from './scene.ts';

/** Where each service listens; the executor listens nowhere. */
export const ports: Partial<Record<Service, number>> = {
  homeserver: 8008,
  ledger: 8090,
  bot: 8080,
  brain: 4096,
  model: 8081,
};
/** Every arrow there is. Whatever is missing here is closed. The brain lets nobody in without its password. */
export const arrows: Record<Service, readonly Service[]> = {
  homeserver: [],
  ledger: [],
  bot: ['homeserver', 'ledger', 'brain'],
  executor: ['ledger'],
  brain: ['bot', 'model'],
  model: ['brain'],
};
/** Who reaches this machine's own addresses: those whose port it publishes, and the way to a model that runs on it. */
export const toMachine: readonly Service[] = ['homeserver', 'ledger', 'model'];
/** Who reaches the world: the push gateway and the model are there. */
export const toWorld: readonly Service[] = ['homeserver', 'model'];
/** Those that listen on all their addresses; the bot's gateway and the model proxy do on the brain's side alone. */
export const loopback: readonly Service[] = ['homeserver', 'ledger', 'brain'];
/** What each knows of the others by name. */
export const names: Record<Service, readonly string[]> = {
  homeserver: ['bot'],
  ledger: ['bot', 'executor'],
  bot: ['homeserver', 'ledger', 'brain', 'gateway'],
  executor: ['ledger'],
  brain: ['bot', 'model', 'gateway', 'model-proxy'],
  model: ['brain', 'model-proxy'],
};
