/** What the brain and the proxy are configured with, for every provider. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { placeholder } from '../../config/brain/families.ts';
import { listOf, type ModelChoice, renderModel, renderOpencode, rungsOf } from '../../config/brain/render.ts';

const choices: (ModelChoice & { npm: string; upstream: string })[] = [
  {
    provider: 'openai-compatible',
    name: 'm',
    url: 'https://api.example.org/v1',
    key: 'secret-1',
    npm: '@ai-sdk/openai-compatible',
    upstream: 'https://api.example.org/v1',
  },
  {
    provider: 'openai-compatible',
    name: 'local-model',
    url: 'http://192.0.2.7:11434/v1',
    npm: '@ai-sdk/openai-compatible',
    upstream: 'http://192.0.2.7:11434/v1',
  },
  {
    provider: 'anthropic',
    name: 'c',
    key: 'secret-2',
    npm: '@ai-sdk/anthropic',
    upstream: 'https://api.anthropic.com/v1',
  },
  {
    provider: 'google',
    name: 'g',
    key: 'secret-3',
    npm: '@ai-sdk/google',
    upstream: 'https://generativelanguage.googleapis.com/v1beta',
  },
  {
    ...{ provider: 'openai', name: 'gpt-5', key: 'secret-4' },
    ...{ npm: '@ai-sdk/openai', upstream: 'https://api.openai.com/v1' },
  },
  {
    ...{ provider: 'ollama', name: 'qwen3:8b' },
    ...{ npm: '@ai-sdk/openai-compatible', upstream: 'http://host.docker.internal:11434/v1' },
  },
  {
    ...{ provider: 'llama.cpp', name: 'any' },
    ...{ npm: '@ai-sdk/openai-compatible', upstream: 'http://host.docker.internal:8080/v1' },
  },
  {
    ...{ provider: 'openrouter', name: 'x/y', key: 'secret-5' },
    ...{ npm: '@openrouter/ai-sdk-provider', upstream: 'https://openrouter.ai/api/v1' },
  },
  {
    ...{ provider: 'azure', name: 'gpt-5', key: 'secret-6', npm: '@ai-sdk/azure' },
    ...{ url: 'https://r.example/openai/v1?api-version=preview' },
    upstream: 'https://r.example/openai/v1?api-version=preview',
  },
];

for (const { npm, upstream, ...model } of choices)
  test(`${model.provider} "${model.name}": OpenCode disarmed, its only address the proxy, the key in the proxy alone`, () => {
    const files = renderOpencode({ own: model }, 'pw');
    const config = JSON.parse(files['opencode/opencode.json'] ?? '');
    assert.deepEqual(config.permission, { '*': 'deny', todowrite: 'allow' });
    assert.equal(config.default_agent, 'task');
    const { task, ...others } = config.agent;
    assert.equal(task.mode, 'primary');
    assert.match(task.prompt, /You have no hands of your own/);
    for (const agent of Object.values(others)) assert.deepEqual(agent, { disable: true });
    assert.equal(config.model, `own/${model.name}`);
    assert.deepEqual(config.enabled_providers, ['own']);
    assert.equal(config.provider.own.npm, npm);
    assert.deepEqual(config.provider.own.options, {
      ...{ baseURL: 'http://model:8081/own', apiKey: placeholder },
    });
    assert.equal(config.mcp, undefined);
    assert.equal(files['password'], 'pw');
    assert.ok(files['opencode/.gitignore']);
    if (model.key) assert.ok(!JSON.stringify(files).includes(model.key));
    const { routes, ...rest } = renderModel(model);
    assert.deepEqual(rest, { upstream, secret: { placeholder, key: model.key ?? '' } });
    assert.ok(routes?.includes(`GET ${listOf(model).path.split('?')[0]}`), 'the doctor asks for the list');
  });

test('how much the model takes and writes at once is as the settings say, else what nearly every model takes', () => {
  const limit = (o: Partial<ModelChoice>) => {
    const model = { provider: 'openai-compatible', name: 'm', url: 'http://x/v1', ...o } as const;
    const config = JSON.parse(renderOpencode({ model }, 'pw')['opencode/opencode.json'] ?? '');
    return config.provider.model.models.m.limit;
  };
  assert.deepEqual(limit({}), { context: 128_000, output: 8192 });
  assert.deepEqual(limit({ output: 4096 }), { context: 128_000, output: 4096 });
  assert.deepEqual(limit({ context: 8192 }), { context: 8192, output: 2048 });
  assert.deepEqual(limit({ context: 200_000, output: 32_000 }), { context: 200_000, output: 32_000 });
});

test('rungs go down from what is set, each half as long an answer as it takes at most, and are the same model', () => {
  const model = { provider: 'ollama', name: 'm:8b', context: 10_000 } as const;
  const rungs = rungsOf(model);
  assert.deepEqual(rungs[0], { id: 'm:8b', context: 10_000, output: 2500 });
  assert.deepEqual(rungs.at(-1), { id: 'm:8b@4096-1024', context: 4096, output: 1024 });
  for (const { context, output } of rungs) assert.ok(2 * output <= context && context <= 10_000);
  const config = JSON.parse(renderOpencode({ a: model }, 'pw')['opencode/opencode.json'] ?? '');
  const entries = Object.values(config.provider.a.models) as { id: string }[];
  assert.equal(entries.length, rungs.length);
  for (const { id } of entries) assert.equal(id, 'm:8b');
});

test('what is missing is named', () => {
  assert.throws(() => renderModel({ provider: 'openai-compatible', name: 'm' }), /model\.url is missing/);
  assert.throws(() => renderModel({ provider: 'anthropic', name: 'm' }), /model\.key is missing/);
});
