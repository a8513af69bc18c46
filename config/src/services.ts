/** What each service is told: one file per service, made from settings and state. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { renderModel, renderOpencode } from '../brain/render.ts';
import type { Instance } from './instance.ts';
import { checkout } from './paths.ts';

export type ServiceFile = { service: string; name: string; uid: number; content: string };

/** Where Element reaches the homeserver from this machine. */
export const addressOf = (instance: Instance): string =>
  `http://127.0.0.1:${instance.state.ports.homeserver}`;

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
      user: 'pocketcoder',
      password: passwords.bot,
    },
    owner: `@${state.owner}:${state.server_name}`,
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
  const { model } = settings;
  return [
    json('ledger', 10001, passwords.ledger),
    json('bot', 10002, bot),
    json('executor', 0, executor),
    { service: 'homeserver', name: 'homeserver.yaml', uid: 10004, content: homeserverYaml(instance) },
    ...(model ? files('brain', 10003, renderOpencode({ model, password: passwords.brain }).files) : []),
    ...(model ? files('model', 10005, renderModel(model)) : []),
  ];
}
