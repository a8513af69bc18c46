/** The person's own settings: pocketcoder.yaml in the state directory, checked before anything is touched. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv, type ErrorObject } from 'ajv';
import { type Document, isMap, isScalar, LineCounter, parseDocument } from 'yaml';
import type { Agent } from '../../bot/src/agents.ts';
import type { Caps } from '../../bot/src/brain/costs.ts';
import { isTimezone } from '../../bot/src/settings.ts';
import {
  faultOf,
  type ModelChoice,
  type Models,
  type TranscriptionChoice,
} from '../../config/brain/render.ts';
import { policyFault } from '../../ledger/rules/policy.cjs';
import { fault } from '../fault.ts';
import { readAgents } from './agents-file.ts';
import { checkout } from './paths.ts';
import { type Approvals, policyFrom } from './policy.ts';

/** A homeserver that is there already; `bot` and `owner` are whole Matrix ids. */
export type Existing = { url: string; bot: string; owner: string; password?: string };

/** How a phone gets here. `address` is the domain, or this machine's name or IPv4 address in its own network. */
export type Reach = { way: 'tailnet' | 'domain' | 'lan' | 'later'; address?: string };

export type TaskImage = readonly ('build-essential' | 'go' | 'rust')[] | string;

export type Settings = {
  /** With `homeserver`, this and `owner` are taken from its ids. */
  server_name?: string;
  owner?: string;
  homeserver?: Existing;
  reach?: Reach;
  /** The owner's, by its IANA name. */
  timezone?: string;
  /** Where the timeline's page is opened, as the owner has it reached: the room's messages link to it. */
  timeline?: string;
  ports?: { homeserver?: number; ledger?: number; https?: number; http?: number };
  /** The block of addresses of the containers' networks, as `10.99.7.0/24`. */
  subnet?: string;
  /** Figures for Prometheus at the ledger's port. */
  metrics?: boolean;
  /** One model, or several by names of the owner's. */
  model?: ModelChoice;
  models?: Models;
  /** What writes down voice messages. */
  transcription?: TranscriptionChoice;
  /** What tasks may cost. */
  spend?: Caps;
  approvals?: Approvals;
  sandbox?: {
    memory_mb?: number;
    pids?: number;
    cpus?: number;
    /** What is added to the task's image, or the Dockerfile of one of the owner's own, from the state directory on. */
    image?: TaskImage;
    /** The same for single workspaces, by their names. */
    images?: Record<string, TaskImage>;
  };
  /** Every task begins with a plan that the owner approves. */
  plan?: 'always';
  /** What `backup` does without a FILE, and how often systemd has it done. */
  backup?: {
    /** Where each becomes a file of its own. */
    folder: string;
    /** An age recipient. */
    to: string;
    every?: keyof typeof daysOf;
    /** How many are kept. */
    keep?: number;
  };
  /** Who commits in a workspace are by, where its repository does not say. */
  git?: { name?: string; email?: string };
  /** Whom the agent may hand work to: files of their own beside these settings. */
  agents?: readonly Agent[];
};

/** How many days lie between two backups. */
export const daysOf = { day: 1, week: 7 } as const;

/** The models by their names, of which one alone has the name `model`; undefined without any. */
export const modelsOf = ({ model, models = model && { model } }: Settings): Models | undefined => models;

/** Where in the file the model of that name stands. */
export const settingOf = ({ model }: Settings, name: string): string => (model ? 'model' : `models.${name}`);

/** Whether the file has something in it that other users of the machine must not read. */
export const holdsSecret = (settings: Settings): boolean =>
  Boolean(settings.homeserver?.password) ||
  settings.transcription?.key !== undefined ||
  Object.values(modelsOf(settings) ?? {}).some(({ key }) => key !== undefined);

/** The path of a key, and what is wrong with it for a person. */
type Wrong = readonly [path: readonly string[], what: string];

/** One error of the schema; the key is said with its whole path. */
function explain({ instancePath, keyword, params, message, data }: ErrorObject): Wrong {
  const path = instancePath.split('/').slice(1);
  const key = path.join('.');
  const value = JSON.stringify(data);
  if (keyword === 'additionalProperties') {
    const unknown = [...path, String(params['additionalProperty'])];
    return [unknown, `there is no setting "${unknown.join('.')}"`];
  }
  if (key === 'owner')
    return [path, `owner must be one user name such as "owner", not ${value}: nobody else's taps count`];
  if (keyword === 'enum')
    return [path, `${key} must be one of ${params['allowedValues'].join(', ')}, not ${value}`];
  return [path, `${key || 'the file'} ${message}`];
}

