/** A throwaway Synapse, closed like the product's own and from its image, with its data where a test can keep it. */
import { execFile } from 'node:child_process';
import { createHmac, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { ensureImage } from '../../console/engine/images.ts';
import { until } from './wait.ts';

const run = promisify(execFile);
const serverName = 'pocket.test';

export type Account = { user: string; password: string };
export type Homeserver = {
  url: string;
  serverName: string;
  /** Makes an account by the shared-secret admin API. @returns its whole user id and password */
  register(name: string, o?: { admin?: boolean }): Promise<Account>;
  /** Ends the process and keeps its data: what a homeserver that is down looks like. */
  halt(): Promise<void>;
  resume(): Promise<void>;
  /** Of one that is halted: a user's sessions come to the end of their time, as under `session_lifetime`, or are ended. */
  endSessions(user: string, how: 'expired' | 'ended'): void;
  /** Ends it and removes everything. */
  stop(): Promise<void>;
};

async function freePort(host: string): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (typeof address !== 'object' || !address) throw new Error('no free port');
  return address.port;
}

const configuration = (data: string, port: number, bind: string, secret: string): string => `
server_name: '${serverName}'
pid_file: /tmp/synapse-${port}.pid
public_baseurl: 'http://127.0.0.1:${port}/'
signing_key_path: ${data}/signing.key
media_store_path: ${data}/media
log_config: ${data}/log.yaml
report_stats: false
listeners:
  - port: ${port}
    type: http
    tls: false
    bind_addresses: ['${bind}']
    resources: [{ names: [client], compress: false }]
database: { name: sqlite3, args: { database: ${data}/homeserver.db } }
registration_shared_secret: '${secret}'
macaroon_secret_key: '${randomBytes(16).toString('hex')}'
form_secret: '${randomBytes(16).toString('hex')}'
enable_registration: false
allow_guest_access: false
federation_domain_whitelist: []
trusted_key_servers: []
presence: { enabled: false }
encryption_enabled_by_default_for_room_type: all
default_room_version: '11'
rc_message: { per_second: 1000, burst_count: 1000 }
rc_reactions: { per_second: 1000, burst_count: 1000 }
rc_login:
  address: { per_second: 1000, burst_count: 1000 }
  account: { per_second: 1000, burst_count: 1000 }
  failed_attempts: { per_second: 1000, burst_count: 1000 }
rc_invites:
  per_room: { per_second: 1000, burst_count: 1000 }
  per_user: { per_second: 1000, burst_count: 1000 }
rc_joins: { local: { per_second: 1000, burst_count: 1000 } }
rc_registration: { per_second: 1000, burst_count: 1000 }
`;
const logging = `
version: 1
handlers: { console: { class: logging.StreamHandler, level: WARNING } }
root: { level: WARNING, handlers: [console] }
`;

type Host = { start(): Promise<void>; end(): Promise<void>; clean(): Promise<void> };

/** Host networking: by default the test process reaches it on loopback and nobody else does. */
function inContainer(image: string, dir: string): Host {
  const name = `homeserver-test-${randomBytes(4).toString('hex')}`;
  const docker = (...args: string[]) => run('docker', args);
  const python = '/opt/synapse/bin/python';
  const synapse = [python, '-m', 'synapse.app.homeserver', '--config-path', `${dir}/homeserver.yaml`];
  const options = ['--network', 'host', '--user', '0:0', '-v', `${dir}:${dir}`];
  let made = false;
  return {
    async start() {
      if (made) return void (await docker('start', name));
      await docker('run', '--rm', ...options, image, ...synapse, '--generate-keys');
      await docker('run', '-d', '--name', name, ...options, image, ...synapse);
      made = true;
    },
    end: async () => void (await docker('kill', name)),
    clean: async () => void (await docker('rm', '-f', name)),
  };
}

/** Starts it on a free port. @param address of this machine to listen on: loopback, or one that containers reach */
export async function startHomeserver(address = '127.0.0.1'): Promise<Homeserver> {
  const image = await ensureImage('homeserver');
  const dir = mkdtempSync(join(tmpdir(), 'homeserver-'));
  const port = await freePort(address);
  const secret = randomBytes(16).toString('hex');
  writeFileSync(join(dir, 'homeserver.yaml'), configuration(dir, port, address, secret));
  writeFileSync(join(dir, 'log.yaml'), logging);
  const host = inContainer(image, dir);
  const url = `http://${address}:${port}`;
  const answers = () => fetch(`${url}/_matrix/client/versions`).then((r) => r.ok);
  const resume = async () => {
    await host.start();
    await until('the homeserver to answer', answers, { seconds: 60, every: 100 });
  };
  await resume();
  return {
    url,
    serverName,
    async register(name, { admin = false } = {}) {
      const path = `${url}/_synapse/admin/v1/register`;
      const { nonce } = (await (await fetch(path)).json()) as { nonce: string };
      const password = randomBytes(12).toString('base64url');
      const signed = [nonce, name, password, admin ? 'admin' : 'notadmin'].join('\0');
      const mac = createHmac('sha1', secret).update(signed).digest('hex');
      const body = JSON.stringify({ nonce, username: name, password, admin, mac });
      const response = await fetch(path, { method: 'POST', body });
      if (!response.ok) throw new Error(`no account ${name}: ${await response.text()}`);
      return { user: `@${name}:${serverName}`, password };
    },
    halt: host.end,
    resume,
    endSessions(user, how) {
      const db = new DatabaseSync(join(dir, 'homeserver.db'));
      const end =
        how === 'ended' ? 'DELETE FROM access_tokens' : 'UPDATE access_tokens SET valid_until_ms = 1';
      db.prepare(`${end} WHERE user_id = ?`).run(user);
      db.close();
    },
    async stop() {
      await host.end().catch(() => {});
      await host.clean();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
