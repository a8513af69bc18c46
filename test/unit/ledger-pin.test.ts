/** What is kept of a ledger outside of it, and what a follower makes of one that lacks it; the ledger is a list here. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { auditLedger } from '../../ledger/audit/audit.ts';
import { hashed } from '../../ledger/rules/judge.cjs';
import { sha256 } from '../../ledger/src/action.ts';
import type { Append, Entry, Ledger } from '../../ledger/src/client.ts';
import { LedgerError, TurnedBack } from '../../ledger/src/errors.ts';
import { type Follow, follow } from '../../ledger/src/follow.ts';
import { openPin } from '../../ledger/src/pin.ts';
import { pinned } from '../../ledger/src/pinned.ts';
import type { Session } from '../../ledger/src/session.ts';
import { until } from '../harness/wait.ts';

/** So many entries, chained after others; the text makes chains that differ. */
function chained(count: number, text: string, after: readonly Entry[] = []): Entry[] {
  const all = [...after];
  for (let n = 0; n < count; n++) {
    const [seq, prev] = [all.length + 1, all.at(-1)?.hash ?? ''];
    const body = JSON.stringify({ reason: `${text} ${seq}` });
    const entry = { id: `${text}${seq}`, seq, prev, at: '2026-11-01T12:00:00.000Z', author: 'bot', body };
    const whole = { ...entry, kind: 'alarm', action: '', transcript: '', hash: '' };
    all.push({ ...whole, hash: sha256(hashed(whole)) });
  }
  return all;
}
function fileOf(t: TestContext, text = ''): string {
  const dir = mkdtempSync(join(tmpdir(), 'pin-'));
  t.after(() => rmSync(dir, { recursive: true }));
  const file = join(dir, 'ledger.pin');
  if (text) writeFileSync(file, text);
  return file;
}
const seen = (file: string) => {
  const text = readFileSync(file, 'utf8');
  return text === '' ? 0 : (JSON.parse(text) as { seq: number }).seq;
};

/** A follower with this file of a ledger that holds what `entries` holds, and adds what is appended. */
function scene(t: TestContext, file: string, entries: Entry[], { onEntry }: Partial<Follow> = {}) {
  const s = { entries, away: false, seen: [] as number[], states: [] as string[], pulls: 0 };
  const session = {
    pb: {
      collection: () => ({ subscribe: async () => {}, unsubscribe: async () => {} }),
      realtime: { subscribe: async () => async () => {} },
    },
    once: (work: () => Promise<unknown>) => work(),
  } as unknown as Session;
  const pull = async (after: number) => {
    s.pulls++;
    if (s.away) throw new LedgerError('unreachable', 0, 'away');
    return s.entries.slice(after, after + 3);
  };
  const plain = {
    follow: (options: Follow) => follow(session, pull, options),
    async append({ kind, id = '' }: Append) {
      const [entry] = chained(1, id, s.entries).slice(-1);
      const written = { ...(entry as Entry), kind };
      written.hash = sha256(hashed(written));
      s.entries = [...s.entries, written];
      return written;
    },
  } as unknown as Ledger;
  const ledger = pinned(plain, openPin(file));
  const following = ledger.follow({
    onEntry(entry) {
      s.seen.push(entry.seq);
      return onEntry?.(entry);
    },
    onState: (state) => s.states.push(state),
  });
  t.after(following.stop);
  const turned = () => until('it is noticed', () => s.states.at(-1) === 'turned back');
  return { s, ledger, following, turned };
}

test('a pin goes forth alone, is written within a second, and at once where it is asked for', async (t) => {
  const file = fileOf(t);
  const [a, b, c] = chained(3, 'a') as [Entry, Entry, Entry];
  const pin = openPin(file);
  assert.deepEqual(pin.last(), { seq: 0, hash: '' });
  pin.see(b);
  pin.see(a);
  assert.equal(seen(file), 0);
  await until('it is kept', () => seen(file) === 2, { seconds: 5 });
  pin.see(c);
  pin.keep();
  assert.deepEqual(openPin(file).last(), { seq: 3, hash: c.hash });
  const { size } = statSync(file);
  const [more] = chained(10, 'a').slice(-1);
  pin.see(more as Entry);
  pin.keep();
  assert.equal(statSync(file).size, size, 'its size is written apart from what it holds');
});

