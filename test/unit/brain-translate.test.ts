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
    async (s) => void ended.push(s),
    (_, { tokens }) => (tokens < 128_000 ? `takes ${tokens}` : ''),
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

test('what a model thinks in its words is not shown, nor a half of its tags, and what is said after it once', () => {
  const { feed, texts } = setUp();
  feed(status('busy'), message('a', 'assistant'), update(part('a', '')));
  for (const piece of ['<th', 'ink>hm', ' so</thi', 'nk>\n\nHe', 'llo']) feed(delta('a', piece));
  feed(update(part('a', '<think>hm so</think>\n\nHello', 2)));
  assert.deepEqual(texts(), ['He|He|false', 'llo|Hello|false', '|Hello|true']);
});

test('a call that is written as text, in an answer that makes none, is told once; one beside a real call is not', () => {
  const { feed, told } = setUp();
  const ends = (id: string, finish: string): Event =>
    ({
      ...message(id, 'assistant'),
      properties: { sessionID: session, info: { ...info(id, 'assistant'), sessionID: session, finish } },
    }) as Event;
  const text = '<tool_call>{"name": "bash", "arguments": {}}</tool_call>';
  feed(status('busy'), message('a', 'assistant'), update(part('a', text, 2)), ends('a', 'tool-calls'));
  assert.deepEqual(
    told.filter(({ type }) => type === 'error'),
    [],
  );
  feed(message('b', 'assistant'), update(part('b', text, 2)), ends('b', 'stop'), ends('b', 'stop'));
  assert.deepEqual(
    told.flatMap((e) => (e.type === 'error' ? [e.code] : [])),
    ['call_as_text'],
  );
});

test('a limit that was not known ends the turn and is told as learned; a known one is told as ever', async () => {
  const { feed, told, ended } = setUp();
  const refused = (tokens: number): Event => ({
    id: '',
    type: 'session.error',
    properties: {
      sessionID: session,
      error: {
        name: 'APIError',
        data: {
          ...{ message: `This model supports at most ${tokens} completion tokens.`, statusCode: 400 },
          isRetryable: false,
        },
      },
    },
  });
  feed(status('busy'), refused(4096), refused(128_000), refused(128_000));
  await new Promise(setImmediate);
  assert.deepEqual(ended, [session]);
  assert.deepEqual(told.at(-1), { type: 'learned', session, message: 'takes 4096' });
  assert.ok(!told.some(({ type }) => type === 'error'), 'what its turn meets besides is no news');
  feed(status('idle'), status('busy'), refused(128_000));
  const last = told.at(-1);
  assert.equal(last?.type === 'error' && last.code, 'output_limit');
  feed(status('idle'), status('busy'));
  const again = 'max_tokens is too large: this model supports at most 1500 completion tokens.';
  feed({
    ...status('busy'),
    properties: { sessionID: session, status: { type: 'retry', attempt: 1, message: again, next: 1 } },
  } as Event);
  await new Promise(setImmediate);
  assert.deepEqual(
    told.at(-1),
    { type: 'learned', session, message: 'takes 1500' },
    'also where it is tried again',
  );
});
