/** An address that stays while what answers there moves: a name that people keep when their server gets another one. */
import { connect, createServer, type Socket } from 'node:net';

export type Front = { url: string /** From now on it leads there. */; to(url: string): void; stop(): void };

export async function startFront(url: string): Promise<Front> {
  let port = Number(new URL(url).port);
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const behind = connect(port, '127.0.0.1');
    client.pipe(behind).pipe(client);
    for (const socket of [client, behind]) {
      open.add(socket);
      socket
        .on('error', () => {})
        .on('close', () => {
          for (const end of [client, behind]) end.destroy();
          open.delete(socket);
        });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (typeof address !== 'object' || !address) throw new Error('no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    to(next) {
      port = Number(new URL(next).port);
      for (const socket of open) socket.destroy();
    },
    stop() {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}
