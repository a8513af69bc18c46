/** From OpenCode's events to ours: the brain's own words once each, also across a break of the stream. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AssistantMessage, Event, Part, UserMessage } from '@opencode-ai/sdk/v2';
import type { BrainEvent } from '../../bot/src/brain/brain.ts';
import { translator } from '../../bot/src/brain/translate.ts';

const session = 's1';
const info = (id: string, role: 'user' | 'assistant') => ({ id, role }) as UserMessage | AssistantMessage;
const part = (messageID: string, text: string, end?: number): Part => ({
  id: `p-${messageID}`,
  sessionID: session,
  messageID,
  type: 'text',
  text,
  time: end === undefined ? { start: 1 } : { start: 1, end },
});
const message = (id: string, role: 'user' | 'assistant'): Event => ({
  id: '',
  type: 'message.updated',
  properties: { sessionID: session, info: info(id, role) },
});
const update = (p: Part): Event => ({
  id: '',
  type: 'message.part.updated',
  properties: { sessionID: session, part: p, time: 1 },
});
const delta = (messageID: string, text: string, field = 'text'): Event => ({
  id: '',
  type: 'message.part.delta',
  properties: { sessionID: session, messageID, partID: `p-${messageID}`, field, delta: text },
});
const status = (type: 'busy' | 'idle'): Event => ({
  id: '',
  type: 'session.status',
  properties: { sessionID: session, status: { type } },
});

const idle = { busy: false, open: false };

function setUp() {
  const told: BrainEvent[] = [];
  const ended: string[] = [];
  const t = translator(
    (s) => s === session,
    (e) => told.push(e),
    (s) => ended.push(s),
  );
  const feed = (...events: Event[]) => events.forEach(t.take);
  const texts = () => told.flatMap((e) => (e.type === 'text' ? [`${e.delta}|${e.text}|${e.done}`] : []));
  return { t, told, ended, feed, texts };
}

test('text is told as it grows, and once when it is done', () => {
  const { feed, texts, told } = setUp();
  feed(status('busy'), message('a', 'assistant'), update(part('a', '')), delta('a', 'He'), delta('a', 'llo'));
  feed(update(part('a', 'Hello', 2)), update(part('a', 'Hello', 2)), status('idle'));
  assert.deepEqual(texts(), ['He|He|false', 'llo|Hello|false', '|Hello|true']);
  assert.deepEqual([told[0]?.type, told.at(-1)?.type], ['busy', 'idle']);
});

test('an answer that ended at its limit is told once; a summary that the brain makes for itself is not', () => {
  const { feed, texts, told } = setUp();
  const of = (id: string, more: object): Event =>
    ({
      ...message(id, 'assistant'),
      properties: { sessionID: session, info: { ...info(id, 'assistant'), sessionID: session, ...more } },
    }) as Event;
  feed(status('busy'), of('a', {}), update(part('a', 'and so', 2)));
  feed(of('a', { finish: 'length' }), of('a', { finish: 'length' }));
  feed(of('s', { summary: true }), update(part('s', '## Goal', 2)), status('idle'));
  assert.deepEqual(texts(), ['and so|and so|true']);
  const errors = told.flatMap((e) => (e.type === 'error' ? [e.code] : []));
  assert.deepEqual(errors, ['cut']);
});

test('a call is told when it begins, by the tool’s own name, after the words before it', () => {
  const { feed, told } = setUp();
  const tool = (status: string) =>
    update({
      ...{
        id: 'c',
        sessionID: session,
        messageID: 'a',
        type: 'tool',
        callID: 'c',
        tool: 't0123456789ab_bash',
      },
      state: { status, input: { script: 'ls' } },
    } as unknown as Part);
  feed(status('busy'), message('a', 'assistant'), update(part('a', '')), delta('a', 'I look.'));
  feed(tool('pending'), tool('running'), tool('completed'));
  const call = { type: 'call', session, tool: 'bash', args: { script: 'ls' } };
  assert.deepEqual(
    told.map((e) => (e.type === 'call' ? e : e.type)),
    ['busy', 'text', call],
  );
});

const failure = (error: object): Event =>
  ({ id: '', type: 'session.error', properties: { sessionID: session, error } }) as Event;
const tooLong = failure({ name: 'ContextOverflowError', data: { message: 'x' } });
const wrongKey = failure({ name: 'APIError', data: { message: 'x', statusCode: 401 } });

test('a conversation refused as too long again and again: its turn is ended at the second refusal, told once', () => {
  const { feed, told, ended } = setUp();
  const errors = () => told.flatMap((e) => (e.type === 'error' ? [e.code] : []));
  feed(status('busy'), tooLong);
  assert.deepEqual([errors(), ended], [[], []], 'its summary may help');
  feed(tooLong, tooLong);
  assert.deepEqual(errors(), ['too_long']);
  assert.deepEqual(ended, [session, session], 'ended again where that did not reach it');
  feed(status('idle'), status('busy'), wrongKey, status('idle'));
  assert.deepEqual(errors(), ['too_long', 'model_key']);
  assert.equal(ended.length, 2, 'the next turn begins anew');
  feed(status('busy'), wrongKey, wrongKey);
  assert.deepEqual(errors(), ['too_long', 'model_key', 'model_key']);
  assert.equal(ended.length, 3);
});

test('the owner’s words, reasoning and other sessions are not told', () => {
  const { t, feed, told } = setUp();
  feed(message('u', 'user'), update(part('u', 'secret')), delta('u', 'x'));
  feed(message('a', 'assistant'), update(part('a', '')), delta('a', 'hm', 'reasoning'));
  t.take({ id: '', type: 'session.status', properties: { sessionID: 'other', status: { type: 'busy' } } });
  assert.deepEqual(told, []);
});

test('after a break only what was missed is told', () => {
  const { t, feed, texts, told } = setUp();
  t.begin(session);
  feed(status('busy'), message('a', 'assistant'), update(part('a', '')), delta('a', 'He'));
  t.catchUp(session, idle, [
    { info: info('a', 'assistant'), parts: [part('a', 'Hello', 2)] },
    { info: info('b', 'assistant'), parts: [part('b', 'Bye', 3)] },
  ]);
  assert.deepEqual(texts(), ['He|He|false', 'llo|Hello|true', 'Bye|Bye|true']);
  assert.equal(told.at(-1)?.type, 'idle');
  const before = told.length;
  t.catchUp(session, idle, [{ info: info('b', 'assistant'), parts: [part('b', 'Bye', 3)] }]);
  assert.equal(told.length, before);
});

test('a turn that began during the break is told from its beginning', () => {
  const { t, feed, texts, told } = setUp();
  t.begin(session);
  t.catchUp(session, { busy: true, open: true }, [
    { info: info('a', 'assistant'), parts: [part('a', 'Hel')] },
  ]);
  feed(delta('a', 'lo'));
  assert.equal(told[0]?.type, 'busy');
  assert.deepEqual(texts(), ['Hel|Hel|false', 'lo|Hello|false']);
});
