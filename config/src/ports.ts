/** Ports on the loopback address. */
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
  if (await probe(port)) return;
  throw new Fault(
    'unavailable',
    `Port ${port} on 127.0.0.1, which the ${service} needs, is taken by another program. Nothing was started: end that ` +
      `program, or set another port in ${home}/pocketcoder.yaml (ports: { ${service}: … }).`,
  );
}
