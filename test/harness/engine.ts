/** A stand-in for an engine: a socket that answers what one is asked before anything is begun, and nothing else. */
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname } from 'node:path';

/** What /version of Docker 20.10 and of Podman 4.9 says, in the parts that anything here reads. */
export const docker = {
  Version: '20.10.24',
  ApiVersion: '1.41',
  Components: [{ Name: 'Engine' }, { Name: 'containerd' }, { Name: 'runc' }],
};
export const podman = {
  Version: '4.9.4',
  ApiVersion: '1.41',
  Components: [{ Name: 'Podman Engine' }, { Name: 'Conmon' }, { Name: 'OCI Runtime (crun)' }],
};

/** Listens on `path` until it is closed. @returns its end */
export async function standIn(
  path: string,
  version: object = docker,
  info: object = {},
): Promise<() => Promise<unknown>> {
  mkdirSync(dirname(path), { recursive: true });
  const server = createServer(({ url = '' }, res) => {
    const answer = { '/_ping': 'OK', '/version': version, '/info': info }[url.replace(/^\/v[\d.]+/, '')];
    res.writeHead(answer ? 200 : 404, { 'content-type': 'application/json', connection: 'close' });
    res.end(typeof answer === 'string' ? answer : JSON.stringify(answer ?? { message: 'page not found' }));
  }).listen(path);
  await once(server, 'listening');
  return () => once(server.close(), 'close');
}
