/** Which model a task has, and what refusals taught of their limits: kept, for the very settings that were refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createModels, type Model } from '../../bot/src/brain/models.ts';
import { openDatabase } from '../../bot/src/database.ts';
import { rungsOf } from '../../config/brain/render.ts';

const modelOf = (name: string, o: { context?: number; output?: number } = {}): Model => {
  const [set, ...less] = rungsOf({ provider: 'openai', name: `gpt-${name}`, ...o });
  if (!set) throw new Error('no rung');
  return { name, provider: 'openai', model: `gpt-${name}`, pictures: false, rungs: [set, ...less] };
};
const two = [modelOf('fast'), modelOf('deep', { context: 200_000, output: 32_000 })];

test('a task begins with the first, has what was chosen for it alone, also after a restart, and the first again where that is gone', () => {
  const db = openDatabase(':memory:');
  const models = createModels(db, two);
  assert.equal(models.of('t').name, 'fast');
  assert.match(models.choose('t', 'deep'), /this task thinks with deep: openai gpt-deep · 200,000 tokens/);
  assert.equal(models.of('t').name, 'deep');
  assert.equal(models.of('other').name, 'fast');
  assert.match(models.list('t'), /^▷ fast: openai gpt-fast · 128,000 tokens\n▶ deep: .*\n!model NAME/);
  assert.match(models.choose('t', 'wrong'), /no model "wrong", and nothing was changed/);
  assert.equal(createModels(db, two).of('t').name, 'deep');
  assert.equal(createModels(db, two.slice(0, 1)).of('t').name, 'fast');
});

test('with one model, or none, there is nothing to choose', () => {
  const one = createModels(openDatabase(':memory:'), [modelOf('model')]);
  assert.match(one.list('t'), /^▶ openai gpt-model · 128,000 tokens\ndocs\/models\.md/);
  assert.match(createModels(openDatabase(':memory:'), []).list('t'), /^No model is configured/);
});

test('a limit is learned once, kept over a restart, said with its setting, and forgotten where the setting changes', () => {
  const db = openDatabase(':memory:');
  const models = createModels(db, two);
  const line = models.learn('t', { what: 'output', tokens: 4096 });
  assert.match(line, /gpt-fast says that it writes no more than 4,096 tokens.*models\.fast\.output: 4096 in/);
  assert.deepEqual(models.rung('t').rung, { id: 'gpt-fast@128000-4096', context: 128_000, output: 4096 });
  assert.equal(models.learn('t', { what: 'output', tokens: 4096 }), '', 'it was known');
  assert.match(models.learn('t', { what: 'context', tokens: 10_000 }), /takes no more than 10,000/);
  const { rung } = createModels(db, two).rung('t');
  assert.deepEqual([rung.context, rung.output], [8192, 4096], 'the next one below');
  models.choose('t', 'deep');
  assert.equal(models.rung('t').rung.context, 200_000, 'of one model, not of the other');
  const changed = createModels(db, [modelOf('fast', { output: 8000 })]);
  assert.equal(changed.rung('t').rung.output, 8000);
});
