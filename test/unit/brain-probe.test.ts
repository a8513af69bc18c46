/** What `doctor model` makes of a model that was had call a tool: what it cannot do, and what to do. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Brain, BrainEvent } from '../../bot/src/brain/brain.ts';
import { createModels } from '../../bot/src/brain/models.ts';
import { createProbe, type Probed, probing } from '../../bot/src/brain/probe.ts';
import { openDatabase } from '../../bot/src/database.ts';
import { findings } from '../../console/care/doctor-model.ts';

const probed: Probed = {
  ...{ called: 'todowrite', said: 'done', trouble: null },
  ...{ tokens: 6000, context: 128_000, seconds: 4 },
};

for (const [name, change, levels, what] of [
  ['one that calls', {}, ['ok'], /calls tools, and goes on by their outcome \(6,000 tokens, 4 s\)/],
  [
    'one that only talks',
    { called: '', said: 'I am ready.' },
    ['fail'],
    /calls no tool: it said “I am ready\.”/,
  ],
  ['one that calls another', { called: 'bash' }, ['warn'], /but bash where it was to call todowrite/],
  ['one with a small window', { context: 8192 }, ['ok', 'warn'], /of the 8,192 tokens .* alone are 3,000/],
  [
    'one that is refused',
    { trouble: { code: 'model_key', message: 'The model refused our key.' } },
    ['fail'],
    /^model: The model refused our key/,
  ],
] as const)
  test(`${name}`, () => {
    const rows = findings('model', { ...probed, ...change });
    assert.deepEqual(
      rows.map(({ level }) => level),
      levels,
    );
    assert.match(rows.at(-1)?.what ?? '', what);
    assert.ok(rows.every(({ level, fix }) => (level === 'ok') === (fix === undefined)));
  });

/** A brain whose session does what is told of it. */
function scene(...told: ((session: string) => BrainEvent)[]) {
  let hear: (e: BrainEvent) => void = () => {};
  const ended: string[] = [];
  const brain = {
    events(fn: typeof hear) {
      hear = fn;
    },
    createSession: async () => 's',
    prompt: async () => {
      for (const one of told) hear(one('s'));
    },
    abort: async (session: string) => void ended.push(session),
    last: { words: async () => 'done', spent: async () => ({ dollars: 0, tokens: 2200 }) },
  } as unknown as Brain;
  const rungs = [{ id: 'm', context: 8192, output: 1024 }] as const;
  const models = createModels(openDatabase(':memory:'), [
    { ...{ name: 'model', provider: 'ollama', model: 'm', pictures: false }, rungs },
  ]);
  const late = new Promise<void>((resolve) => setImmediate(resolve));
  const probe = createProbe({ brain, models, hands: (task) => ({ task, url: '', token: '' }) }, () => late);
  return { probe, ended };
}

test('a call of another tool ends the look at once: it would wait for somebody', async () => {
  const { probe, ended } = scene(
    (session) => ({ type: 'busy', session }),
    (session) => ({ type: 'call', session, tool: 'bash', args: {} }),
  );
  const { called, trouble } = await probe('model');
  assert.deepEqual([called, trouble, ended], ['bash', null, ['s']]);
  assert.match(probing('probe-model'), /only looks/);
  assert.equal(probing('task'), '');
});

test('its words and what it took are read once its turn is over, of which they may be told later', async () => {
  const { probe } = scene(
    (session) => ({ type: 'busy', session }),
    (session) => ({ type: 'call', session, tool: 'todowrite', args: {} }),
    (session) => ({ type: 'cost', session, dollars: 0, tokens: 1100 }),
    (session) => ({ type: 'idle', session }),
  );
  const { seconds, ...looked } = await probe('model');
  assert.deepEqual(looked, { called: 'todowrite', said: 'done', trouble: null, tokens: 2200, context: 8192 });
});

test('what stays silent is ended after a while, and that is said', async () => {
  const { probe, ended } = scene((session) => ({ type: 'busy', session }));
  const { trouble } = await probe('model');
  assert.equal(trouble?.code, 'silent');
  assert.deepEqual(ended, ['s']);
});
