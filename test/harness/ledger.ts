/** A throwaway ledger from its real image, on a free loopback port, with its data in a volume of its own. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { ensureImage } from '../../console/engine/images.ts';
import { connectLedger, type Identity, type Ledger } from '../../ledger/src/client.ts';
import type { Entry } from '../../ledger/src/entry.ts';
import { until } from './wait.ts';

const run = promisify(execFile);
const docker = 'docker';
const columns = [
  'id',
  'seq',
  'prev',
  'at',
  'author',
  'kind',
  'action',
  'body',
  'hash',
  'transcript',
] as const;

export type TestLedger = {
  url: string;
  /** Name of the container, for what has to be done inside it. */
  container: string;
  passwords: Record<Identity, string>;
  connect(identity: Identity): Promise<Ledger>;
  /** SIGKILL, as a crash would. */
  kill(): Promise<void>;
  /** Starts it again on the same port and data, and waits until it answers. */
  restart(): Promise<void>;
  /** Runs a program in the container: `/ledger/ledger superuser upsert …`. */
  inside(...command: string[]): Promise<{ stdout: string; stderr: string }>;
  /** Copies a file of the stopped or running container out, or in. Paths as `docker cp` takes them, `:` for inside. */
  copy(from: string, to: string): Promise<void>;
  /**
   * Starts it again with these entries after its own, put into its file past its hook.
   * @param after with them in place of all after that number
   */
  put(entries: Iterable<Entry>, after?: number): Promise<void>;
  /** Removes container and data. */
  stop(): Promise<void>;
};

/** A port of loopback that nobody has at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (!address || typeof address === 'string') throw new Error('no free port');
  return address.port;
}

/** Starts a ledger of this checkout; the caller stops it. */
export async function startLedger(): Promise<TestLedger> {
  const image = await ensureImage('ledger');
  const name = `ledger-test-${randomBytes(6).toString('hex')}`;
  const folder = await mkdtemp(join(tmpdir(), `${name}-`));
  await chmod(folder, 0o755); // the container's user is another one
  const password = () => randomBytes(16).toString('hex');
  const passwords = { bot: password(), executor: password(), operator: password(), auditor: password() };
  await writeFile(join(folder, 'ledger.json'), JSON.stringify(passwords), { mode: 0o644 });
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const stop = async () => {
    await run(docker, ['rm', '-f', name]).catch(() => {});
    await run(docker, ['volume', 'rm', '-f', name]).catch(() => {});
    await rm(folder, { recursive: true, force: true });
  };
  const answers = () =>
    until('the ledger answers', async () => {
      const response = await fetch(`${url}/api/health`, { signal: AbortSignal.timeout(1000) });
      return response.ok;
    });
  try {
    await run(docker, [
      ...['run', '-d', '--name', name, '-p', `127.0.0.1:${port}:8090`],
      ...['--cap-drop', 'ALL', '--security-opt', 'no-new-privileges', '--read-only', '--tmpfs', '/tmp'],
      ...['-e', 'LEDGER_IDENTITIES=/run/pocketcoder/ledger.json', '-v', `${folder}:/run/pocketcoder:ro`],
      ...['-v', `${name}:/data`, image],
    ]);
    await answers();
  } catch (error) {
    const logs = await run(docker, ['logs', name]).catch(() => ({ stdout: '', stderr: '' }));
    await stop();
    throw new Error(`the ledger did not start: ${String(error)}\n${logs.stdout}${logs.stderr}`);
  }
  const kill = () => run(docker, ['kill', '-s', 'KILL', name]);
  const restart = async () => {
    await run(docker, ['start', name]);
    await answers();
  };
  return {
    url,
    container: name,
    passwords,
    connect: (identity) => connectLedger({ url, identity, password: passwords[identity] }),
    async kill() {
      await kill();
    },
    restart,
    async put(entries, after = Number.MAX_SAFE_INTEGER) {
      await kill();
      await run(docker, ['cp', `${name}:/data`, folder]);
      const file = join(folder, 'data', 'data.db');
      const db = new DatabaseSync(file);
      const triggers = db.prepare("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").all();
      const insert = db.prepare(`INSERT INTO entries (${columns}) VALUES (${columns.map(() => '?')})`);
      db.exec('BEGIN');
      for (const trigger of triggers) db.exec(`DROP TRIGGER ${trigger['name']}`);
      db.prepare('DELETE FROM entries WHERE seq > ?').run(after);
      for (const entry of entries) insert.run(...columns.map((column) => entry[column]));
      for (const trigger of triggers) db.exec(String(trigger['sql']));
      db.exec('COMMIT');
      db.close();
      await run(docker, ['cp', file, `${name}:/data/data.db`]);
      // What was in the log of the file before is in the file now.
      const tidy = 'rm -f /data/data.db-wal /data/data.db-shm && chown 10001:10001 /data/data.db';
      const volume = ['-v', `${name}:/data`, '--entrypoint', 'sh', image];
      await run(docker, ['run', '--rm', '--user', '0', ...volume, '-c', tidy]);
      await rm(join(folder, 'data'), { recursive: true });
      await restart();
    },
    inside: (...command) => run(docker, ['exec', name, ...command]),
    async copy(from, to) {
      const path = (p: string) => (p.startsWith(':') ? `${name}${p}` : p);
      await run(docker, ['cp', path(from), path(to)]);
    },
    stop,
  };
}
