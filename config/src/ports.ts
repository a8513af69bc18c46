/** Ports of this machine. */
import { connect, createServer } from 'node:net';
import { Fault } from './fault.ts';

/** Whether nobody takes a connection there, for a port that is the engine's to open but not ours. */
function silent(port: number, address: string): Promise<number> {
  return new Promise((resolve) => {
    const socket = connect(port, address === '0.0.0.0' ? '127.0.0.1' : address);
    socket.once('connect', () => resolve(0)).once('error', () => resolve(port));
    socket.once('connect', () => socket.destroy());
  });
}

/** Whether a program could listen there now; 0 asks for any. Returns the port, or 0 when it is taken. */
function probe(port: number, address: string): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', ({ code }: NodeJS.ErrnoException) =>
      resolve(code === 'EACCES' ? silent(port, address) : 0),
    );
    server.listen(port, address, () => {
      const address = server.address();
      server.close(() => resolve(address && typeof address === 'object' ? address.port : 0));
    });
  });
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
  if (await probe(port, address)) return;
  throw new Fault(
    'unavailable',
    `Port ${port} on ${address}, which the ${service} needs, is taken by another program. Nothing was started: end that ` +
      `program, or set another port in ${home}/pocketcoder.yaml (ports: { ${service}: … }).`,
  );
}
