/** What each service is told: one file per service, made from settings and state. */
import { resolve } from 'node:path';
import { placeholder } from '../../config/brain/families.ts';
import {
  type Models,
  renderModel,
  renderOpencode,
  renderTranscription,
  rungsOf,
} from '../../config/brain/render.ts';
import type { ProxyFile, ProxyOptions, Ways } from '../../config/proxy/proxy.ts';
import { isHost } from '../../ledger/rules/egress.cjs';
import { lastOf } from '../backup/remembered.ts';
import type { Instance } from '../instance/instance.ts';
import { filled } from '../instance/paths.ts';
import { modelsOf } from '../instance/settings-file.ts';
import type { State } from '../instance/state.ts';
import { extraCa, pemAt } from '../start/extra-ca.ts';
import { proxies } from '../start/proxies.ts';

export type ServiceFile = { service: string; name: string; uid: number; content: string };

/** Where programs of this machine reach the homeserver. */
export const addressOf = ({ settings, state }: Instance): string =>
  settings.homeserver?.url ?? `http://127.0.0.1:${state.ports.homeserver}`;

/** Where a phone reaches the homeserver: the same where no way for phones is set up. */
export function phoneAddressOf(instance: Instance): string {
  const { reach } = instance.state;
  if (!reach) return addressOf(instance);
  // The other ways in are on 443 as the phone sees it, wherever a router sends that.
  const port =
    reach.way === 'lan' && reach.listen && reach.listen.https !== 443 ? `:${reach.listen.https}` : '';
  return `https://${reach.host}${port}`;
}

/** The page that gives phones of the own network the root certificate; null where there is none. */
export function pageOf({ state: { reach } }: Instance): string | null {
  if (reach?.way !== 'lan' || !reach.listen) return null;
  return `http://${reach.host}${reach.listen.http === 80 ? '' : `:${reach.listen.http}`}`;
}

export const ownerOf = ({ state }: Instance): string => `@${state.owner}:${state.server_name}`;
export const botOf = ({ state }: Instance): string => state.bot ?? `@pocketcoder:${state.server_name}`;

/** The services of this instance: first those that the others need. In place of an existing homeserver stands a way to it. */
export const servicesOf = ({ settings, state }: Instance): string[] => [
  settings.homeserver ? 'homeserver-proxy' : 'homeserver',
  ...['ledger', 'bot', 'executor'],
  ...(state.reach?.listen ? ['entrance'] : []),
  ...(modelsOf(settings) ? ['brain', 'model'] : []),
  ...(settings.transcription ? ['transcription'] : []),
];

/** The ports of this machine that services take; `setting` is what sets it, below `ports`. */
export function portsOf({ settings, state }: Instance) {
  const own = settings.homeserver ? (['ledger'] as const) : (['homeserver', 'ledger'] as const);
  const listen = state.reach?.listen;
  return [
    ...(listen
      ? (['https', 'http'] as const).map((setting) => ({
          ...{ service: 'entrance', setting, port: listen[setting], address: listen.address },
        }))
      : []),
    ...own.map((name) => ({
      ...{ service: name, setting: name, port: state.ports[name], address: '127.0.0.1' },
    })),
  ];
}

/** Where the set-up and the operator reach the ledger. */
export const ledgerUrlOf = (instance: Instance): string => `http://127.0.0.1:${instance.state.ports.ledger}`;

function homeserverYaml(instance: Instance): string {
  const { server_name, reach, homeserver } = instance.state;
  // Synapse tells it to phones, which then believe it: better none than one that only this machine reaches.
  const public_baseurl = reach ? `public_baseurl: ${phoneAddressOf(instance)}/` : '';
  return filled('homeserver/homeserver.yaml', { server_name, public_baseurl, ...homeserver });
}

/** The image of a task's container, and what it has, in words. */
export type Sandbox = { image: string; tools: string };

/** The way to a model: by the machine's proxies, but to the machine itself; believing an authority that the settings name. */
const wayTo = (way: ProxyOptions, ca: string | undefined, home: string, setting: string): ProxyOptions => ({
  ...way,
  ...(ca && { ca: String(pemAt(resolve(home, ca), `${setting}.ca`)) }),
  proxies: { ...proxies(), no_proxy: `host.docker.internal,${proxies()['no_proxy'] ?? ''}` },
});

/** What the bot knows of each model: no key, and no address. */
const forBot = (models: Models) =>
  Object.entries(models).map(([name, model]) => ({
    ...{ name, provider: model.provider, model: model.name, rungs: rungsOf(model) },
    pictures: model.pictures === true,
  }));

/** Where bot and executor each find a file of their own about secrets for hosts. */
const secretsFile = '/run/pocketcoder/secrets.json';

/** When the newest backup was made, for the bot's figures: read anew as well. @param home the state directory */
export const backupFile = (home: string): ServiceFile => ({
  ...{ service: 'bot', name: 'backup.json', uid: 10002 },
  content: JSON.stringify(lastOf(home, 'backup')?.at ?? ''),
});

