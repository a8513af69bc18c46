/** The bot's own memory: a transaction is whole or nothing, over a crash too, and a card comes back as it was kept. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { cardStore } from '../../bot/src/approval/store.ts';
import { openDatabase, takeTables, writeWhole } from '../../bot/src/database.ts';
import { openSeen } from '../../bot/src/proof/seen.ts';
import { pollAnswers } from '../../bot/src/show/card.ts';
import type { RoomId } from '../../bot/src/types.ts';
import { cardOf } from '../adversary/small/answers.ts';

const rows = (db: ReturnType<typeof openDatabase>) =>
  db
    .prepare('SELECT n FROM t')
    .all()
    .map(({ n }) => n);

test('a transaction that fails leaves nothing, and one inside of it goes with it', () => {
  const db = openDatabase(':memory:');
  db.exec('CREATE TABLE t(n INTEGER PRIMARY KEY)');
  const add = (n: number) => db.prepare('INSERT INTO t VALUES(?)').run(n).changes;
  assert.equal(
    db.transaction(() => add(1)),
    1,
  );
  const broken = () =>
    db.transaction(() => {
      db.transaction(() => add(2));
      throw new Error('broken');
    });
  assert.throws(broken, /broken/);
  assert.throws(() => db.transaction(() => add(2) && add(1)), /UNIQUE/);
  assert.deepEqual(rows(db), [1]);
  db.transaction(() => add(3));
  assert.deepEqual(rows(db), [1, 3]);
});

test('of a process that is killed in a transaction nothing is kept but what was committed before', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'database-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const file = join(dir, 'bot.sqlite');
  const module = new URL('../../bot/src/database.ts', import.meta.url).href;
  const script = `
    const { openDatabase } = await import(${JSON.stringify(module)});
    const db = openDatabase(${JSON.stringify(file)});
    db.exec('CREATE TABLE t(n INTEGER PRIMARY KEY)');
    db.transaction(() => db.prepare('INSERT INTO t VALUES(1)').run());
    db.transaction(() => {
      db.prepare('INSERT INTO t VALUES(2)').run();
      process.kill(process.pid, 'SIGKILL');
      for (;;);
    });`;
  const { signal } = spawnSync(process.execPath, ['--input-type=module', '--eval', script]);
  assert.equal(signal, 'SIGKILL');
  assert.deepEqual(rows(openDatabase(file)), [1]);
});

test('tables of an earlier release come over as they were, also where that was cut off; what came since stands', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'database-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const from = join(dir, 'bot.sqlite');
  const old = openDatabase(from);
  const before = cardStore(old, pollAnswers);
  const [one, two] = [cardOf('!r:x' as RoomId, 1, { event: '$one' }), cardOf('!r:x' as RoomId, 2)];
  for (const card of [one, two]) before.add(card);
  openSeen(old).latch('!r:x' as RoomId);
  old.exec('CREATE TABLE t(n INTEGER PRIMARY KEY)');
  const names = ['card', 'issued', 'encrypted', 'expected', 'seen'];
  const copies = [1, 2].map((n) => join(dir, `${n}.sqlite`));
  for (const copy of copies) old.exec(`VACUUM INTO '${copy}'`);
  old.close();

  const file = join(dir, 'deciding.sqlite');
  const take = (what: readonly string[], source: string) => {
    const db = openDatabase(file);
    takeTables(db, source, what);
    return db;
  };
  take(['issued'], from).close(); // as far as it came
  const db = take(names, from);
  const cards = cardStore(db, pollAnswers);
  assert.deepEqual([cards.get(one.action), cards.byEvent('$one'), cards.get(two.action)], [one, one, two]);
  assert.equal(cards.issued(one.key)?.action, one.action);
  assert.ok(openSeen(db).latched('!r:x' as RoomId));
  const bytes = ['', '-wal'].map((end) => (existsSync(from + end) ? readFileSync(from + end, 'latin1') : ''));
  const secret = one.nonce;
  assert.ok(readFileSync(`${file}-wal`, 'latin1').includes(secret), 'the twin: it is here now');
  assert.ok(!bytes.join('').includes(secret), 'and in no free page there');
  const left = openDatabase(from).prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all();
  assert.deepEqual(
    left.map(({ name }) => name),
    ['t'],
    'nothing of it is left there',
  );
  cards.set(one.action, { open: false });
  db.close();
  const again = cardStore(take(names, copies[0] ?? ''), pollAnswers);
  assert.equal(again.get(one.action)?.open, false, 'what was taken over already is not set back');
});

test('a card comes back as it was kept, by all that it is looked up by', () => {
  const cards = cardStore(openDatabase(':memory:'), pollAnswers);
  const card = cardOf('!r:x' as RoomId, 1, { event: '$one', poll: '$poll', approval: '' });
  cards.add(card);
  cards.add(cardOf('!r:x' as RoomId, 2));
  assert.deepEqual(cards.get(card.action), card);
  for (const event of ['$one', '$poll']) assert.deepEqual(cards.byEvent(event), card);
  assert.equal(cards.byApproval(''), undefined);
  const change = { open: false, ended: true, chips: '', approval: '$yes' };
  cards.set(card.action, change);
  const now = { ...card, ...change };
  assert.deepEqual([cards.byApproval('$yes'), cards.byNumber(card.number)], [now, now]);
  assert.deepEqual(
    [cards.open(), cards.unended()].map((some) => some.map(({ number }) => number)),
    [[2], [2]],
  );
});

test('a number that comes again is the new card’s, of a ledger that was taken as it was: the old one’s message is none', () => {
  const cards = cardStore(openDatabase(':memory:'), pollAnswers);
  cards.add(cardOf('!r:x' as RoomId, 1, { event: '$old' }));
  const card = { ...cardOf('!r:x' as RoomId, 2, { event: '$new' }), number: 1 };
  cards.add(card);
  assert.deepEqual(
    [cards.byNumber(1), cards.byEvent('$new'), cards.byEvent('$old')],
    [card, card, undefined],
  );
});

test('a secret is never issued twice: a card that would is not kept at all', () => {
  const cards = cardStore(openDatabase(':memory:'), pollAnswers);
  const card = cardOf('!r:x' as RoomId, 1);
  cards.add(card);
  const twin = cardOf('!r:x' as RoomId, 2, { code: card.code });
  assert.throws(() => cards.add(twin), /UNIQUE/);
  assert.equal(cards.get(twin.action), undefined);
  assert.equal(cards.issued(twin.key), undefined);
  assert.equal(cards.issued(card.code)?.action, card.action);
});

test('a file that there is no room for stays as it was; the twin, for which there is, is whole and its user’s alone', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'whole-'));
  t.after(() => rmSync(dir, { recursive: true }));
  const file = join(dir, 'state.json');
  writeWhole(file, 'before');
  const code = `(await import('${join(import.meta.dirname, '../../bot/src/database.ts')}')).writeWhole('${file}', 'x'.repeat(9000))`;
  const run = (before: string) => {
    const script = `trap '' XFSZ; ${before} exec "$0" --input-type=module -e "$1"`;
    return spawnSync('sh', ['-c', script, process.execPath, code], { encoding: 'utf8' });
  };
  assert.match(run('ulimit -f 4;').stderr, /EFBIG/);
  assert.equal(readFileSync(file, 'utf8'), 'before');
  assert.equal(run('').status, 0);
  assert.deepEqual([statSync(file).size, statSync(file).mode & 0o777], [9000, 0o600]);
});
