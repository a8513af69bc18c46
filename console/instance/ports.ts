/** Ports of this machine. */
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { basename } from 'node:path';
import { attempt } from '../../ledger/src/retry.ts';
import { fault } from '../fault.ts';

/** Whether somebody takes a connection there, for a port that is the engine's to open but not ours. */
async function answers(port: number, address: string): Promise<boolean> {
  const socket = connect(port, address === '0.0.0.0' ? '127.0.0.1' : address);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** Whether a program could listen there now; 0 asks for any. Returns the port, or 0 when it is taken. */
async function probe(port: number, address: string): Promise<number> {
  const server = createServer();
  try {
    await once(server.listen(port, address), 'listening');
    const { port: found } = server.address() as AddressInfo;
    await once(server.close(), 'close');
    return found;
  } catch (error) {
    const mayNot = (error as NodeJS.ErrnoException).code === 'EACCES';
    return mayNot && !(await answers(port, address)) ? port : 0;
  }
}

/** The first of the usual ports that is free, else any free one. */
export async function choosePort(usual: readonly number[], address = '127.0.0.1'): Promise<number> {
  for (const port of [...usual, 0]) {
    const free = await probe(port, address);
    if (free) return free;
  }
  return 0;
}

/** Throws a Fault when another program has the port. */
export async function requireFree(
  service: string,
  port: number,
  home: string,
  address = '127.0.0.1',
): Promise<void> {
  const holder = await holderOf(port, address);
  if (!holder) return;
  throw fault.unavailable(
    `Port ${port} on ${address}, which the ${service} needs, is taken by ${holder}. Nothing was started: end that ` +
      `program, or set another port in ${home}/pocketcoder.yaml (ports: { ${service}: … }).`,
  );
}

/** Which program listens on a port, by Linux' own tables, as far as this user may look; '' where they do not tell. */
function listenerOn(port: number): string {
  const hex = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  // What cannot be read is of no such system, or somebody else's process.
  const sockets = ['tcp', 'tcp6']
    .flatMap((table) => (attempt(() => readFileSync(`/proc/net/${table}`, 'utf8')) ?? '').split('\n'))
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => local?.endsWith(hex) && state === '0A')
    .map((fields) => `socket:[${fields[9]}]`);
  for (const pid of attempt(() => readdirSync('/proc'))?.filter((name) => /^\d+$/.test(name)) ?? [])
    for (const fd of attempt(() => readdirSync(`/proc/${pid}/fd`)) ?? [])
      if (sockets.includes(attempt(() => readlinkSync(`/proc/${pid}/fd/${fd}`)) ?? ''))
        return `${basename(attempt(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8'))?.split('\0')[0] ?? '')} (process ${pid})`;
  return '';
}

/** Who has a port, for a person; '' where it is free. */
export const holderOf = async (port: number, address: string): Promise<string> =>
  (await probe(port, address)) ? '' : listenerOn(port) || 'another program';
