/** Providers besides the OpenAI-compatible ones: OpenCode asks in their way, at the right path, with the real key. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { alone } from '../harness/alone.ts';
import { key, startBrain } from '../harness/brain.ts';

const calls = {
  ...alone,
  wait: 1,
  settled: () => {},
  ask: () => Promise.reject(new Error('nothing is asked here')),
};

for (const [provider, path] of [
  ['anthropic', /^\/v1\/messages/],
  ['google', /^\/v1\/models\/scripted:streamGenerateContent/],
] as const)
  test(`${provider}: its own path below the upstream, its own key header`, {
    concurrency: true,
  }, async () => {
    const stack = await startBrain(calls, provider);
    try {
      stack.model.mode = 'refuse-key';
      const task = stack.gateway.open({ task: 'task', workspace: 'main' });
      const session = await stack.brain.createSession({ title: 'task', task });
      await stack.turn(session, 'hello');
      const last = stack.model.seen.at(-1);
      assert.match(last?.path ?? '', path);
      assert.equal(last?.key, key);
      const error = stack.events.find((e) => e.type === 'error');
      assert.equal(error?.type === 'error' && error.code, 'model_key');
    } finally {
      await stack.stop();
    }
  });
