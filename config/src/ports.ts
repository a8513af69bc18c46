/** Ports on the loopback address. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { Fault } from './fault.ts';

/** Whether a program could listen there now; 0 asks for any. Returns the port, or 0 when it is taken. */
function probe(port: number): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(0));
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(address && typeof address === 'object' ? address.port : 0));
    });
  });
}

/** The usual port when it is free, else any free one. */
export const choosePort = async (usual: number): Promise<number> => (await probe(usual)) || (await probe(0));

/** Throws a Fault when another program has the port. */
export async function requireFree(service: string, port: number, home: string): Promise<void> {
  const holder = await holderOf(port);
  if (!holder) return;
  throw new Fault(
    'unavailable',
    `Port ${port} on 127.0.0.1, which the ${service} needs, is taken by ${holder}. Nothing was started: end that ` +
      `program, or set another port in ${home}/pocketcoder.yaml (ports: { ${service}: … }).`,
  );
}

/** Which program listens on a port, by Linux' own tables, as far as this user may look; '' where they do not tell. */
function listenerOn(port: number): string {
  const hex = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const attempt = <T>(look: () => T, otherwise: T): T => {
    try {
      return look();
    } catch {
      return otherwise; // no such system, or somebody else's process
    }
  };
  const sockets = ['tcp', 'tcp6']
    .flatMap((table) => attempt(() => readFileSync(`/proc/net/${table}`, 'utf8'), '').split('\n'))
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => local?.endsWith(hex) && state === '0A')
    .map((fields) => `socket:[${fields[9]}]`);
  for (const pid of attempt(() => readdirSync('/proc'), []).filter((name) => /^\d+$/.test(name)))
    for (const fd of attempt(() => readdirSync(`/proc/${pid}/fd`), []))
      if (sockets.includes(attempt(() => readlinkSync(`/proc/${pid}/fd/${fd}`), '')))
        return `${attempt(() => readFileSync(`/proc/${pid}/comm`, 'utf8').trim(), '')} (process ${pid})`;
  return '';
}

/** Who has a port of the loopback address, for a person; '' where it is free. */
export const holderOf = async (port: number): Promise<string> =>
  (await probe(port)) ? '' : listenerOn(port) || 'another program';
