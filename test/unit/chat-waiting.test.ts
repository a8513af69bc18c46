/** What waits for a homeserver or a ledger that is away for hours: no more than is worth saying then, and none of it lost. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from '../../bot/src/approval/view.ts';
import { createOutcomes, type OutcomesOptions } from '../../bot/src/room/outcomes.ts';
import { pace, statusMessage } from '../../bot/src/room/status.ts';
import { type Content, message } from '../../bot/src/show/blocks.ts';
import type { Matrix } from '../../bot/src/types.ts';
import { LedgerError } from '../../ledger/src/client.ts';
import type { Entry } from '../../ledger/src/entry.ts';
import { log, room } from '../harness/desk.ts';
import { bash } from '../harness/shown.ts';

const settle = async () => {
  for (let i = 0; i < 20; i++) await Promise.resolve();
};

test('a message that grows while the homeserver is away is then edited once, to what it had become', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const sent: string[] = [];
  const away = Promise.withResolvers<void>();
  const take = async (content: Content) => {
    await away.promise;
    sent.push(String(content['body']));
    return '$event';
  };
  const matrix = {
    post: (_room: string, _type: string, content: Content) => take(content),
    edit: (_room: string, _event: string, content: Content) => take(content),
  } as unknown as Matrix;
  const status = statusMessage(matrix, room, log);
  for (let i = 0; i <= 2400; i++) {
    status.show(message([{ line: `state ${i}` }]));
    t.mock.timers.tick(pace);
    await settle();
  }
  assert.deepEqual(sent, []);
  away.resolve();
  await settle();
  assert.deepEqual(sent, ['state 0', 'state 2400']);
  await status.finish(message([{ line: 'the end' }]));
  assert.equal(sent.at(-1), 'the end');
});

test('an outcome whose output the ledger cannot give now is shown, and the agent told, when it can', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const page = {
    action: bash('true'),
    digest: 'ab'.repeat(32),
    number: 12,
    requestedAt: 0,
    story: [{ kind: 'claimed', at: '2026-01-01T00:00:00Z' }],
  };
  const entry = {
    action: page.action.id,
    kind: 'succeeded',
    seq: 9,
    hash: '',
    body: '{"exit":0,"bytes":3}',
    transcript: 't',
  };
  const card = {
    action: page.action.id,
    room,
    form: 'poll',
    event: '$card',
    poll: '',
    chips: '',
    decideBy: 0,
  };
  const posted: string[] = [];
  let told = 0;
  let asked = 0;
  let answer: () => Promise<Uint8Array> = async () => {
    throw new LedgerError('unreachable', 0, 'away');
  };
  const outcomes = createOutcomes({
    ledger: {
      transcript: async function* () {
        asked++;
        yield await answer();
      },
    },
    matrix: { post: async (_: string, __: string, content: Content) => posted.push(String(content['body'])) },
    cards: { unended: () => [], get: () => card, set() {} },
    book: { page: () => page as unknown as Page, state: () => 'succeeded', unfinished: () => [] },
    log,
    onOver: async () => void told++,
    onShown: async () => {},
  } as unknown as OutcomesOptions);
  outcomes.take(entry as Entry);
  for (let seconds = 0; seconds < 3600; seconds++) {
    await settle();
    t.mock.timers.tick(1000);
  }
  assert.deepEqual([posted, told], [[], 0]);
  assert.ok(asked > 30 && asked < 100, `${asked} times in an hour`);
  answer = async () => Buffer.from('42\n');
  for (let seconds = 0; seconds < 61; seconds++) {
    await settle();
    t.mock.timers.tick(1000);
  }
  await settle();
  assert.equal(told, 1);
  assert.ok(
    posted.some((text) => text.includes('| 42')),
    posted.join('\n'),
  );
});
