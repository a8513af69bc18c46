/** What the owner reads when the model fails. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { callIn, troubleOf, troubleOfRetry, withoutThoughts } from '../../bot/src/brain/errors.ts';

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
  const { code, message } = api(400, other);
  assert.equal(code, 'other_protocol', 'another figure would be refused as well');
  assert.match(message, /Set model\.provider to openai/);
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
  assert.equal(troubleOfRetry('Too Many Requests', false).code, 'model_limit');
  const { code, message } = troubleOfRetry('The model at x cannot be reached.', false);
  assert.equal(code, 'model_unreachable');
  assert.match(message, /tries again by itself.*The model at x/);
  const half = troubleOfRetry('terminated', true);
  assert.equal(half.code, 'model_unreachable');
  assert.match(half.message, /broke off in the middle.*half of it.*terminated/);
});

for (const [what, tokens, said] of [
  ['output', 4096, 'max_tokens is too large: 16000. This model supports at most 4096 completion tokens.'],
  ['output', 8192, 'max_tokens: 16000 > 8192, which is the maximum allowed number of output tokens'],
  [
    'output',
    8192,
    'a maxOutputTokens value but the supported range is from 1 (inclusive) to 8193 (exclusive).',
  ],
  ['output', 8192, 'Invalid max_tokens value, the valid range of max_tokens is [1, 8192]'],
  ['output', 8192, '`max_tokens` must be less than or equal to `8192`'],
  [
    'context',
    8192,
    "This model's maximum context length is 8192 tokens. You requested 9000 tokens (1000 in the messages, 8000 in the completion).",
  ],
] as const)
  test(`what a refusal says that it takes is known: ${said.slice(0, 40)}`, () => {
    assert.deepEqual(api(400, said).limit, { what, tokens });
  });

test('a conversation that is too long says how much is not; a figure that says something else says nothing', () => {
  const long = (message: string, responseBody = '') =>
    troubleOf({ name: 'ContextOverflowError', data: { message, responseBody } }).limit;
  assert.deepEqual(long('prompt is too long: 210000 tokens > 200000 maximum'), {
    what: 'context',
    tokens: 200_000,
  });
  assert.deepEqual(
    long('input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000')?.tokens,
    200_000,
  );
  assert.equal(
    long('exceeds the available context size', '{"error":{"n_prompt_tokens":9000,"n_ctx":4096}}')?.tokens,
    4096,
  );
  assert.equal(
    long('The input token count (1048580) exceeds the maximum number of tokens allowed (1048576).')?.tokens,
    1048576,
  );
  assert.equal(
    long('Prompt contains 40000 tokens, too large for model with 32768 maximum context length')?.tokens,
    32_768,
  );
  assert.equal(long('the request is too long: 9000 tokens'), undefined);
  assert.equal(
    long("This model's maximum context length is 12 tokens."),
    undefined,
    'nobody works with that',
  );
  assert.equal(api(429, 'maximum context length is 8192').limit, undefined);
  assert.equal(api(500, 'maximum context length is 8192').limit, undefined);
});

for (const [shown, text] of [
  ['Done.', '<think>hm\n</think>\n\nDone.'],
  ['Done.', '<thinking>a</thinking><think>b</think>Done.'],
  ['Done.', 'The owner wants <think> that.\n</think>\nDone.'],
  ['', '<think>hm'],
  ['', ' <thi'],
  ['', '<think>x</think>\n<thin'],
  ['The tag `</think>` ends it.', 'The tag `</think>` ends it.'],
  ['I <think> so', 'I <think> so'],
] as const)
  test(`of ${JSON.stringify(text)} is shown ${JSON.stringify(shown)}`, () =>
    assert.equal(withoutThoughts(text), shown));

for (const text of [
  '<tool_call>\n{"name": "bash", "arguments": {"script": "ls"}}\n</tool_call>',
  'I look.\n```json\n{"name": "bash", "arguments": {"script": "ls"}}\n```',
  '{"name": "bash", "parameters": {"script": "ls"}}',
  '[TOOL_CALLS][{"name": "bash", "arguments": {}}]',
  '<function=bash>\n<parameter=script>ls</parameter>\n</function>',
  '<|python_tag|>bash.call(script="ls")',
])
  test(`a call as text is known: ${text.slice(0, 30)}`, () => {
    assert.match(callIn(text)?.message ?? '', /nothing was asked for and nothing ran.*--jinja/);
  });

for (const text of ['I called bash.', '{"name": "x", "version": "1"}', 'The key "arguments" is missing.', ''])
  test(`words are words: ${text}`, () => assert.equal(callIn(text), undefined));
