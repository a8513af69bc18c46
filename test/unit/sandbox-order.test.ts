/** Which action comes after which snapshot, and that nothing writes while files are put back. No container starts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import pino from 'pino';
import { type Kind, sha256 } from '../../ledger/src/action.ts';
import { adopt } from '../../sandbox/src/adopt.ts';
import type { Request } from '../../sandbox/src/claim.ts';
import { makeSnapshots } from '../../sandbox/src/snapshots.ts';
import type { Context } from '../../sandbox/src/step.ts';
import type { Tasks } from '../../sandbox/src/tasks.ts';

function scene() {
  const asked: string[] = [];
  let answer = { exit: 0, text: '' };
  const tasks = {
    async keep(workspace: string, ...args: string[]) {
      asked.push(`${workspace} ${args.join(' ')}`);
      if (answer.exit < 0) throw new Error('no engine');
      return answer;
    },
  } as unknown as Tasks;
  let number = 0;
  const request = (kind: Kind, workspace = 'w', args: object = {}): Request =>
    ({ id: `a${++number}`, number, action: { kind, args, workspace, task: 't' } }) as unknown as Request;
  const say = (exit: number, text = '') => {
    answer = { exit, text };
  };
  return { ...makeSnapshots({ tasks, log: pino({ level: 'silent' }) }), asked, request, say };
}

test('a snapshot is made while the card waits, and the claim waits for none', async () => {
  const s = scene();
  const one = s.request('bash');
  await s.before(one);
  assert.deepEqual(s.asked.splice(0), ['w take 1']);
  assert.equal(await s.begin(one), '');
  assert.deepEqual(s.asked, []);
});

test('it is made again where another action wrote since, and not where one read, or wrote elsewhere', async () => {
  const s = scene();
  const [one, two] = [s.request('bash'), s.request('write_file')];
  const [read, elsewhere] = [s.request('grep'), s.request('bash', 'other')];
  await Promise.all([one, two].map(s.before));
  assert.deepEqual(s.asked.splice(0), ['w take 1', 'w take 2']);
  for (const done of [read, elsewhere]) {
    await s.begin(done);
    s.end(done);
  }
  assert.deepEqual(s.asked.splice(0), ['other take 4']);
  await s.begin(one);
  s.end(one);
  assert.deepEqual(s.asked.splice(0), []);
  await s.begin(two);
  assert.deepEqual(s.asked, ['w take 2']);
});

test('attack-57 an undo begins where nothing writes, or not at all; what writes begins after it, with a snapshot of what it left', async () => {
  const s = scene();
  const [runs, undo] = [s.request('bash'), s.request('undo')];
  await s.begin(runs);
  assert.match(await s.begin(undo), /another action runs in this workspace.*nothing was undone/);
  s.end(undo);
  s.end(runs);

  const [again, next, reads] = [s.request('undo'), s.request('edit_file'), s.request('list')];
  assert.equal(await s.begin(again), '');
  let begun = false;
  const begins = s.begin(next).then(() => {
    begun = true;
  });
  assert.equal(await s.begin(reads), '');
  await new Promise(setImmediate);
  assert.equal(begun, false);
  s.asked.splice(0);
  s.end(again);
  await begins;
  assert.deepEqual(s.asked, ['w take 4']);
});

test('attack-57 a pull, which writes into .git, and an undo wait for each other; the twin, a push, only reads and waits for neither', async () => {
  const s = scene();
  const [pull, undo, push] = [s.request('pull'), s.request('undo'), s.request('push')];
  await s.begin(pull);
  assert.match(await s.begin(undo), /another action runs in this workspace.*nothing was undone/);
  s.end(undo);
  s.end(pull);
  assert.equal(await s.begin(undo), '');
  let begun = false;
  const begins = s.begin(pull).then(() => {
    begun = true;
  });
  assert.equal(await s.begin(push), '');
  await new Promise(setImmediate);
  assert.equal(begun, false);
  s.end(undo);
  await begins;
});

test('beside a terminal each action that writes has a snapshot of its own beginning, and nothing is undone until it ends', async () => {
  const s = scene();
  const [stays, one, two, undo] = ['terminal_open', 'bash', 'bash', 'undo'].map((kind) =>
    s.request(kind as Kind),
  );
  for (const each of [stays, one, two]) await s.before(each as Request);
  await s.begin(stays as Request);
  s.asked.splice(0);
  await s.begin(one as Request);
  s.end(one as Request);
  await s.begin(two as Request);
  s.end(two as Request);
  assert.deepEqual(s.asked.splice(0), ['w take 2', 'w take 3']);
  assert.match(await s.begin(undo as Request), /another action runs in this workspace.*nothing was undone/);
  s.end(stays as Request);
  s.end(undo as Request);
  assert.equal(await s.begin(undo as Request), '');
});

test('what was claimed before a restart keeps an undo from beginning', async () => {
  const s = scene();
  const [runs, undo] = [s.request('bash'), s.request('undo')];
  s.goesOn(runs);
  assert.match(await s.begin(undo), /another action runs/);
  s.end(runs);
  assert.equal(await s.begin(undo), '');
});

test('without a snapshot the action runs all the same, and nobody is told of changes', async () => {
  for (const exit of [1, -1]) {
    const s = scene();
    s.say(exit, 'there is less than 1 GiB of the disk left\n');
    const one = s.request('bash');
    await s.before(one);
    assert.equal(await s.begin(one), '');
    assert.equal(await s.changes(one), undefined);
  }
});

test('changes are five numbers, of what writes alone', async () => {
  const s = scene();
  const [one, read] = [s.request('put_file'), s.request('diff')];
  await s.begin(one);
  await s.begin(read);
  s.say(0, '1 2 3 4 5\n');
  assert.deepEqual(await s.changes(one), { changed: 1, added: 2, removed: 3, plus: 4, minus: 5 });
  assert.equal(await s.changes(read), undefined);
});

test('an undo that ended on its way says what to do; one that was refused did nothing, and one that is done is', async () => {
  const s = scene();
  const asked = () => s.carryOut(s.request('undo', 'w', { number: 1, difference: 'd' }));
  const text = async () => {
    const outcome = await asked();
    assert.equal(outcome?.end, 'done');
    return outcome.end === 'done' ? String(outcome.output.bytes) : '';
  };
  const more = /Some of it may be done: say the same !undo again/;
  for (const [exit, words, partly] of [
    [0, 'changes: a\n', false],
    [1, 'nothing was undone\n', false],
    [2, 'cannot restore: no space\n', true],
    [137, '', true],
    [-1, 'not used', true],
  ] as const) {
    s.say(exit, words);
    assert.equal(more.test(await text()), partly, `exit ${exit}`);
  }
});

test('an undo that outlived its executor is told as one that may be half done, once it has ended', async () => {
  const wrote: { kind: string; body: { reason?: string } }[] = [];
  const order: string[] = [];
  const c = {
    tasks: {
      limits: {},
      async drop() {},
      async keep(tree: string, word: string) {
        order.push(`${tree} ${word}`);
        if (order.length === 1) throw new Error('no engine');
        return { exit: order.length === 2 ? -9 : 0, text: '' };
      },
    },
    book: { story: () => [{ kind: 'claimed', seq: 1, at: new Date().toISOString(), body: '{}' }] },
    async write(entry: (typeof wrote)[number]) {
      order.push('told');
      wrote.push(entry);
      return entry;
    },
    log: pino({ level: 'silent' }),
    signal: new AbortController().signal,
  } as unknown as Context;
  const request = scene().request('undo', 'w', { number: 1, difference: 'd' });
  await adopt(c, request, 0, async () => void order.push('ended'));
  assert.deepEqual(order, ['w wait', 'w wait', 'w wait', 'ended', 'told']);
  order.splice(0, 3);
  const task = 'apart-abcdefgh';
  await adopt(
    c,
    scene().request('merge', 'w', { number: 2, task, difference: 'd' }),
    0,
    async () => undefined,
  );
  assert.deepEqual(order.slice(2), [`${task}.w wait`, 'told']);
  assert.deepEqual(
    [wrote[0]?.kind, /may be done: say the same !undo again/.test(wrote[0]?.body.reason ?? '')],
    ['unknown', true],
  );
});

test('a call of a tool server that outlived its executor is told as unknown, and nothing is asked of any container', async () => {
  const wrote: { kind: string; body: { reason?: string } }[] = [];
  const c = {
    tasks: { limits: {} },
    book: { story: () => [{ kind: 'claimed', seq: 1, at: new Date().toISOString(), body: '{}' }] },
    write: async (entry: (typeof wrote)[number]) => wrote[wrote.push(entry) - 1],
    log: pino({ level: 'silent' }),
    signal: new AbortController().signal,
  } as unknown as Context;
  for (const kind of ['mcp', 'mcp_read', 'mcp_out', 'server_look', 'server_reach'] as const)
    await adopt(c, scene().request(kind, 'w', {}), 0, async () => assert.fail());
  assert.deepEqual(
    wrote.map(({ kind, body }) => [kind, body.reason]),
    Array(5).fill(['unknown', 'the executor was restarted meanwhile, which ended its tool server']),
  );
});

test('attack-65 a merge begins where nothing writes in either tree, with a snapshot of the workspace; of no task’s own copy, or into one, there is none', async () => {
  const s = scene();
  const task = 'apart-abcdefgh';
  const of = (request: Request, own: string): Request => ({
    ...request,
    action: { ...request.action, task: own },
  });
  // Nothing but the task in its arguments says which copy is meant.
  const beside = { workspace: 'elsewhere', kind: 'bash' };
  const merges = () => s.request('merge', 'w', { number: 2, task, difference: 'd', ...beside });
  const apart = of(s.request('bash'), task);
  await s.begin(apart);
  assert.deepEqual(s.asked.splice(0), [`${task}.w take 1`]);
  const early = merges();
  assert.match(await s.begin(early), /in this workspace or in the copy.*nothing was merged/);
  s.end(early);
  s.end(apart);
  s.asked.splice(0);

  const merge = merges();
  assert.equal(await s.begin(merge), '');
  assert.deepEqual(s.asked.splice(0), [`w take ${merge.number}`]);
  const [main, own] = [s.request('bash'), of(s.request('bash'), task)];
  let begun = 0;
  const both = [main, own].map((one) => s.begin(one).then(() => begun++));
  await s.carryOut(merge);
  assert.deepEqual(s.asked.splice(0), [`${task}.w merge 0 ${sha256('d')}`]);
  assert.equal(begun, 0, 'what writes in either waits for its end');
  s.end(merge);
  await Promise.all(both);
  for (const one of [main, own]) s.end(one);
  s.asked.splice(0);

  for (const wrong of [
    s.request('merge', 'w', { number: 2, task: 't', difference: 'd' }),
    s.request('merge', 'w', { number: 2, task: 'apart-abcdefgh.x', difference: 'd' }),
    of(merges(), 'apart-hgfedcba'),
    s.request('merge_look', 'w', { number: 2 }),
  ]) {
    const outcome = await s.carryOut(wrong);
    assert.equal(outcome?.end === 'done' && outcome.status.number, 1);
  }
  assert.deepEqual(s.asked, []);
  await s.carryOut(of(s.request('merge_look', 'w', { number: 2 }), task));
  assert.deepEqual(s.asked, [`${task}.w bring`]);
});