test('a file that says nothing of the kind is refused, with what to do; an empty one says that nothing was seen', (t) => {
  for (const text of ['{', '{"seq":"1","hash":""}', 'null', '[]'])
    assert.throws(() => openPin(fileOf(t, text)), /nothing is read from it, decided or run.*repin/);
  assert.equal(openPin(fileOf(t)).last().seq, 0);
});

test('attack-41 a ledger without its last entries is not gone by, and delivers nothing', async (t) => {
  const all = chained(10, 'a');
  const file = fileOf(t, JSON.stringify({ seq: 10, hash: all[9]?.hash }));
  const { s, ledger, following, turned } = scene(t, file, all.slice(0, 3));
  await turned();
  await assert.rejects(ledger.append({ kind: 'claimed', body: {} }), TurnedBack);
  assert.deepEqual([s.seen, s.entries.length, seen(file)], [[], 3, 10]);
  s.entries = all;
  await following.ready;
  assert.deepEqual(s.seen, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  assert.equal((await ledger.append({ kind: 'claimed', body: {} })).seq, 11);
  assert.equal(seen(file), 11);
});

test('attack-41 a ledger that went another way is not gone by, however long it is', async (t) => {
  const all = chained(10, 'a');
  const file = fileOf(t, JSON.stringify({ seq: 10, hash: all[9]?.hash }));
  const { s, turned } = scene(t, file, chained(17, 'b', all.slice(0, 3)));
  await turned();
  assert.deepEqual([s.seen, seen(file)], [[], 10]);
});

test('attack-41 a ledger that shows the entry that was seen, and another chain, delivers none past it', async (t) => {
  const all = chained(10, 'a');
  const file = fileOf(t, JSON.stringify({ seq: 10, hash: all[9]?.hash }));
  const { s, turned } = scene(t, file, all);
  const fork = chained(14, 'b', all.slice(0, 3));
  let asked = 0;
  Object.defineProperty(s, 'entries', { get: () => (asked++ === 0 ? all : fork) });
  await turned();
  assert.equal(Math.max(...s.seen), 9);
  assert.equal(seen(file), 10);
});

test('attack-41 turned back while it is followed: noticed with nothing new in it, and gone on with once it is back', async (t) => {
  const all = chained(6, 'a');
  const file = fileOf(t);
  const { s, ledger, following, turned } = scene(t, file, all);
  await following.ready;
  s.entries = all.slice(0, 2);
  await turned();
  await assert.rejects(ledger.append({ kind: 'requested', body: {} }), TurnedBack);
  s.away = true;
  const [asked, said] = [s.pulls, s.states.length];
  await until('it is asked for again', () => s.pulls > asked + 1);
  assert.deepEqual(s.states.slice(said), [], 'that it is away besides changes nothing');
  s.away = false;
  s.entries = chained(1, 'a', all);
  await until('it goes on', () => s.seen.at(-1) === 7);
  assert.deepEqual(s.states, ['up', 'turned back', 'up']);
});

test('attack-41 a claim that another ledger answers counts for nothing and is not kept', async (t) => {
  const all = chained(6, 'a');
  const file = fileOf(t);
  const { s, ledger, following } = scene(t, file, all);
  await following.ready;
  for (const fork of [all.slice(0, 2), chained(4, 'b', all.slice(0, 2)), chained(9, 'b', all.slice(0, 2))]) {
    s.entries = fork;
    await assert.rejects(ledger.append({ kind: 'claimed', body: {} }), TurnedBack);
    s.entries = all;
    await until('it is well again', () => s.states.at(-1) === 'up');
  }
  await following.stop();
  assert.deepEqual([seen(file), Math.max(...s.seen)], [6, 6]);
});

test('attack-41 the twin: a claim and each answer are on the disk when their append returns, all else soon', async (t) => {
  const file = fileOf(t);
  const { ledger, following } = scene(t, file, []);
  await following.ready;
  assert.equal((await ledger.append({ kind: 'requested', body: {} })).seq, 1);
  assert.equal(seen(file), 0);
  for (const [i, kind] of ['approved', 'endorsed', 'denied', 'claimed'].entries()) {
    await ledger.append({ kind, body: {} });
    assert.equal(seen(file), i + 2, kind);
  }
});

test('what is recorded and could not be kept is asked again, for it stands; after its end nothing is waited for', async (t) => {
  const { following } = scene(t, fileOf(t), chained(2, 'a'));
  await following.ready;
  const full = {
    ...openPin(fileOf(t)),
    keep: () => {
      throw new Error('ENOSPC: no space left on device');
    },
  };
  const written = chained(3, 'a')[2] as Entry;
  const kept = pinned(
    {
      follow: () => ({ ...following, took: async () => {} }),
      append: async () => ({ ...written, kind: 'approved' }),
    } as unknown as Ledger,
    full,
  );
  kept.follow({ onEntry() {} });
  const unknown = (error: LedgerError) => error.code === 'unreachable' && !(error instanceof TurnedBack);
  await assert.rejects(kept.append({ kind: 'approved', body: {} }), unknown);
  await following.stop();
  await assert.rejects(following.took(written), unknown);
});

test('attack-41 an entry that was taken long ago is confirmed by the ledger, and another in its place is not', async (t) => {
  const all = chained(1005, 'a');
  const { s, following } = scene(t, fileOf(t), all);
  await following.ready;
  await following.took(all[0] as Entry);
  await assert.rejects(following.took(chained(1, 'b')[0] as Entry), TurnedBack);
  await Promise.all([following.took(all[1] as Entry), following.took(all[1] as Entry)]);
  assert.equal(s.states.at(-1), 'up');
});

test('the twin: a ledger that is away while a claim is waited for is waited for', async (t) => {
  const { s, ledger, following } = scene(t, fileOf(t), chained(2, 'a'));
  await following.ready;
  const others = chained(2, 'a', s.entries);
  s.entries = others; // two more that were not heard of, so that the claim has to be asked for
  const claim = ledger.append({ kind: 'claimed', body: {} });
  s.away = true;
  await until('it is missed', () => s.states.at(-1) === 'down');
  s.away = false;
  assert.equal((await claim).seq, 5);
  assert.deepEqual(s.seen, [1, 2, 3, 4, 5]);
});

test('what the chain broke at is not kept', async (t) => {
  const file = fileOf(t);
  const { following } = scene(t, file, chained(4, 'a'), { onEntry: ({ seq }) => seq < 3 });
  await following.ready;
  await following.stop();
  assert.equal(seen(file), 2);
});

test('attack-41 the audit names what bot and executor saw and the chain lacks', async () => {
  const all = chained(6, 'a');
  const pins = { bot: { seq: 0, hash: '' }, executor: { seq: 6, hash: all[5]?.hash ?? '' } };
  const found = (entries: Entry[]) =>
    auditLedger({ each: () => Readable.from(entries) } as unknown as Ledger, pins);
  assert.equal((await found(all)).ok, true);
  assert.equal((await found(chained(2, 'a', all))).ok, true);
  const cut = await found(all.slice(0, 2));
  assert.deepEqual([cut.ok, cut.off?.seq], [false, 6]);
  assert.match(cut.off?.why ?? '', /the executor saw it, but the chain ends at 2: the last 4 are missing/);
  const fork = await found(chained(5, 'b', all.slice(0, 2)));
  assert.match(fork.off?.why ?? '', /another one than the executor saw there/);
});
