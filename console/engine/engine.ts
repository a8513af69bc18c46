/** The Docker engine: how it is reached and whether it answers. Everything but compose itself talks to it by its API. */
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import Docker from 'dockerode';
import { sha256 } from '../../ledger/src/action.ts';
import { attempt } from '../../ledger/src/retry.ts';
import { fault } from '../fault.ts';

const usual = '/var/run/docker.sock';
/** A rootless engine's, and Docker Desktop's on macOS, are the user's own. */
const own = [`/run/user/${process.getuid?.()}/docker.sock`, join(homedir(), '.docker/run/docker.sock')];

export type Engine = {
  docker: Docker;
  /** What DOCKER_HOST is to be for a child process. */
  host: string;
  /** The socket that the executor's container mounts: a path of the engine's machine. */
  socket: string;
  /** What the person chose the engine by; '' where by nothing. For a chosen one nothing is installed or started. */
  by: string;
};

/**
 * Where Docker's own command line goes, and by what: DOCKER_HOST, DOCKER_CONTEXT or `docker context use`, in this order. Throws a
 * Fault (`config`) for a context that is not of this machine.
 */
function choice(env: NodeJS.ProcessEnv): Pick<Engine, 'host' | 'by'> {
  if (env['DOCKER_HOST']) return { host: env['DOCKER_HOST'], by: 'DOCKER_HOST' };
  const directory = env['DOCKER_CONFIG'] || join(homedir(), '.docker');
  // What cannot be read Docker's own command line takes as if it were not there.
  const read = (path: string) => attempt(() => JSON.parse(readFileSync(join(directory, path), 'utf8')));
  const name: string = env['DOCKER_CONTEXT'] || read('config.json')?.currentContext || 'default';
  if (name === 'default') return { host: '', by: '' };
  const by = `the docker context "${name}"`;
  const meta = read(`contexts/meta/${sha256(name)}/meta.json`);
  const host = String(meta?.Endpoints?.docker?.Host ?? 'a place that cannot be read');
  if (host.startsWith('unix://')) return { host, by };
  throw fault.config(
    `The engine is chosen by ${by}, which is at ${host}: not behind a socket of this machine. Nothing was started. Choose ` +
      'another (docker context use default), or name one by DOCKER_HOST=unix://….',
  );
}

/** The engine that the person chose, else the machine's own. Nothing is contacted yet. Throws as `choice`. */
export function findEngine(env: NodeJS.ProcessEnv = process.env): Engine {
  const { host, by } = choice(env);
  if (host && !host.startsWith('unix://')) return { docker: new Docker(), host, socket: usual, by };
  const path = host ? host.slice('unix://'.length) : ([usual, ...own].find(existsSync) ?? usual);
  // Docker Desktop's engine runs in a virtual machine, where its socket has the usual path.
  const socket = process.platform === 'darwin' || path.includes('/.docker/desktop/') ? usual : path;
  return { docker: new Docker({ socketPath: path }), host: `unix://${path}`, socket, by };
}

/** Whether the engine answers: `denied` when its socket is there but may not be opened. */
export async function ask(engine: Pick<Engine, 'docker'>): Promise<'up' | 'down' | 'denied'> {
  try {
    await engine.docker.ping();
    return 'up';
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    return code === 'EACCES' || code === 'EPERM' ? 'denied' : 'down';
  }
}

/** The engine, where it answers; throws a Fault (`unavailable`) where it does not. */
export async function requireEngine(engine: Engine): Promise<Engine> {
  if ((await ask(engine)) === 'up') return engine;
  throw fault.unavailable(`No Docker engine answers at ${engine.host}. Start it, then ./pocketcoder start.`);
}

/** For the end of a call: what answers with one of these codes is no failure, and gives nothing. */
export const unless =
  (...codes: readonly number[]) =>
  (error: { statusCode?: number }): undefined => {
    if (!codes.includes(error.statusCode ?? 0)) throw error;
  };

type Progress = { stream?: string; error?: string };
/** dockerode decodes BuildKit's messages by this method, which its types don't have yet. */
type WithBuildKit = Docker & {
  followProgress(
    stream: NodeJS.ReadableStream,
    onEnd: (error: Error | null) => void,
    onEvent: (event: Progress) => void,
  ): void;
};
/** The end of a pull, an import or a build. Throws what the engine says is wrong. @param say told its lines */
export const finished = (
  docker: Docker,
  stream: NodeJS.ReadableStream,
  say: (line: string) => void = () => {},
): Promise<void> =>
  new Promise((resolve, reject) =>
    (docker as WithBuildKit).followProgress(
      stream,
      (error) => (error ? reject(error) : resolve()),
      (event) => (event.error ? reject(new Error(event.error)) : say(event.stream?.trimEnd() ?? '')),
    ),
  );
