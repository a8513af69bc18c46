/** Programs run inside a container of the instance, with exactly the rights and the networks that its service has. */
import { execFile } from 'node:child_process';
import { PassThrough } from 'node:stream';
import { promisify } from 'node:util';
import { findEngine } from '../../console/engine/engine.ts';

const { docker } = findEngine();

export type Ran = { code: number; out: string };
/** `address:port` */
export type Place = string;

/** In a container's place: this machine itself. */
export const thisMachine = '';

/** Runs a program to its end. @param user another than the container's own; `root` is still without capabilities */
export async function inside(container: string, cmd: readonly string[], user?: string): Promise<Ran> {
  const exec = await docker.getContainer(container).exec({
    Cmd: [...cmd],
    AttachStdout: true,
    AttachStderr: true,
    ...(user ? { User: user } : {}),
  });
  const stream = await exec.start({ hijack: true });
  const both = new PassThrough();
  docker.modem.demuxStream(stream, both, both);
  stream.on('end', () => both.end());
  let out = '';
  for await (const chunk of both) out += chunk;
  return { code: (await exec.inspect()).ExitCode ?? -1, out: out.trim() };
}

/** Runs a bash script; `words` are its arguments. */
export async function bash(container: string, script: string, ...words: string[]): Promise<Ran> {
  const cmd = ['-c', script, 'bash', ...words];
  if (container !== thisMachine) return inside(container, ['bash', ...cmd]);
  const { stdout } = await promisify(execFile)('bash', cmd);
  return { code: 0, out: stdout.trim() };
}

/** Which of these places take a TCP connection that is made inside the container; all are tried at once. */
export async function reached(container: string, places: readonly Place[]): Promise<Place[]> {
  const script = `for place; do
      (timeout 3 bash -c ": > /dev/tcp/\${place%:*}/\${place##*:}" 2> /dev/null && echo "$place") &
    done; wait`;
  const { out } = await bash(container, script, ...places);
  const open = new Set(out.split('\n'));
  return places.filter((place) => open.has(place));
}

/**
 * What answers there to a plain GET, as a fingerprint; '' where nothing does. It tells a service from a network's own
 * machinery, which may take connections to any address.
 */
export async function fingerprints(container: string, places: readonly Place[]): Promise<Map<Place, string>> {
  const script = `ask() {
      exec 3<> "/dev/tcp/\${1%:*}/\${1##*:}" && printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3 && head -c 4096 <&3
    }
    export -f ask
    for place; do
      (print=$(timeout 5 bash -c 'ask "$1"' bash "$place" 2> /dev/null | grep -vi '^date:' | md5sum) && echo "$place $print") &
    done; wait`;
  const { out } = await bash(container, script, ...places);
  const nothing = 'd41d8cd98f00b204e9800998ecf8427e';
  const seen = out.split('\n').map((line) => line.split(' '));
  return new Map(seen.map(([place = '', print = '']) => [place, print === nothing ? '' : print]));
}

/** Which of these names are known inside the container. */
export async function known(container: string, names: readonly string[]): Promise<string[]> {
  const script =
    'for name; do (timeout 5 getent ahosts "$name" > /dev/null && echo "$name") & done; wait; true';
  const { out } = await bash(container, script, ...names);
  const found = new Set(out.split('\n'));
  return names.filter((name) => found.has(name));
}

/** What a service inside answers to a GET, from its first line on. */
export const get = async (container: string, host: string, port: number, path: string): Promise<string> =>
  (
    await bash(
      container,
      'exec 3<>"/dev/tcp/$1/$2"; printf "GET %s HTTP/1.1\\r\\nHost: %s:%s\\r\\nConnection: close\\r\\n\\r\\n" "$3" "$1" "$2" >&3; timeout 10 cat <&3',
      host,
      String(port),
      path,
    )
  ).out;

/** Connects to a unix socket of the file system inside the container and says what came of it. */
export const unixSocket = async (container: string, path: string): Promise<string> =>
  (
    await inside(container, [
      'perl',
      '-MIO::Socket::UNIX',
      '-e',
      'print IO::Socket::UNIX->new(Peer => $ARGV[0]) ? "connected" : $!',
      path,
    ])
  ).out;
