/** Each family of providers, as strict as it is: OpenCode asks each in its way, at its path, with its key, and tells it back what it wants. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { createProbe } from '../../bot/src/brain/probe.ts';
import { type FamilyName, families } from '../../config/brain/families.ts';
import { alone } from '../harness/alone.ts';
import { type BrainStack, startBrain } from '../harness/brain.ts';
import { type Families, startFamilies } from '../harness/families.ts';
import { until } from '../harness/wait.ts';

let stack: BrainStack;
let there: Families;
const all = Object.keys(families) as FamilyName[];
const ownName = (family: FamilyName): string => family.replace('.', '-');
const names: Partial<Record<FamilyName, string>> = {
  ...{ openai: 'gpt-5', anthropic: 'claude-sonnet-4-5', google: 'gemini-3-pro', azure: 'gpt-5' },
  ...{ ollama: 'qwen3:8b', openrouter: 'x/y' },
};

before(async () => {
  const outcome = Promise.resolve({ state: 'succeeded', output: 'a b c', truncated: false } as const);
  const calls = { ...alone, wait: 5, settled: () => {}, ask: async () => ({ action: 'a1', outcome }) };
  stack = await startBrain(calls, async (machine) => {
    there = await startFamilies(machine);
    const choice = (family: FamilyName) => ({
      ...{ provider: family, name: names[family] ?? 'deepseek-m', key: `key-of-${family}` },
      price: { input: 1, output: 10 },
      url: `http://${machine}:${there.port}/${family}${family === 'azure' ? '?api-version=preview' : ''}`,
    });
    return Object.fromEntries(all.map((family) => [ownName(family), choice(family)]));
  });
});
after(async () => {
  await stack?.stop();
  await there?.stop();
});

const faults = () => there.came.flatMap(({ family, fault }) => (fault ? [`${family}: ${fault}`] : []));
const begin = (name: string) =>
  stack.brain.createSession({ title: name, task: stack.gateway.open({ task: name, workspace: 'main' }) });

for (const family of all)
  test(`${family}: a call of a tool, its outcome told back, and the end`, async () => {
    const from = there.came.length;
    const session = await begin(family);
    stack.models.choose(family, ownName(family));
    await stack.turn(session, 'look');
    assert.deepEqual(faults(), []);
    assert.equal(there.came.length - from, 2);
    assert.equal(await stack.brain.last.words(session), `done by ${family}`);
    const spent = () => stack.events.findLast((e) => e.type === 'cost' && e.session === session);
    const all = { type: 'cost', session, dollars: 0.004, tokens: 2200 };
    await until('all of it is counted', () => isDeepStrictEqual(spent(), all));
    assert.ok(there.came.every(({ family: of, key }) => key === `key-of-${of}`));
  });

test('one conversation goes on with one model after the other: what is of one is no matter of the next', async () => {
  const session = await begin('all');
  for (const family of [...all, ...all.slice(0, 4)]) {
    stack.models.choose('all', ownName(family));
    await stack.turn(session, 'look');
    assert.deepEqual(faults(), []);
    assert.equal(await stack.brain.last.words(session), `done by ${family}`);
  }
});

test('a look at a model has it call a tool for real, asks nobody, and says what it took', async () => {
  const hands = (task: string) => stack.gateway.open({ task, workspace: '' });
  const probe = createProbe({ brain: stack.brain, models: stack.models, hands });
  const { seconds, ...probed } = await probe('google');
  assert.ok(seconds < 60);
  assert.deepEqual(probed, {
    ...{ called: 'todowrite', said: 'done by google', trouble: null, tokens: 2200, context: 128_000 },
  });
  assert.deepEqual(faults(), []);
});
