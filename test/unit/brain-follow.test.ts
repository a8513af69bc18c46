/** A stream of events that breaks: what the brain said meanwhile is read anew, and all of it is told once. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { Brain, BrainEvent } from '../../bot/src/brain/brain.ts';
import { createModels } from '../../bot/src/brain/models.ts';
import { connectOpenCode } from '../../bot/src/brain/opencode.ts';
import { openDatabase } from '../../bot/src/database.ts';
import { log } from '../harness/desk.ts';
import { until } from '../harness/wait.ts';

const session = 's1';
const models = createModels(openDatabase(':memory:'), [
  {
    ...{ name: 'model', provider: 'ollama', model: 'm', pictures: false },
    rungs: [{ id: 'm', context: 8192, output: 1024 }],
  },
]);
const hands = { task: 't', url: 'http://gateway', token: 'x' };
type Message = { info: { id: string; role: string }; parts: { id: string; text: string }[] };

/** OpenCode's server as far as it is read: what it tells reaches whoever listens just then. */
async function scene() {
  const messages: Message[] = [];
  const state = { version: '1.18.33', busy: false, reads: 0, answers: Promise.resolve() };
  /** What is refused the next time that it is read. */
  const refused = new Set<string>();
  const listening = new Set<http.ServerResponse>();
  const server = http.createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? '', 'http://brain');
    const json = (value: unknown) => {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(value));
    };
    if (pathname === '/global/health') return json({ healthy: true, version: state.version });
    if (pathname === '/session') return json({ id: session });
    if (pathname === '/event') {
      response.setHeader('content-type', 'text/event-stream');
      listening.add(response);
      return tell('server.connected', {});
    }
    const what =
      pathname === '/session/status' ? (state.busy ? { [session]: { type: 'busy' } } : {}) : messages;
    const now = structuredClone(what);
    state.reads++;
    await state.answers;
    if (refused.delete(pathname)) response.statusCode = 503;
    json(now);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const tell = (type: string, properties: object) => {
    for (const to of listening)
      to.write(
        `data: ${JSON.stringify({ id: '', type, properties: { sessionID: session, ...properties } })}\n\n`,
      );
  };
  const status = (type: 'busy' | 'idle') => {
    state.busy = type === 'busy';
    tell('session.status', { status: { type } });
  };
  const message = (id: string, role: 'user' | 'assistant'): Message => {
    const made = { info: { id, sessionID: session, role, time: { created: 1 } }, parts: [] };
    messages.push(made);
    tell('message.updated', { info: made.info });
    return made;
  };
  /** All of a message's text so far, or to its end. */
  const write = (to: Message, text: string, end = true) => {
    const time = end ? { start: 1, end: 2 } : { start: 1 };
    const part = {
      id: `p-${to.info.id}`,
      sessionID: session,
      messageID: to.info.id,
      type: 'text',
      text,
      time,
    };
    to.parts.splice(0, 1, part);
    tell('message.part.updated', { part });
  };
  const events: BrainEvent[] = [];
  const brain: Brain = connectOpenCode({
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ...{ password: '', models, log },
  });
  brain.events((event) => events.push(event));
  const count = (type: BrainEvent['type']) => events.filter((event) => event.type === type).length;
  const ups = (times: number) => until('it to be followed', () => count('up') === times);
  await ups(1);
  return {
    ...{ brain, events, state, refused, status, message, write, count, ups },
    /** A turn from its prompt to its end. */
    turn(name: string, text: string) {
      message(`${name}1`, 'user');
      status('busy');
      write(message(`${name}2`, 'assistant'), text);
      status('idle');
    },
    cut() {
      for (const one of listening) one.destroy();
      listening.clear();
    },
    /** What was told to its end, in order. */
    said: () => events.flatMap((e) => (e.type === 'text' && e.done ? [e.text] : [])),
    async stop() {
      await brain.stop();
      server.closeAllConnections();
      server.close();
    },
  };
}

type Scene = Awaited<ReturnType<typeof scene>>;
/** Plays with a server whose session was made by the bot itself. */
const follows = (name: string, play: (s: Scene, t: TestContext) => Promise<void>) =>
  test(name, async (t) => {
    const s = await scene();
    try {
      await s.brain.createSession({ title: '', task: hands });
      await play(s, t);
    } finally {
      await s.stop();
    }
  });

