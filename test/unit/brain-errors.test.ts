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

test('other endings of a turn', () => {
  assert.equal(troubleOf({ name: 'MessageAbortedError', data: { message: 'x' } }).code, 'aborted');
  assert.equal(troubleOf({ name: 'ContextOverflowError', data: { message: 'x' } }).code, 'too_long');
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