/** What no schema says. */
function* contradictions(settings: Settings): Generator<Wrong> {
  const { timezone, approvals, model, transcription, spend, reach, homeserver } = settings;
  if (timezone !== undefined && !isTimezone(timezone))
    yield [
      ['timezone'],
      `there is no time zone "${timezone}": give one such as Europe/Berlin or America/New_York`,
    ];
  const unfit = policyFault(policyFrom(approvals));
  if (unfit) yield [['approvals'], unfit];
  if (model && settings.models)
    yield [['model'], 'one model is model, several are models: move this one below models'];
  for (const [name, one] of Object.entries(modelsOf(settings) ?? {})) {
    const unusable = faultOf(one);
    const setting = settingOf(settings, name);
    if (unusable) yield [setting.split('.'), unusable.replaceAll('model.', `${setting}.`)];
    const money = (['task', 'day'] as const).find((cap) => spend?.[cap] !== undefined);
    if (money && !one.price)
      yield [
        ['spend', money],
        `spend.${money} is money, and ${setting} has no price: give it one, or set spend.${money}_tokens`,
      ];
    if (one.url && isLoopback(one.url)) yield [[...setting.split('.'), 'url'], unreached(one.url)];
  }
  if (transcription && isLoopback(transcription.url))
    yield [['transcription', 'url'], unreached(transcription.url)];
  if (reach && homeserver)
    yield [
      ['reach'],
      'reach is for a homeserver of ours: phones reach yours as they always did. Take one of the two out',
    ];
  if (reach?.way === 'domain' && !/[a-z]/.test(reach.address ?? ''))
    yield [['reach'], 'a domain needs its name: reach: { way: domain, address: chat.example.org }'];
  if (!homeserver) return;
  const { url, bot, owner } = homeserver;
  const [, botServer] = partsOf(bot);
  const [, ownerServer] = partsOf(owner);
  const at = (key: string) => ['homeserver', key];
  if (settings.server_name !== undefined || settings.owner !== undefined || settings.ports?.homeserver)
    yield [
      at('url'),
      'server_name, owner and ports.homeserver are for a homeserver of ours; here the ids say it',
    ];
  if (botServer !== ownerServer)
    yield [at('owner'), `${owner} is of another server than ${bot}: the room is for one server alone`];
  if (bot === owner)
    yield [at('owner'), 'owner and bot must be two accounts: nobody approves their own asking'];
  if (isLoopback(url))
    yield [
      at('url'),
      `${url} is no address that containers reach as well: to them, localhost is themselves. Give a name or an address of the network`,
    ];
}

const unreached = (url: string): string =>
  `${url} is no address that containers reach: to them, localhost is themselves. This machine is host.docker.internal ` +
  'to the model proxy, and the model has to listen there too, not on its loopback alone (docs/models.md)';

/** Whether containers cannot reach this address: it is none, or stands for whoever asks. */
const isLoopback = (url: string): boolean =>
  !URL.canParse(url) || /^(localhost|.*\.localhost|127\..*|0\.0\.0\.0|\[::1?\])$/.test(new URL(url).hostname);

/** A whole id's name and server. */
function partsOf(id: string): [name: string, server: string] {
  const [name = '', ...server] = id.slice(1).split(':');
  return [name, server.join(':')];
}

/** The line of the deepest key of a path that is there. */
function lineOf(document: Document, lines: LineCounter, path: Wrong[0]): number {
  for (let depth = path.length; depth > 0; depth--) {
    const parent = document.getIn(path.slice(0, depth - 1), true) ?? document.contents;
    const pair = isMap(parent) && parent.items.find(({ key }) => String(key) === path[depth - 1]);
    if (pair && isScalar(pair.key) && pair.key.range) return lines.linePos(pair.key.range[0]).line;
  }
  return 1;
}

/** Reads and checks the settings in `home`; none there is none set. Throws a Fault (`config`) that names the line. */
export function readSettings(home: string): Settings {
  const settings = readFile(home);
  const agents = readAgents(home, Object.keys(modelsOf(settings) ?? {}));
  return agents.length > 0 ? { ...settings, agents } : settings;
}

function readFile(home: string): Settings {
  const file = join(home, 'pocketcoder.yaml');
  if (!existsSync(file)) return {};
  const lines = new LineCounter();
  const document = parseDocument(readFileSync(file, 'utf8'), { lineCounter: lines });
  const fail = (line: number, what: string): never => {
    throw fault.config(
      `${file}, line ${line}: ${what}. Nothing was started or changed: correct the line and start again. ` +
        `${join(checkout, 'config/pocketcoder.yaml')} lists all settings.`,
    );
  };
  const [broken] = document.errors;
  if (broken) fail(broken.linePos?.[0].line ?? 1, broken.message.split('\n')[0] ?? 'not YAML');
  const settings = (document.toJS() ?? {}) as Settings;
  const schema = JSON.parse(readFileSync(join(checkout, 'config/schema.json'), 'utf8'));
  const validate = new Ajv({ verbose: true, strict: false }).compile(schema);
  const wrongs = validate(settings) ? contradictions(settings) : (validate.errors ?? []).map(explain);
  for (const [path, what] of wrongs) fail(lineOf(document, lines, path), what);
  if (!settings.homeserver) return settings;
  const [owner, server_name] = partsOf(settings.homeserver.owner);
  return { ...settings, owner, server_name };
}
