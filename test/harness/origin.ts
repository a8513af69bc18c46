/**
 * An origin on this machine for leases of the network, at an address that is no private one: what came there, to the byte. It is reached
 * by a proxy whose order says that it may be, which no executor's does.
 */
import { execFileSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type Docker from 'dockerode';
import { tarOf } from '../../console/engine/build-context.ts';
import { finished } from '../../console/engine/engine.ts';
import { ensureImage } from '../../console/engine/images.ts';
import { newId } from '../../ledger/src/action.ts';
import type { Egress } from '../../sandbox/src/container.ts';

/** Answers a request whose body is read already. */
export type Serve = (req: IncomingMessage, res: ServerResponse, body: Buffer) => void;

export type Origin = {
  /** Where it is reached. */
  address: string;
  /** Names that lead to the origin, to this machine at an address that nobody allowed, and inside. */
  names: { origin: string; machine: string; inside: string };
  egress: Egress;
  /** Makes proxies that know the names. */
  docker: Docker;
  /** Method, path and body of each request that came, oldest first. */
  seen: string[];
  /** Bytes on its sockets since it was last asked. */
  bytes(): { up: number; down: number };
  stop(): Promise<void>;
};

const names = { origin: 'origin.test', machine: 'machine.test', inside: 'inside.test' };

/** A key and a certificate for an origin of these names that is its own authority. */
export function certificate(...names: string[]): { key: Buffer; cert: Buffer } {
  const dir = mkdtempSync(join(tmpdir(), 'origin-'));
  const [key, cert] = [join(dir, 'key'), join(dir, 'cert')];
  const alternatives = names.map((name) => `DNS:${name}`);
  const words = '-x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=origin';
  const more = ['-addext', `subjectAltName=${alternatives}`, '-keyout', key, '-out', cert];
  execFileSync('openssl', ['req', ...words.split(' '), ...more], { stdio: 'pipe' });
  const made = { key: readFileSync(key), cert: readFileSync(cert) };
  rmSync(dir, { recursive: true });
  return made;
}

/** An address of this machine that is not private: the gateway of a small network of its own. Other runs may have taken some. */
async function gateway(docker: Docker, project: string, name: string): Promise<string> {
  for (let tries = 1; ; tries++) {
    const at = 8 * randomInt(32);
    const [Subnet, Gateway] = [`198.51.100.${at}/29`, `198.51.100.${at + 1}`];
    const options = { Labels: { 'org.pocketcoder': project }, IPAM: { Config: [{ Subnet, Gateway }] } };
    try {
      await docker.createNetwork({ Name: `${project}-origin-${name}`, ...options });
      return Gateway;
    } catch (error) {
      if (tries === 50) throw error;
    }
  }
}

/** The real proxy behind a few words that put `allowed` into its order. */
async function imageAllowing(docker: Docker, address: string): Promise<string> {
  const [task, egress] = [await ensureImage('task'), await ensureImage('egress')];
  const t = `pocketcoder-test/egress:${newId()}`;
  const content = `FROM ${egress} AS egress
FROM ${task}
COPY --from=egress /egress /egress
COPY in /in
USER 10009:10009
ENTRYPOINT ["sh", "/in"]
`;
  const words = `[ $# = 0 ] || exec /egress "$@"
read -r line
{ printf '%s,"allowed":["${address}/32"]}\\n' "\${line%?}"; exec cat; } | exec /egress
`;
  const files = { Dockerfile: content, in: words };
  const tar = tarOf(
    Object.entries(files).map(([name, text]) => ({ name, mode: 0o644, content: Buffer.from(text) })),
  );
  await finished(docker, await docker.buildImage(tar, { t, version: '2' }), () => {});
  return t;
}

const plain: Serve = (req, res) => {
  res.end(req.url === '/large' ? Buffer.alloc(4e6, 'x') : 'from outside\n');
};

export async function startOrigin(docker: Docker, project: string, serve = plain): Promise<Origin> {
  const address = await gateway(docker, project, 'a');
  const machine = await gateway(docker, project, 'b');
  const { key, cert } = certificate(...Object.values(names));
  const seen: string[] = [];
  const server = https.createServer({ key, cert }, async (req, res) => {
    const parts = await Array.fromAsync(req as AsyncIterable<Buffer>).catch(() => undefined);
    if (!parts) return; // it was cut
    const body = Buffer.concat(parts);
    seen.push(`${req.method} ${req.url} ${body}`.trim());
    serve(req, res, body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const counts = { up: 0, down: 0 };
  // Ahead of TLS, where the proxy counts too.
  const relay = net.createServer((from) => {
    const to = net.connect((server.address() as AddressInfo).port, '127.0.0.1');
    from.on('data', ({ length }) => {
      counts.up += length;
    });
    to.on('data', ({ length }) => {
      counts.down += length;
    });
    from.pipe(to).pipe(from);
    for (const one of [from, to]) one.on('error', () => to.destroy());
  });
  relay.listen(443, address);
  const other = net.createServer((from) => from.end('the machine itself')).listen(443, machine);
  await Promise.all([once(relay, 'listening'), once(other, 'listening')]);
  const image = await imageAllowing(docker, address);
  const ExtraHosts = [
    `${names.origin}:${address}`,
    `${names.machine}:${machine}`,
    `${names.inside}:10.0.0.1`,
  ];
  const createContainer = (options: Docker.ContainerCreateOptions) =>
    docker.createContainer(
      options.OpenStdin && !options.HostConfig?.NetworkMode?.startsWith('container:')
        ? { ...options, HostConfig: { ...options.HostConfig, ExtraHosts } }
        : options,
    );
  return {
    ...{ address, names, seen, egress: { image, roots: cert.toString() } },
    docker: Object.assign(Object.create(docker) as Docker, { createContainer }),
    bytes() {
      const since = { ...counts };
      Object.assign(counts, { up: 0, down: 0 });
      return since;
    },
    async stop() {
      for (const one of [relay, other, server]) one.close();
      server.closeAllConnections();
      for (const name of ['a', 'b']) await docker.getNetwork(`${project}-origin-${name}`).remove();
      await docker.getImage(image).remove({ force: true });
    },
  };
}
