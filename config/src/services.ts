/** What each service is told: one file per service, made from settings and state. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { renderModel, renderOpencode } from '../brain/render.ts';
import type { ProxyFile, ProxyOptions } from '../proxy/proxy.ts';
import { extraCa } from './extra-ca.ts';
import type { Instance } from './instance.ts';
import { checkout } from './paths.ts';

export type ServiceFile = { service: string; name: string; uid: number; content: string };

/** Where Element reaches the homeserver from this machine. */
export const addressOf = ({ settings, state }: Instance): string =>
  settings.homeserver?.url ?? `http://127.0.0.1:${state.ports.homeserver}`;

export const ownerOf = ({ state }: Instance): string => `@${state.owner}:${state.server_name}`;
export const botOf = ({ state }: Instance): string => state.bot ?? `@pocketcoder:${state.server_name}`;

/** The services of this instance: first those that the others need. In place of an existing homeserver stands a way to it. */
export const servicesOf = ({ settings }: Instance): string[] => [
  settings.homeserver ? 'homeserver-proxy' : 'homeserver',
  ...['ledger', 'bot', 'executor'],
  ...(settings.model ? ['brain', 'model'] : []),
];

/** Where the set-up and the operator reach the ledger. */
export const ledgerUrlOf = (instance: Instance): string => `http://127.0.0.1:${instance.state.ports.ledger}`;

function homeserverYaml(instance: Instance): string {
  const { state } = instance;
  const values: Record<string, string> = {
    server_name: state.server_name,
    address: addressOf(instance),
    ...state.homeserver,
  };
  const template = readFileSync(join(checkout, 'config/homeserver/homeserver.yaml'), 'utf8');
  return template.replace(/\{\{(\w+)\}\}/g, (whole, key: string) => values[key] ?? whole);
}

/** The files of all services that this instance runs. @param taskImage the image of a task's container */
export function serviceFiles(instance: Instance, taskImage: string): ServiceFile[] {
  const { settings, state } = instance;
  const { passwords } = state;
  const ledger = (identity: 'bot' | 'executor') => ({
    url: 'http://ledger:8090',
    password: passwords.ledger[identity],
  });
  const bot = {
    project: state.project,
    ledger: ledger('bot'),
    homeserver: {
      url: 'http://homeserver:8008',
      server_name: state.server_name,
      user: botOf(instance).slice(1).split(':')[0],
      password: passwords.bot,
    },
    owner: ownerOf(instance),
    brain: settings.model
      ? { url: 'http://brain:4096', password: passwords.brain, model: settings.model.name }
      : null,
    gateway: { host: 'gateway', port: 8080, url: 'http://gateway:8080' },
    quick: settings.approvals?.quick ?? 1.5,
  };
  const executor = {
    project: state.project,
    ledger: ledger('executor'),
    task_image: taskImage,
    limits: { memory_mb: 1024, pids: 512, cpus: 2, ...settings.sandbox },
  };
  const json = (service: string, uid: number, value: object): ServiceFile => ({
    service,
    name: `${service}.json`,
    uid,
    content: JSON.stringify(value, null, 2),
  });
  const files = (service: string, uid: number, contents: Record<string, string>): ServiceFile[] =>
    Object.entries(contents).map(([name, content]) => ({ service, name, uid, content }));
  const proxy = (service: string, host: string, port: number, options: ProxyOptions): ServiceFile => {
    const ca = options.upstream.startsWith('https:') ? Buffer.from(extraCa()).toString() : '';
    const file: ProxyFile = { listen: { host, port }, ...options, ...(ca && { ca }) };
    return { service, name: 'proxy.json', uid: 10005, content: JSON.stringify(file) };
  };
  const { model, homeserver } = settings;
  return [
    json('ledger', 10001, passwords.ledger),
    json('bot', 10002, bot),
    json('executor', 0, executor),
    homeserver
      ? proxy('homeserver-proxy', 'homeserver', 8008, { upstream: homeserver.url })
      : { service: 'homeserver', name: 'homeserver.yaml', uid: 10004, content: homeserverYaml(instance) },
    ...(model ? files('brain', 10003, renderOpencode({ model, password: passwords.brain }).files) : []),
    ...(model ? [proxy('model', 'model-proxy', 8081, renderModel(model))] : []),
  ];
}
