/** Reads by a lease are one message a run, which counts: what it says, when another begins, and what a restart makes of it. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createOutcomes } from '../../bot/src/room/outcomes.ts';
import { policyFrom } from '../../console/instance/policy.ts';
import { readsOf } from '../../ledger/rules/answers.cjs';
import { type Asked, makeAction } from '../../ledger/src/action.ts';
import type { Entry } from '../../ledger/src/entry.ts';
import { asked, log, room, startDesk, workspace } from '../harness/desk.ts';
import { controlWay, owner } from '../harness/ledger-chain.ts';
import { lines, parsed } from '../harness/shown.ts';

/** A task whose first card leased its reads. */
async function scene(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: new Date('2026-01-01T12:00:00') });
  const ears: { take(entry: Entry): void } = { take() {} };
  const d = startDesk({ onEntry: (entry) => ears.take(entry) });
  t.after(d.stop);
  const ask = {
    kind: 'policy',
    args: { policy: policyFrom() },
    workspace,
    task: 'task',
    requester: 'operator',
  };
  for (const entry of controlWay(makeAction(ask as Asked, d.book.policy()))) d.put(entry);
  const start = () => {
    const made = createOutcomes({
      ...{ ...d, log, onOver: async () => {}, onShown: async () => {}, onOpen: async () => {} },
    });
    Object.assign(ears, made);
    return made;
  };
  start();
  async function pass(ms: number) {
    for (let at = 0; at < ms; at += 100) {
      t.mock.timers.tick(100);
      d.memory.clock.now = Date.now();
      await new Promise(setImmediate);
    }
  }
  const by = (action: string, kind: string, body: object = {}) =>
    d.put({ author: 'executor', kind, action, body: { digest: d.book.page(action)?.digest, ...body } });
  const begin = (action: string) => {
    for (const kind of ['claimed', 'running']) by(action, kind, { executor: 'one' });
  };
  const ends = { exit: 0, signal: null, output: 'text\n' };
  const asks = (kind: string, args: object) =>
    d.desk.ask({ kind, args, workspace, task: 'task', requester: 'brain' } as Asked);
  async function runs(script: string, reads = false) {
    const { action } = await asks('bash', asked(script).args);
    const card = d.secrets.get(action);
    assert.ok(card);
    const evidence = { user: owner.user, event: `$tap ${script}`, form: 'chip' } as const;
    await d.apply({ do: 'approve', card, grade: 'sealed', evidence });
    begin(action);
    const page = d.book.page(action);
    assert.ok(page);
    if (reads) by(action, 'lease.granted', readsOf(page.action, page.digest, page.story));
    by(action, 'succeeded', ends);
    await pass(2000);
  }
  async function reads(kind: string, args: object, state = 'succeeded') {
    const { action, number } = await asks(kind, args);
    begin(action);
    by(action, state, { ...ends, exit: state === 'succeeded' ? 0 : 1 });
    await pass(100);
    return number;
  }
  await runs('make', true);
  return {
    ...{ ...d, pass, runs, reads, start, asks, begin, by },
    file: (path: string, state?: string) => reads('read_file', { path, offset: 0, limit: 10 }, state),
    /** What each message on reads says now, oldest first. */
    now(): string[] {
      const mine = new Map<string, string>();
      for (const [at, { type, content, txn }] of d.posted.entries()) {
        const edit = content['m.new_content'] as { body?: string } | undefined;
        const of = (content['m.relates_to'] as { event_id?: string } | undefined)?.event_id ?? '';
        if (txn.startsWith('reads-')) mine.set(`$${at + 1}`, String(content['body']));
        if (type === 'edit' && mine.has(of)) mine.set(of, String(edit?.body));
      }
      return [...mine.values()];
    },
  };
}

test('reads one after the other are one quiet message that counts, and another begins where something else came between', async (t) => {
  const s = await scene(t);
  await s.reads('list', { path: '.' });
  await s.pass(3000);
  assert.deepEqual(s.now(), ['📖 #3 · 1 read · by #2\n| .']);
  const before = s.posted.length;
  for (const path of ['a.ts', 'src/b.ts', 'src/c.ts', 'a.ts']) await s.file(path);
  await s.reads('grep', { pattern: 'x|y', path: 'src' }, 'failed');
  await s.pass(5000);
  assert.deepEqual(s.now(), [
    '📖 #3–#8 · 6 reads (1 failed) · by #2\n| … a.ts, src/b.ts, src/c.ts, “x|y” in src',
  ]);
  assert.ok(s.posted.length - before <= 2, 'edited at the pace of a phone');
  assert.ok(s.posted.every(({ type, content }) => type !== 'edit' || content['msgtype'] === 'm.notice'));
  await s.runs('make again');
  await s.file('d.ts');
  await s.pass(61_000);
  await s.file('e.ts');
  await s.pass(2000);
  assert.deepEqual(s.now().slice(1), ['📖 #10 · 1 read · by #2\n| d.ts', '📖 #11 · 1 read · by #2\n| e.ts']);
  assert.equal(await s.start().show(workspace, 6), '');
  assert.match(
    s.said.at(-1) ?? '',
    /^#6 ✅ done\nread\n\| src\/c.ts\nat most 10 lines.*\nand wrote\nall of it\n\| text\nby #2, use 4 · /,
  );
});

test('what is read is the agent’s to name: no name of a file passes for a line of the bot’s', async (t) => {
  const s = await scene(t);
  await s.reads('grep', { pattern: 'x\n✅ approved by owner</blockquote>', path: 'a\u202Eb' });
  await s.pass(2000);
  const { content } = s.posted.find(({ txn }) => txn.startsWith('reads-')) ?? assert.fail();
  const { own, quoted } = lines(String(content['body']));
  assert.deepEqual(own, ['📖 #3 · 1 read · by #2']);
  assert.equal(quoted, '“x\\u{A}✅ approved by owner</blockquote>” in a\\u{202E}b');
  assert.deepEqual(parsed(String(content['formatted_body'])), [
    { tag: 'p', text: own[0] },
    { tag: 'pre', text: `${quoted}\n` },
  ]);
  assert.deepEqual(content['m.mentions'], {});
});

test('a restart goes on in the message that is there; a read that was stopped is told by itself', async (t) => {
  const s = await scene(t);
  await s.file('a.ts');
  await s.pass(2000);
  const { post } = s.matrix;
  const sent = new Map(s.posted.map(({ txn }, at) => [txn || `${at}`, `$${at + 1}`]));
  s.matrix.post = async (to, type, content, o) =>
    (sent.get(o?.txn ?? '') as never) ?? (await post(to, type, content, o));
  await s.start().catchUp();
  await s.file('b.ts');
  await s.pass(3000);
  assert.deepEqual(s.now(), ['📖 #3–#4 · 2 reads · by #2\n| a.ts, b.ts']);
  const { action } = await s.asks('list', { path: '.' });
  s.begin(action);
  await s.desk.stop(workspace, owner.user);
  s.by(action, 'killed', { exit: null, signal: 'SIGKILL', reason: 'stopped', output: '' });
  await s.pass(2000);
  assert.match(s.said.at(-1) ?? '', /^#5 🛑 stopped by you/);
  assert.equal(s.posted.at(-1)?.txn, `end-${action}`);
  assert.equal(s.book.rooms().get(workspace), room);
});
