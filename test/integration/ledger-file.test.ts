/** What holds when somebody has the ledger's file itself, and what the ledger does with a file it must not open. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import type { Entry } from '../../ledger/src/client.ts';
import { startLedger } from '../harness/ledger.ts';
import { verifyChain } from '../harness/ledger-chain.ts';
import { until } from '../harness/wait.ts';

const docker = process.env['DOCKER'] ?? '/usr/bin/docker';

test('attack-40 the triggers refuse update, delete and replace; who drops them is found by the chain', async (t) => {
  const ledger = await startLedger();
  const folder = await mkdtemp(join(tmpdir(), 'ledger-file-'));
  t.after(() => Promise.all([ledger.stop(), rm(folder, { recursive: true })]));
  const bot = await ledger.connect('bot');
  for (let i = 0; i < 3; i++) await bot.append({ kind: 'alarm', body: { reason: String(i) } });
  await ledger.kill();
  await ledger.copy(':/data', folder);
  const db = new DatabaseSync(join(folder, 'data', 'data.db'));
  t.after(() => db.close());
  const rows = () => db.prepare('SELECT * FROM entries ORDER BY seq').all() as unknown as Entry[];
  const before = rows();
  assert.equal(before.length, 3);
  const columns = 'id, seq, prev, at, author, kind, action, body, hash, transcript';
  for (const sql of [
    "UPDATE entries SET body = '{}' WHERE seq = 2",
    'DELETE FROM entries WHERE seq = 3',
    'DELETE FROM entries',
    `INSERT OR REPLACE INTO entries (${columns}) SELECT id, seq, prev, at, author, 'frozen', action, body, hash, transcript FROM entries WHERE seq = 2`,
    `REPLACE INTO entries (${columns}) SELECT id, 4, hash, at, author, kind, action, body, 'x', transcript FROM entries WHERE seq = 3`,
    `INSERT INTO entries (${columns}) SELECT 'abcdefghijklmno', 9, hash, at, author, kind, action, body, 'x', transcript FROM entries WHERE seq = 3`,
    `INSERT INTO entries (${columns}) SELECT 'abcdefghijklmno', 4, 'wrong', at, author, kind, action, body, 'x', transcript FROM entries WHERE seq = 3`,
  ])
    assert.throws(() => db.exec(sql), /append-only/, sql);
  assert.deepEqual(rows(), before);
  assert.ok('size' in verifyChain(before));
  db.exec("DROP TRIGGER entries_no_update; UPDATE entries SET body = '{}' WHERE seq = 2");
  const verdict = verifyChain(rows());
  assert.equal('broken' in verdict && verdict.broken.seq, 2);
});

test('data of a newer version stops the ledger with exit code 78, and is whole afterwards', async (t) => {
  const ledger = await startLedger();
  const folder = await mkdtemp(join(tmpdir(), 'ledger-newer-'));
  t.after(() => Promise.all([ledger.stop(), rm(folder, { recursive: true })]));
  const bot = await ledger.connect('bot');
  await bot.append({ kind: 'alarm', body: { reason: 'x' } });
  await ledger.kill();
  await writeFile(join(folder, 'schema'), '99\n', { mode: 0o644 });
  await ledger.copy(join(folder, 'schema'), ':/data/schema');
  execFileSync(docker, ['start', ledger.container]);
  const inspect = (format: string) =>
    execFileSync(docker, ['inspect', '-f', format, ledger.container], { encoding: 'utf8' }).trim();
  await until('it gave up', () => inspect('{{.State.Running}}') === 'false');
  assert.equal(inspect('{{.State.ExitCode}}'), '78');
  await writeFile(join(folder, 'schema'), '1\n', { mode: 0o644 });
  await ledger.copy(join(folder, 'schema'), ':/data/schema');
  await ledger.restart();
  assert.equal((await bot.since(0)).length, 1);
});
