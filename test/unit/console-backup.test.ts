/** Backups by the clock, and what is remembered of backups and drills. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import type Docker from 'dockerode';
import { encrypterFor } from '../../console/backup/age.ts';
import { made } from '../../console/backup/archive.ts';
import { foundIn } from '../../console/backup/drill.ts';
import { backupKept } from '../../console/backup/kept.ts';
import { keepLast, lastOf } from '../../console/backup/remembered.ts';
import { others } from '../../console/care/uninstall.ts';
import { Fault } from '../../console/fault.ts';
import type { Instance } from '../../console/instance/instance.ts';
import { makeReport, silent } from '../../console/report.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kept-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const instance = (keep: number): Instance =>
  ({
    settings: { backup: { folder, to: 'age1x', keep } },
    state: { project: 'pocketcoder-0123abcd', homeserver: { macaroon: 'ours' } },
  }) as unknown as Instance;
const own = `pocketcoder-0123abcd-${createHash('sha256').update('ours').digest('hex').slice(0, 8)}`;
const write = async (_: Instance, __: unknown, file: string) => writeFileSync(file, '');
const lay = (...names: string[]) => {
  for (const name of names) writeFileSync(join(folder, name), '');
};

test('the newest of this instance are kept, and nothing of another one, of the same project too', async () => {
  const days = ['01', '02', '03'].map((day) => `${own}-2026-01-${day}T00-00-00.age`);
  const others = [
    'pocketcoder-0123abcd-2026-01-01T00-00-00.age',
    'pocketcoder-0123abcd-00000000-2026-01-01T00-00-00.age',
    'pocketcoder-0123abcd-00000000-2026-01-01T00-00-00.age.part',
    `${own}-mine.age`,
  ];
  const left = `${own}-2026-01-01T12-00-00.age.part`;
  const writing = `${own}-2999-01-01T00-00-00.age.part`;
  lay(...days, ...others, left, writing);
  await backupKept(instance(2), silent, undefined, write);
  const [made = '', ...more] = readdirSync(folder).filter(
    (name) => ![days[2], ...others, writing].includes(name),
  );
  assert.deepEqual([more, made.startsWith(`${own}-2`)], [[], true]);
  assert.equal(readdirSync(folder).length, 7);
});

test('the one that was just made stays, whatever the clock says', async () => {
  for (const keep of [1, 2]) {
    const later = [`${own}-2998-01-01T00-00-00.age`, `${own}-2999-01-01T00-00-00.age`];
    lay(...later);
    let made = '';
    await backupKept(instance(keep), silent, undefined, async (_, __, file) => {
      writeFileSync(file, '');
      made = file;
    });
    const there = readdirSync(folder).map((name) => join(folder, name));
    assert.deepEqual([there.length, there.includes(made)], [keep, true], String(keep));
    for (const path of there) rmSync(path);
  }
});

test('a backup whose services do not come up again is there, so the oldest go; without a file none does', async () => {
  const old = `${own}-2026-01-01T00-00-00.age`;
  lay(old);
  const fails = async () => assert.fail('no room');
  await assert.rejects(backupKept(instance(1), silent, undefined, fails), /no room/);
  assert.deepEqual(readdirSync(folder), [old]);
  const late = async (...[a, b, file]: Parameters<typeof write>) => {
    await write(a, b, file);
    assert.fail('the ledger did not come up');
  };
  await assert.rejects(backupKept(instance(1), silent, undefined, late), /did not come up/);
  const there = readdirSync(folder);
  assert.deepEqual([there.length, there.includes(old)], [1, false]);
});

test('a recipient that is none is named by where it was given', async () => {
  const make = async (
    ...[, report, , to, setting]: Parameters<NonNullable<Parameters<typeof backupKept>[3]>>
  ) => void (await encrypterFor(to, report, setting));
  const is = (words: RegExp) => (error: unknown) => error instanceof Fault && words.test(error.message);
  await assert.rejects(
    backupKept(instance(1), silent, undefined, make),
    is(/^backup\.to in pocketcoder\.yaml takes an age recipient/),
  );
  for (const to of ['age1y', ''])
    await assert.rejects(backupKept(instance(1), silent, to, make), is(/^--to takes an age recipient/));
});

test('what is remembered comes back; what is damaged, empty or something else is as if there was none', () => {
  const last = { at: '2026-01-01T00:00:00.000Z', file: '/b/1.age', why: 'it is cut off' };
  assert.equal(lastOf(folder, 'drill'), undefined);
  keepLast(folder, 'drill', last, silent);
  assert.deepEqual(lastOf(folder, 'drill'), last);
  assert.equal(statSync(join(folder, 'last-drill.json')).mode & 0o777, 0o600);
  const at = JSON.stringify(last.at);
  for (const text of [
    '',
    '{"at":"2026',
    'null',
    '[]',
    '7',
    `{"at":${at}}`,
    '{"at":"x","file":"/b"}',
    `{"at":${at},"file":1}`,
  ]) {
    writeFileSync(join(folder, 'last-drill.json'), text);
    assert.equal(lastOf(folder, 'drill'), undefined, text);
  }
});

test('what cannot be remembered is said, and undoes nothing', () => {
  mkdirSync(join(folder, 'last-backup.json'));
  const lines: string[] = [];
  const report = makeReport(false, (line) => lines.push(line));
  keepLast(folder, 'backup', { at: '2026-01-01T00:00:00.000Z', file: '/b/1.age' }, report);
  assert.match(lines.join(), /doctor will not know of this backup: \S/);
});

test('what looks at a restored backup and breaks off has its last words told, all of them seen', () => {
  const said = { entries: 1, head: 'x' };
  assert.deepEqual(foundIn(JSON.stringify(said)) as object, said);
  const fault = (output: string): Fault => {
    try {
      foundIn(output);
    } catch (error) {
      return error instanceof Fault ? error : assert.fail(String(error));
    }
    return assert.fail('it was taken');
  };
  assert.match(
    fault('{"wrong":"it is damaged"}').message,
    /^What was restored is not whole: it is damaged\.$/,
  );
  const { exit, message } = fault(`{"files":${'x'.repeat(700)}\r\n\x1b[2JSegmentation fault`);
  assert.equal(exit, 'failed');
  assert.match(message, /broke off\. It says:\nx+\n\\u\{1B\}\[2JSegmentation fault$/);
  assert.ok(message.length < 700);
  assert.match(fault('').message, /It says:\nnothing$/);
});

test('what a drill has in the state directory is no part of a backup', () => {
  for (const [name, is] of [
    ['drill/secrets.json', true],
    ['drill/agents/one.md', true],
    ['agents/drill/one.md', false],
    ['drill.md', false],
  ] as const)
    assert.equal(made.test(name), is, name);
});

test('what a drill left is no other instance that images are kept for', async () => {
  const engine = (...projects: string[]) =>
    ({
      listVolumes: async () => ({
        Volumes: projects.map((name) => ({ Labels: { 'com.docker.compose.project': name } })),
      }),
    }) as unknown as Docker;
  assert.equal(await others(engine('pocketcoder-drill-0123abcd', 'mine')), false);
  assert.equal(await others(engine('pocketcoder-drill-0123abcd', 'pocketcoder-0123abcd')), true);
});
