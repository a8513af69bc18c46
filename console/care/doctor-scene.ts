/** What `doctor` judges: everything looked at once, nothing changed. What could not be looked at is absent. */
import { existsSync, statfsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type Docker from 'dockerode';
import { listOf, type ModelChoice } from '../../config/brain/render.ts';
import type { Entry } from '../../ledger/src/client.ts';
import { messageOf } from '../../ledger/src/retry.ts';
import { type Last, lastOf } from '../backup/remembered.ts';
import { findBase } from '../engine/base.ts';
import { composeOf, findCompose } from '../engine/compose.ts';
import { execIn, type ServiceState, serviceStates } from '../engine/containers.ts';
import { ask, type Engine, findEngine } from '../engine/engine.ts';
import { type Fitness, fitnessOf } from '../engine/fitness.ts';
import { addressOf, ledgerUrlOf, portsOf, servicesOf } from '../engine/services.ts';
import { askBot, type Said } from '../instance/bot-console.ts';
import { findInstance, type Instance } from '../instance/instance.ts';
import { ledgerAs } from '../instance/ledger.ts';
import { type Pins, pinsOf } from '../instance/pins.ts';
import { holderOf } from '../instance/ports.ts';
import { modelsOf } from '../instance/settings-file.ts';
import { stateHome } from '../instance/state.ts';
import { type Line, logged, readable } from './logs.ts';

type States = Map<string, ServiceState>;
/** `fix` is what to do; where all is well there is none. `what` may quote others. */
export type Found = { level: 'ok' | 'warn' | 'fail'; what: string; fix?: string };
export type Row = Found & { check: string };
/** A service's container; `complaint` is the last error that it logged. */
export type Part = {
  name: string;
  restarts: number;
  oom: boolean;
  complaint: string;
} & Partial<ServiceState>;
export type Scene = {
  home: string;
  /** Modes of the state directory and of files in it. */
  modes: Record<string, number>;
  /** Bytes left where the state directory is. */
  free: number;
  /** Absent before the first start, and where settings or state cannot be read: then `fault` says why. */
  instance?: Instance;
  fault?: string;
  engine: { host: string; by: string; is: 'up' | 'down' | 'denied' } & Partial<Fitness>;
  compose?: string;
  base?: boolean;
  parts: Part[];
  /** How many proxies of network leases run. */
  leases: number;
  /** Ports whose service does not run, and who has them; '' where they are free. */
  ports: { service: string; setting: string; port: number; holder: string }[];
  /** Whether these answer to this machine. */
  answers: { service: string; url: string; ok: boolean }[];
  /** Milliseconds by which a clock is ahead of this machine's. */
  clocks: Record<string, number>;
  /** Bytes left on the disk of each service's data. */
  disks: Record<string, number>;
  ledger?: { newest: Entry[]; control: Entry[]; pins: Partial<Pins> } | { fault: string };
  bot?: Said | { fault: string };
  /** The newest backup that was made here, and the last drill. */
  last: { backup?: Last | undefined; drill?: Last | undefined };
  /** What the homeserver says it is. */
  homeserver?: { name: string; version: string };
  /** What each model's address answered when it was asked for its models. */
  models?: Record<string, Answer>;
};
type Answer = { status: number; text: string };

/** Where each service keeps its data. */
const data: Readonly<Record<string, string>> = {
  homeserver: '/data',
  ledger: '/data',
  bot: '/var/lib/pocketcoder',
  brain: '/data',
};
const newestEntries = 200;

/** The value, or undefined where it cannot be had: another check says why. */
const maybe = <T>(work: Promise<T>): Promise<T | undefined> => work.catch(() => undefined);

/** The last error among these lines of a part, or '' without one. */
function complaintIn(lines: readonly Line[]): string {
  const atLeast = (level: number) => lines.findLast(({ pino }) => Number(pino?.['level']) >= level);
  const newest = lines.at(-1);
  // What is no line of pino's and came last may be why it ended.
  const bad = atLeast(50) ?? (newest?.pino ? atLeast(40) : newest);
  return bad ? readable(bad).slice(0, 400) : '';
}

async function partsOf(engine: Engine, instance: Instance, states: States): Promise<Part[]> {
  const lines: Line[] = [];
  const compose = await findCompose(engine, instance.home);
  if (states.size > 0) await maybe(logged(compose, ['--tail', '50'], (line) => lines.push(line)));
  return Promise.all(
    servicesOf(instance).map(async (name) => {
      const state = states.get(name);
      const info = state && (await maybe(engine.docker.getContainer(state.id).inspect()));
      return {
        ...{ name, ...state, restarts: info?.RestartCount ?? 0, oom: info?.State.OOMKilled === true },
        complaint: complaintIn(lines.filter(({ part }) => part === name)),
      };
    }),
  );
}

/** How far a clock is ahead, from the moment it states (milliseconds) and how exact that is. */
function ahead(states: number, from: number, exact: number): number {
  const [least, most] = [from - exact, Date.now() + exact];
  return states < least ? states - least : states > most ? states - most : 0;
}

async function answerOf(service: string, url: string, s: Scene): Promise<void> {
  const from = Date.now();
  const response = await maybe(fetch(url, { signal: AbortSignal.timeout(5000) }));
  await response?.body?.cancel().catch(() => undefined);
  s.answers.push({ service, url, ok: response?.ok === true });
  const date = Date.parse(response?.headers.get('date') ?? '');
  if (date) s.clocks[service] = ahead(date, from, 1000);
}

/** The JSON of an answer of at most 64 KiB. Throws for another. */
async function smallJson({ body }: Response): Promise<unknown> {
  let text = '';
  for await (const piece of body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += piece;
    if (text.length > 65_536) throw new Error('it is too long');
  }
  return JSON.parse(text);
}

/** Ours has no federation, but its admin API says it to whoever asks. What stands before another may keep both back. */
export async function softwareAt(url: string): Promise<Scene['homeserver']> {
  for (const path of ['/_matrix/federation/v1/version', '/_synapse/admin/v1/server_version']) {
    // An answer from elsewhere says nothing of this one.
    const asked = fetch(`${url}${path}`, { redirect: 'error', signal: AbortSignal.timeout(5000) });
    const said = (await maybe(asked.then(smallJson))) as
      | { server?: { name?: unknown; version?: unknown }; server_version?: unknown }
      | undefined;
    const { name, version } = said?.server ?? { name: 'Synapse', version: said?.server_version };
    if (typeof name === 'string' && typeof version === 'string')
      return { name: name.slice(0, 40), version: version.slice(0, 40) };
  }
  return undefined;
}

async function ledgerOf(docker: Docker, instance: Instance): Promise<NonNullable<Scene['ledger']>> {
  try {
    const ledger = await ledgerAs(instance, 'auditor');
    const pins = await pinsOf(docker, instance.state.project); // before what they are held against, which goes on
    return { newest: await ledger.last(newestEntries), control: await ledger.control(), pins };
  } catch (error) {
    return { fault: messageOf(error) };
  }
}

/** Asked in the proxy's own container: nobody else reaches it, and the key stays where it is. */
const listModels = `fetch('http://model-proxy:8081' + process.argv[1], { headers: JSON.parse(process.argv[2]),
  signal: AbortSignal.timeout(15000) }).then(async (r) => console.log(JSON.stringify({ status: r.status, text:
  (await r.text()).slice(0, 200000) })))`;

async function modelsIn(docker: Docker, { settings, state }: Instance): Promise<Scene['models']> {
  const ask = async ([name, model]: [string, ModelChoice]) => {
    const { path, headers } = listOf(model);
    const asking = ['node', '-e', listModels, `/${name}${path}`, JSON.stringify(headers)];
    const { out } = await execIn(docker, state.project, 'model', asking);
    return [name, JSON.parse(out) as Answer] as const;
  };
  const answers = await Promise.all(Object.entries(modelsOf(settings) ?? {}).map((one) => maybe(ask(one))));
  return Object.fromEntries(answers.filter((answer) => answer !== undefined));
}

async function lookInside(s: Scene, engine: Engine, instance: Instance): Promise<void> {
  const { docker } = engine;
  const states = await serviceStates(docker, instance.state.project);
  const runs = (name: string): boolean => states.get(name)?.running === true;
  const { homeserver } = instance.settings;
  s.parts = await partsOf(engine, instance, states);
  const filters = { label: [`org.pocketcoder.egress=${instance.state.project}`] };
  s.leases = (await maybe(docker.listContainers({ filters })))?.length ?? 0;
  for (const { service, setting, port, address } of portsOf(instance))
    if (!runs(service)) s.ports.push({ service, setting, port, holder: await holderOf(port, address) });
  if (homeserver || runs('homeserver')) {
    const address = addressOf(instance).replace(/\/+$/, '');
    await answerOf('homeserver', `${address}/_matrix/client/versions`, s);
    const software = await softwareAt(address);
    if (software) s.homeserver = software;
  }
  if (runs('ledger')) {
    await answerOf('ledger', `${ledgerUrlOf(instance)}/api/health`, s);
    s.ledger = await ledgerOf(docker, instance);
  }
  for (const [name, path] of Object.entries(data)) {
    const room =
      runs(name) &&
      (await maybe(execIn(docker, instance.state.project, name, ['stat', '-fc', '%a %S', path])));
    const [blocks, size] = room ? room.out.split(' ').map(Number) : [];
    if (blocks !== undefined && size) s.disks[name] = blocks * size;
  }
  if (runs('bot'))
    s.bot = await askBot(engine, instance.state.project, { cmd: 'status' }).catch((error: unknown) => ({
      fault: messageOf(error),
    }));
  if (runs('model')) s.models = await modelsIn(docker, instance);
}

/** Looks at everything there is to be looked at. Throws a Fault only where `findEngine` does. */
export async function observe(): Promise<Scene> {
  const home = stateHome();
  const engine = findEngine();
  const s: Scene = {
    ...{ home, modes: {}, free: 0, parts: [], leases: 0, ports: [], answers: [], clocks: {}, disks: {} },
    last: { backup: lastOf(home, 'backup'), drill: lastOf(home, 'drill') },
    engine: { host: engine.host, by: engine.by, is: await ask(engine) },
  };
  const there = (path: string): string => (existsSync(path) ? path : there(dirname(path)));
  const { bavail, bsize } = statfsSync(there(home));
  s.free = bavail * bsize;
  for (const name of ['.', 'secrets.json', 'pocketcoder.yaml'])
    if (existsSync(join(home, name))) s.modes[name] = statSync(join(home, name)).mode & 0o777;
  try {
    const instance = findInstance();
    if (instance) s.instance = instance;
  } catch (error) {
    s.fault = messageOf(error);
  }
  if (s.engine.is !== 'up') return s;
  s.compose = await composeOf(home);
  s.base = (await maybe(findBase(engine.docker))) != null;
  Object.assign(s.engine, await maybe(fitnessOf(engine.docker)));
  const from = Date.now();
  const info = (await maybe(engine.docker.info())) as { SystemTime?: string } | undefined;
  if (info?.SystemTime) s.clocks['engine'] = ahead(Date.parse(info.SystemTime), from, 0);
  if (s.instance) await lookInside(s, engine, s.instance);
  return s;
}