follows(
  'words that end between two streams are told, also where the turn’s end comes before they are read',
  async (s) => {
    s.message('a1', 'user');
    s.status('busy');
    const words = s.message('a2', 'assistant');
    s.write(words, 'Not', false);
    await until('the first of them', () => s.count('text') === 1);
    s.cut();
    s.write(words, 'Not then.');
    const read = Promise.withResolvers<void>();
    const before = s.state.reads;
    s.state.answers = read.promise;
    await until('the state to be read', () => s.state.reads > before);
    s.status('idle');
    read.resolve();
    await s.ups(2);
    await until('the end', () => s.count('idle') === 1);
    assert.deepEqual(s.said(), ['Not then.']);
    const types = s.events.map(({ type }) => type);
    assert.ok(types.lastIndexOf('text') < types.lastIndexOf('idle'), types.join(' '));
  },
);

follows('a whole turn between two streams is told, and the turns around it once each', async (s) => {
  s.turn('a', 'One.');
  await until('the first', () => s.said().length === 1);
  s.cut();
  s.turn('b', 'Two.');
  s.turn('c', 'Three.');
  await s.ups(2);
  s.turn('d', 'Four.');
  await until('the last', () => s.said().includes('Four.'));
  s.cut();
  await s.ups(3);
  assert.deepEqual(s.said(), ['One.', 'Two.', 'Three.', 'Four.']);
});

follows('words before a prompt that waits for the turn to end are told as well', async (s) => {
  s.message('a1', 'user');
  s.status('busy');
  const words = s.message('a2', 'assistant');
  await until('the turn to begin', () => s.count('busy') === 1);
  s.cut();
  s.message('b1', 'user');
  s.write(words, 'Before it.');
  await s.ups(2);
  assert.equal(s.count('busy'), 2, 'whoever heard that it was away is told that it goes on');
  s.write(s.message('b2', 'assistant'), 'After it.');
  s.status('idle');
  await until('the end', () => s.count('idle') === 1);
  assert.deepEqual(s.said(), ['Before it.', 'After it.']);
});

follows('what could not be read at once is read again', async (s) => {
  s.cut();
  s.turn('a', 'Read late.');
  s.refused.add('/session/status').add(`/session/${session}/message`);
  await s.ups(2);
  assert.deepEqual(s.said(), ['Read late.']);
});

follows('what was cut off in its middle is not told a second time', async (s) => {
  s.message('a1', 'user');
  s.status('busy');
  s.write(s.message('a2', 'assistant'), 'I was about to', false);
  s.status('idle');
  s.turn('b', 'Next.');
  await until('the next', () => s.said().length === 1);
  const before = s.count('text');
  s.cut();
  await s.ups(2);
  assert.equal(s.count('text'), before);
});

follows('a stream that is silent for long is opened anew, one that tells something is not', async (s, t) => {
  const isSo = async (ask: () => boolean) => {
    while (!ask()) await new Promise(setImmediate);
  };
  t.mock.timers.enable({ apis: ['setTimeout'] });
  s.cut();
  await isSo(() => s.count('down') === 1);
  t.mock.timers.tick(250);
  await isSo(() => s.count('up') === 2);
  for (const name of ['a', 'b']) {
    t.mock.timers.tick(20_000);
    s.turn(name, `${name}.`);
    await isSo(() => s.said().includes(`${name}.`));
  }
  assert.equal(s.count('down'), 1);
  t.mock.timers.tick(25_000);
  await isSo(() => s.count('down') === 2);
});

for (const [asked, told] of [
  [true, ['Now.']],
  [false, []],
] as const)
  test(`a session of before: its last turn is told ${asked ? 'where it was asked something still' : 'no more'}`, async () => {
    const s = await scene();
    try {
      s.turn('a', 'Long ago.');
      s.turn('b', 'Now.');
      s.brain.resume({ session, task: hands, asked });
      await until('it to be read', () => s.count('rest') === 1);
      assert.deepEqual(s.said(), told);
      s.cut();
      await s.ups(2);
      assert.deepEqual(s.said(), told);
    } finally {
      await s.stop();
    }
  });

test('another version that is healthy as well speaks another protocol: refused in words, and nothing is asked of it', async () => {
  const s = await scene();
  try {
    assert.equal(s.brain.refusal(), '');
    s.state.version = '2.0.1';
    s.cut();
    await until('it to be refused', () => s.count('down') === 1 && s.brain.refusal() !== '');
    assert.match(
      s.brain.refusal(),
      /is OpenCode 2\.0\.1.*another protocol.*nothing is told to it\. Start again/,
    );
    s.state.version = '1.18.34';
    await s.ups(2);
    assert.equal(s.brain.refusal(), '');
  } finally {
    await s.stop();
  }
});
