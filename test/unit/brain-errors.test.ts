/** What the owner reads when the model fails. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { troubleOf, troubleOfRetry } from '../../bot/src/brain/errors.ts';

const api = (statusCode: number | undefined, message = 'boom\nstack') =>
  troubleOf({
    name: 'APIError',
    data: { message, isRetryable: false, ...(statusCode === undefined ? {} : { statusCode }) },
  });

for (const [status, code] of [
  [401, 'model_key'],
  [403, 'model_key'],
  [404, 'model_unknown'],
  [402, 'model_limit'],
  [429, 'model_limit'],
  [502, 'model_unreachable'],
  [500, 'model_failed'],
  [undefined, 'model_failed'],
] as const)
  test(`HTTP ${status} is ${code}`, () => {
    const { code: got, message } = api(status);
    assert.equal(got, code);
    assert.ok(!message.includes('stack'));
  });

for (const words of [
  'max_tokens is too large: 16000. This model supports at most 4096 completion tokens, whereas you provided 16000.',
  'max_tokens: 16000 > 8192, which is the maximum allowed number of output tokens for the model',
  'Unable to submit request because it has a maxOutputTokens value of 16000 but the supported range is from 1 to 8193.',
])
  test(`the setting is named where a model refuses that much at once: ${words.slice(0, 30)}`, () => {
    const { code, message } = api(400, words);
    assert.equal(code, 'output_limit');
    assert.match(message, /Nothing was done\. Set model\.output in pocketcoder\.yaml/);
  });

test('other refusals with such words are what their status says', () => {
  assert.equal(api(429, 'limit of 10000 output tokens per minute').code, 'model_limit');
  const other = "Unsupported parameter: 'max_tokens' is not supported with this model. Use another instead.";
  assert.equal(api(400, other).code, 'model_failed', 'another figure would be refused as well');
});

test('other endings of a turn', () => {
  assert.equal(troubleOf({ name: 'MessageAbortedError', data: { message: 'x' } }).code, 'aborted');
  assert.equal(troubleOf({ name: 'ContextOverflowError', data: { message: 'x' } }).code, 'too_long');
  assert.match(troubleOf({ name: 'MessageOutputLengthError', data: {} }).message, /cut off.*model\.output/);
  assert.equal(
    troubleOf({ name: 'ProviderAuthError', data: { providerID: 'm', message: 'x' } }).code,
    'model_key',
  );
  assert.match(troubleOf({ name: 'UnknownError', data: { message: 'odd' } }).message, /odd.*write again/);
});

test('a turn that is tried again says why', () => {
  assert.equal(troubleOfRetry('Too Many Requests').code, 'model_limit');
  const { code, message } = troubleOfRetry('The model at x cannot be reached.');
  assert.equal(code, 'model_unreachable');
  assert.match(message, /tries again by itself.*The model at x/);
});