/** The secrets for the executor, and what is for which host for the bot (of those for images it needs none): read anew by both, so nothing is started for them. */
export function secretFiles({ hosts = {} }: State): ServiceFile[] {
  const bound = Object.fromEntries(
    Object.entries(hosts).flatMap(([name, { host }]) => (isHost(host) ? [[name, host]] : [])),
  );
  const name = 'secrets.json';
  return [
    { service: 'executor', name, uid: 0, content: JSON.stringify(hosts) },
    { service: 'bot', name, uid: 10002, content: JSON.stringify(bound) },
  ];
}

/**
 * The files of all services that this instance runs.
 * @param sandboxes of the workspaces with an image of their own, and of all others under ''
 * @param egressImage that of the proxies of network leases, where there is one
 */
export function serviceFiles(
  instance: Instance,
  sandboxes: ReadonlyMap<string, Sandbox>,
  egressImage?: string,
): ServiceFile[] {
  const { settings, state, home } = instance;
  const { passwords } = state;
  const { transcription } = settings;
  const models = modelsOf(settings);
  const of = (what: (sandbox: Sandbox) => string) =>
    Object.fromEntries(Array.from(sandboxes, ([workspace, sandbox]) => [workspace, what(sandbox)]));
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
    brain: models ? { url: 'http://brain:4096', password: passwords.brain, models: forBot(models) } : null,
    ...(transcription && {
      transcription: { url: 'http://transcription-proxy:8082', model: transcription.name, placeholder },
    }),
    ...(settings.spend && { spend: settings.spend }),
    gateway: { host: 'gateway', port: 8080, url: 'http://gateway:8080' },
    network: egressImage !== undefined,
    secrets: secretsFile,
    ...(settings.metrics && { metrics: { backup: '/run/pocketcoder/backup.json' } }),
    ...(settings.plan && { plan: settings.plan }),
    ...(settings.agents && { agents: settings.agents }),
    quick: settings.approvals?.quick ?? 1.5,
    timezone: settings.timezone ?? state.timezone,
    ...(settings.timeline && { timeline: settings.timeline }),
    tools: of(({ tools }) => tools),
  };
  const { image: _, images: __, ...limits } = settings.sandbox ?? {};
  const executor = {
    project: state.project,
    ledger: ledger('executor'),
    task_images: of(({ image }) => image),
    limits: { memory_mb: 1024, pids: 512, cpus: 2, ...limits },
    ...(egressImage && {
      egress: { image: egressImage, roots: Buffer.from(extraCa()).toString(), secrets: secretsFile },
    }),
    git: { name: 'PocketCoder', email: 'agent@localhost', ...settings.git },
  };
  const files = (service: string, uid: number, contents: Record<string, string>): ServiceFile[] =>
    Object.entries(contents).map(([name, content]) => ({ service, name, uid, content }));
  const json = (service: string, uid: number, value: object): ServiceFile[] =>
    files(service, uid, { [`${service}.json`]: JSON.stringify(value, null, 2) });
  const believing = (options: ProxyOptions): ProxyOptions => {
    const ca = options.upstream.startsWith('https:') ? `${extraCa()}${options.ca ?? ''}` : '';
    return { ...options, ...(ca && { ca }) };
  };
  const proxy = (service: string, host: string, port: number, to: ProxyOptions | { ways: Ways }) => {
    const file: ProxyFile = { listen: { host, port }, ...to };
    return files(service, 10005, { 'proxy.json': JSON.stringify(file) });
  };
  const ways = Object.entries(models ?? {}).map(
    ([name, model]) => [name, believing(wayTo(renderModel(model), model.ca, home, 'model'))] as const,
  );
  const wayToWriter =
    transcription &&
    believing(wayTo(renderTranscription(transcription), transcription.ca, home, 'transcription'));
  const { homeserver } = settings;
  const { reach, server_name } = state;
  const caddyfile =
    reach?.listen && filled(`entrance/${reach.way}.Caddyfile`, { host: reach.host, server_name });
  return [
    json('ledger', 10001, passwords.ledger),
    json('bot', 10002, bot),
    json('executor', 0, executor),
    homeserver
      ? proxy('homeserver-proxy', 'homeserver', 8008, believing({ upstream: homeserver.url }))
      : files('homeserver', 10004, { 'homeserver.yaml': homeserverYaml(instance) }),
    caddyfile ? files('entrance', 10006, { Caddyfile: caddyfile }) : [],
    models ? files('brain', 10003, renderOpencode(models, passwords.brain)) : [],
    wayToWriter ? proxy('transcription', 'transcription-proxy', 8082, wayToWriter) : [],
    models ? proxy('model', 'model-proxy', 8081, { ways: Object.fromEntries(ways) }) : [],
  ].flat();
}
