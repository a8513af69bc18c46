/** The Docker engine: how it is reached and whether it answers. Everything but compose itself talks to it by its API. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import Docker from 'dockerode';
import { fault } from '../fault.ts';

/** Docker Desktop on macOS may keep its socket in the home directory only. */
const sockets = ['/var/run/docker.sock', join(homedir(), '.docker/run/docker.sock')];

export type Engine = {
  docker: Docker;
  /** What DOCKER_HOST is to be for a child process. */
  host: string;
  /** The socket that the executor's container mounts: a path of the engine's machine. */
  socket: string;
  /** True when the person chose the engine by DOCKER_HOST: then nothing is installed or started for it. */
  chosen: boolean;
};

/** The engine named by DOCKER_HOST, else the machine's own. Nothing is contacted yet. */
export function findEngine(env: NodeJS.ProcessEnv = process.env): Engine {
  const host = env['DOCKER_HOST'] ?? '';
  if (host && !host.startsWith('unix://'))
    return { docker: new Docker(), host, socket: '/var/run/docker.sock', chosen: true };
  const path = host ? host.slice('unix://'.length) : (sockets.find(existsSync) ?? '/var/run/docker.sock');
  // Docker Desktop's engine runs in a virtual machine, where its socket has the usual path.
  const socket = process.platform === 'darwin' ? '/var/run/docker.sock' : path;
  return { docker: new Docker({ socketPath: path }), host: `unix://${path}`, socket, chosen: host !== '' };
}

/** Whether the engine answers: `denied` when its socket is there but may not be opened. */
export async function ask(engine: Engine): Promise<'up' | 'down' | 'denied'> {
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
