/** The ways between the services as the design has them: data, to be compared with what is found. */
import type { Service } from './scene.ts';

/** Where each service listens; the executor listens nowhere. */
export const ports: Partial<Record<Service, number>> = {
  homeserver: 8008,
  ledger: 8090,
  bot: 8080,
  brain: 4096,
  model: 8081,
  transcription: 8082,
};
/** Every arrow there is. Whatever is missing here is closed. The brain lets nobody in without its password. */
export const arrows: Record<Service, readonly Service[]> = {
  homeserver: [],
  ledger: [],
  bot: ['homeserver', 'ledger', 'brain', 'transcription'],
  executor: ['ledger'],
  brain: ['bot', 'model'],
  model: ['brain'],
  transcription: [],
};
/** Who reaches this machine's own addresses: those whose port it publishes, and the ways to a model and a transcription that run on it. */
export const toMachine: readonly Service[] = ['homeserver', 'ledger', 'model', 'transcription'];
/** Who reaches the world: the push gateway, the model and the transcription are there. */
export const toWorld: readonly Service[] = ['homeserver', 'model', 'transcription'];
/** Those that listen on all their addresses; the bot's gateway and the proxies do on the side that they serve alone. */
export const loopback: readonly Service[] = ['homeserver', 'ledger', 'brain'];
/** What each knows of the others by name. */
export const names: Record<Service, readonly string[]> = {
  homeserver: ['bot'],
  ledger: ['bot', 'executor'],
  bot: ['homeserver', 'ledger', 'brain', 'transcription', 'gateway', 'transcription-proxy'],
  executor: ['ledger'],
  brain: ['bot', 'model', 'gateway', 'model-proxy'],
  model: ['brain', 'transcription', 'model-proxy'],
  transcription: ['bot', 'model', 'transcription-proxy'],
};
