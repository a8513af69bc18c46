/** Voice messages: written down by an endpoint in OpenAI's form, shown below, then words to the agent; whatever goes wrong is said. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import pino from 'pino';
import { saidIn } from '../../bot/src/approval/said.ts';
import type { Sent } from '../../bot/src/approval/sent.ts';
import { openDatabase } from '../../bot/src/database.ts';
import { createDictation } from '../../bot/src/room/dictation.ts';
import type { Content, EventId, RoomId } from '../../bot/src/types.ts';
import { placeholder } from '../../config/brain/families.ts';
import { renderTranscription } from '../../config/brain/render.ts';
import { makeProxy } from '../../config/proxy/proxy.ts';
import { startTranscriber, type Transcriber } from '../harness/transcriber.ts';
import { until } from '../harness/wait.ts';

const room = '!r:x' as RoomId;
let endpoint: Transcriber;
let proxy: ReturnType<typeof makeProxy>;
let url: string;

before(async () => {
  endpoint = await startTranscriber();
  const at = `http://127.0.0.1:${endpoint.port}/v1`;
  proxy = makeProxy(renderTranscription({ url: at, name: 'heard-1', key: 'voice-key' }));
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const address = proxy.address();
  url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
});
after(async () => {
  proxy.close();
  await endpoint.stop();
});
beforeEach(() => {
  endpoint.answer = undefined;
  endpoint.came.length = 0;
});

/** @param words what the recording says */
function scene(words: string, o: { configured?: boolean; model?: string; patience?: number } = {}) {
  const db = openDatabase(':memory:');
  const posted: Content[] = [];
  const told: string[] = [];
  const matrix = {
    async post(_: RoomId, __: string, content: Content) {
      posted.push(content);
      return `$${posted.length}` as EventId;
    },
    downloadEncrypted: async () => Buffer.from(words),
  };
  const transcription = { url, model: o.model ?? 'heard-1', placeholder };
  const start = () =>
    createDictation({
      transcription: o.configured === false ? undefined : transcription,
      ...{ db, matrix, log: pino({ level: 'silent' }), patience: o.patience ?? 10_000 },
    });
  const said = saidIn({ msgtype: 'm.audio', body: 'Voice message' });
  const voice: Sent = { ...said, what: 'voice', path: 'uploads/Voice-message', size: 4, file: {}, words: '' };
  const take = (name = voice.path) =>
    start().take(room, '$voice', { ...voice, path: name }, async (heard) => {
      told.push(heard);
      return '';
    });
  const bodies = () => posted.map((content) => String(content['body']));
  const kept = () => db.prepare('SELECT event FROM dictation').all().length;
  return { voice, start, take, posted, told, bodies, kept };
}

test('what is said is shown below the message, then told, once; the endpoint gets the key of its proxy alone', async () => {
  const s = scene('  fix the login page ');
  s.take();
  await until('the words', () => s.told.length > 0);
  assert.deepEqual(s.told, ['fix the login page']);
  assert.deepEqual(s.bodies(), ['🎙 written down:\n> fix the login page']);
  assert.deepEqual(s.posted[0]?.['m.relates_to'], { 'm.in_reply_to': { event_id: '$voice' } });
  assert.deepEqual(
    endpoint.came.map(({ key, file }) => [key, file]),
    [['voice-key', 'Voice-message.ogg']],
  );
  s.start().resume();
  assert.equal(s.kept(), 0);
});

test('what the agent’s part answers is said below, a refusal of it too', async () => {
  for (const [hear, body] of [
    [async () => 'It is kept.', 'It is kept.'],
    [() => Promise.reject(new Error('no room')), '⚠️ no room'],
  ] as const) {
    const s = scene('hello');
    s.start().take(room, '$voice', s.voice, hear);
    await until('the answer', () => s.posted.length === 2);
    assert.equal(s.bodies()[1], body);
    assert.equal(s.kept(), 0);
  }
});

test('a recording keeps the end of its name, by which its form is known', async () => {
  const s = scene('hello');
  s.take('uploads/Note.m4a');
  await until('the words', () => s.told.length > 0);
  assert.equal(endpoint.came[0]?.file, 'Note.m4a');
});

test('without an endpoint it is said that nobody hears it', () => {
  const s = scene('x', { configured: false });
  s.take();
  assert.match(
    s.bodies()[0] ?? '',
    /^That is a voice message, and nobody here can hear it: it was not taken\./,
  );
  assert.deepEqual([s.told, s.kept(), endpoint.came.length], [[], 0, 0]);
});

const answers: Record<string, [Transcriber['answer'], RegExp]> = {
  'a refused key': [(res) => res.writeHead(401).end(), /refuses our key \(401\): correct transcription/],
  'a quota': [(res) => res.writeHead(429).end(), /takes no more for now/],
  'a server at fault': [(res) => res.writeHead(503).end(), /cannot be reached, or fails \(503\)/],
  'a form it does not know': [(res) => res.writeHead(400).end(), /does not take that recording \(400\)/],
  'no words': [(res) => res.end('{"text":" "}'), /No words were made out/],
  'no JSON': [(res) => res.end('fix it'), /answers in another form/],
  'no text in it': [(res) => res.end('{"text":7}'), /answers in another form/],
  'an answer without an end': [(res) => res.end(`{"text":"${'x'.repeat(2 << 20)}"}`), /without an end/],
  'more than a message holds': [(res) => res.end(`{"text":"${'ж'.repeat(9001)}"}`), /say it in parts/],
  'a way elsewhere': [(res) => res.writeHead(302, { location: 'http://x/' }).end(), /cannot be reached/],
  'no answer': [() => {}, /gave no answer within 0\.3 s/],
};
for (const [name, [answer, words]] of Object.entries(answers))
  test(`${name}: it is said below, with what to do, and nothing is told`, async () => {
    endpoint.answer = answer;
    const s = scene('x', name === 'no answer' ? { patience: 300 } : {});
    s.take();
    await until('what went wrong', () => s.posted.length > 0);
    assert.match(s.bodies()[0] ?? '', words);
    assert.match(
      s.bodies()[0] ?? '',
      /^⚠️ .* Nothing was told to the agent: send it again, or say it in words\.$/,
    );
    assert.deepEqual(s.told, []);
    await until('it to be over', () => s.kept() === 0);
  });

test('a model that is not there is said as such', async () => {
  const s = scene('x', { model: 'other' });
  s.take();
  await until('what went wrong', () => s.posted.length > 0);
  assert.match(s.bodies()[0] ?? '', /no such address or model \(404\)/);
});

test('one that a restart ended is said to be lost, and is not told', async () => {
  endpoint.answer = () => {};
  const s = scene('x');
  s.take();
  s.start().resume();
  await until('it to be over', () => s.kept() === 0);
  assert.match(s.bodies()[0] ?? '', /^⚠️ The bot was restarted before that was heard\. Nothing was told/);
  assert.deepEqual(s.told, []);
});
