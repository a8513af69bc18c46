/** A whole instance of its own for a test: started by the launcher, as a person would, in a fresh state directory. */
import { spawn } from 'node:child_process';
import { globSync, linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { stringify } from 'yaml';
import { removeProject as removeOf } from '../../console/care/uninstall.ts';
import { findEngine } from '../../console/engine/engine.ts';
import { checkout } from '../../console/instance/paths.ts';
import type { Settings } from '../../console/instance/settings-file.ts';
import type { State } from '../../console/instance/state.ts';
import { connectLedger, type Ledger } from '../../ledger/src/client.ts';
import { type ScriptedModel, type Scripts, startModel } from './model.ts';
import { until } from './wait.ts';

export type Ran = { code: number | null; out: string; err: string; events: Record<string, unknown>[] };
export type Instance = {
  home: string;
  project: string;
  /** Where Element would sign in. */
  address: string;
  owner: { user: string; password: string };
  bot: string;
  room: string;
  ledgerUrl: string;
  secrets: State;
  /** What `start --json` said: the seconds of each phase. */
  seconds: Record<string, number>;
  model?: ScriptedModel;
  /** The name of a service's container, for dockerode. */
  container(service: string): string;
  /** Runs the launcher on this instance; `input` goes to its standard input. */
  run(args: readonly string[], input?: string): Promise<Ran>;
  stop(): Promise<void>;
  /** Removes containers, networks, volumes and the state directory. */
  destroy(): Promise<void>;
};

/**
 * Runs the launcher to its end.
 * @param env added to this process's environment
 * @param as another user than this one
 * @param watch told every object that `--json` says, as it comes
 */
export async function launch(
  args: readonly string[],
  {
    env = {},
    input = '',
    as,
    watch,
  }: {
    env?: NodeJS.ProcessEnv;
    input?: string;
    as?: { uid: number; gid: number };
    watch?: ((event: Record<string, unknown>) => void) | undefined;
  } = {},
): Promise<Ran> {
  const child = spawn(join(checkout, 'pocketcoder'), args, { env: { ...process.env, ...env }, ...as });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  if (watch)
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line.startsWith('{')) watch(JSON.parse(line) as Record<string, unknown>);
    });
  child.stdin.on('error', () => {}); // a program that ended early reads no more
  child.stdin.end(input);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  const lines = out.split('\n').filter((line) => line.startsWith('{'));
  return { code, out, err, events: lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

/** The chain of an instance, as the auditor reads it. */
export const ledgerOf = ({ secrets, ledgerUrl }: Pick<Instance, 'secrets' | 'ledgerUrl'>): Promise<Ledger> =>
  connectLedger({ url: ledgerUrl, identity: 'auditor', password: secrets.passwords.ledger.auditor });

/** Removes everything the engine has of a project. */
export const removeProject = (project: string): Promise<void> => removeOf(findEngine().docker, project);

/** This machine's address on the engine's own bridge, where containers with a way out reach what listens there. */
export async function bridgeAddress(): Promise<string> {
  const bridge = await findEngine().docker.getNetwork('bridge').inspect();
  return bridge.IPAM?.Config?.[0]?.['Gateway'] ?? '172.17.0.1';
}

/** The scripted model where the model proxy's container reaches it. */
async function modelOnBridge(scripts: Scripts): Promise<{ model: ScriptedModel; settings: Settings }> {
  const host = await bridgeAddress();
  const model = await startModel({ host, key: 'test-key', scripts });
  const url = `http://host.docker.internal:${model.port}/v1`;
  return {
    model,
    settings: {
      model: { provider: 'openai-compatible', name: 'scripted', url, key: 'test-key', pictures: true },
    },
  };
}

/**
 * Where the instances of one run have compose from: the first is given it as anybody is, whose copy out of the engine takes
 * seconds, and leaves it here (files.ts) for the others.
 */
export const keptVariable = 'POCKETCODER_TEST_KEPT';
function shareCompose(from: string | undefined, to: string | undefined): void {
  if (!from || !to) return;
  for (const path of globSync('docker-compose-v*', { cwd: from })) {
    mkdirSync(to, { recursive: true });
    try {
      linkSync(join(from, path), join(to, path));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error; // the file beside this one was first
    }
  }
}

/**
 * Starts in turn with the other files of a run: two that choose their ports at the same moment choose the same ones. One
 * that was killed while it started holds the next one up for two minutes.
 */
async function inTurn<T>(start: () => Promise<T>): Promise<T> {
  const kept = process.env[keptVariable];
  if (!kept) return start();
  const turn = join(kept, 'turn');
  const take = () => mkdirSync(turn, { recursive: true }) !== undefined; // undefined where it was there
  const taken = await until('its turn to start', take, { seconds: 120, every: 100 }).catch(() => false);
  return start().finally(() => {
    if (taken) rmSync(turn, { recursive: true, force: true });
  });
}

/**
 * Starts an instance and waits until it is ready.
 * @param home a state directory that is there already (a second start); a fresh one without it
 * @param model `scripted` adds the brain with the scripted model
 * @param overrides written to pocketcoder.yaml
 * @param agents files of helpers, by their names
 * @param watch told what `start --json` says, as it comes
 */
export async function startInstance(
  options: {
    home?: string;
    model?: 'scripted';
    scripts?: Scripts;
    overrides?: Settings;
    agents?: Readonly<Record<string, string>>;
    watch?: (event: Record<string, unknown>) => void;
  } = {},
): Promise<Instance> {
  const home = options.home ?? mkdtempSync(join(tmpdir(), 'pocketcoder-test-'));
  const scripted = options.model ? await modelOnBridge(options.scripts ?? {}) : undefined;
  // The test phone answers at once, which for a person would be too quick to have read anything.
  const approvals = { quick: 0, ...options.overrides?.approvals };
  const settings = { ...scripted?.settings, ...options.overrides, approvals };
  // A second start of a home that is there goes by what stands in it.
  if (scripted || options.overrides || !options.home)
    writeFileSync(join(home, 'pocketcoder.yaml'), stringify(settings));
  for (const [name, text] of Object.entries(options.agents ?? {})) {
    mkdirSync(join(home, 'agents'), { recursive: true });
    writeFileSync(join(home, 'agents', `${name}.md`), text);
  }
  const env = { POCKETCODER_HOME: home };
  const run = (args: readonly string[], input = '') => launch(args, { env, input });

  const [own, kept] = [join(home, 'bin'), process.env[keptVariable]];
  shareCompose(kept, own);
  const started = await inTurn(() => launch(['start', '-d', '--json'], { env, watch: options.watch }));
  shareCompose(own, kept);
  const secrets = JSON.parse(readFileSync(join(home, 'secrets.json'), 'utf8')) as State;
  const { project } = secrets;
  const destroy = async () => {
    await scripted?.model.stop();
    await removeProject(project);
    rmSync(home, { recursive: true, force: true });
  };
  const ready = started.events.find(({ event }) => event === 'ready');
  if (started.code !== 0 || !ready) {
    const logs = await run(['status']);
    if (!options.home) await destroy();
    throw new Error(
      `start ended with ${started.code}: ${started.out.slice(-2000)}${started.err}\n${logs.out}`,
    );
  }
  return {
    home,
    project,
    address: String(ready['address']),
    owner: { user: String(ready['owner']), password: secrets.passwords.owner },
    bot: String(ready['bot']),
    room: String(ready['room']),
    ledgerUrl: String(ready['ledger']),
    secrets,
    seconds: ready['seconds'] as Record<string, number>,
    ...(scripted ? { model: scripted.model } : {}),
    container: (service) => `${project}-${service}-1`,
    run,
    async stop() {
      const { code, err } = await run(['stop']);
      if (code !== 0) throw new Error(`stop ended with ${code}: ${err}`);
    },
    destroy,
  };
}
