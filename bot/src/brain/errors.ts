/** What went wrong with the model, in words for the owner's phone. */
import type { EventSessionError } from '@opencode-ai/sdk/v2';
import type { ErrorCode, Limit } from './brain.ts';

type Raised = NonNullable<EventSessionError['properties']['error']>;
/** `limit` is what the model said that it takes. */
export type Trouble = { code: ErrorCode; message: string; limit?: Limit };

const words: Record<Exclude<ErrorCode, 'model_failed'>, string> = {
  model_key:
    'The model refused our key. Nothing was done. Set the right key in the configuration and start again.',
  model_unreachable: 'The model cannot be reached. Nothing was lost: the brain tries again by itself.',
  model_unknown:
    'The model is not known at its address. Nothing was done. Check its name in the configuration.',
  model_limit: 'The model refuses more requests for now (quota or rate limit). Try again later.',
  too_long:
    'This conversation is too long for the model. Start a new one with !new. Where a new one is too long as well, set model.context and model.output in pocketcoder.yaml to what the model takes, and start again.',
  output_limit:
    'The model refused the request: it does not write as much at once as it was asked to allow. Nothing was done. Set model.output in pocketcoder.yaml to what it takes (4096, say), and start again.',
  cut: 'The answer was cut off where model.output in pocketcoder.yaml ends it. Say “go on”, or set it higher if the model takes that, and start again.',
  call_as_text:
    'The model wrote a tool call as text, so nothing was asked for and nothing ran. Its server has to take tools: start llama.cpp with --jinja, vLLM with --enable-auto-tool-choice and its --tool-call-parser; with Ollama choose a model that is marked “tools”. Or change it: !model.',
  other_protocol:
    'The model refused the request: it wants the newer form of it. Nothing was done. Set model.provider to openai in pocketcoder.yaml, and start again.',
  aborted: 'Stopped.',
};

const byStatus: Readonly<Record<number, keyof typeof words>> = {
  401: 'model_key',
  402: 'model_limit',
  403: 'model_key',
  404: 'model_unknown',
  429: 'model_limit',
  502: 'model_unreachable',
  503: 'model_unreachable',
  504: 'model_unreachable',
};

/**
 * How providers say that `max_tokens` is more than the model writes; where they count it together with the prompt, they also
 * call it a matter of the context, and OpenCode does.
 */
const ofOutput =
  /max_(?:completion_|output_|new_)?tokens|maxOutputTokens|output tokens|(?:in|for) the completion|completion tokens/i;

/** How providers say what they take, where the figure is sure. */
const figures: readonly [what: Limit['what'], said: RegExp, more?: number][] = [
  ['context', /(?:maximum (?:context|prompt) length is|"n_ctx" ?:) ?(\d+)/],
  ['context', /(?:prompt is too long: \d+ tokens|context limit: \d+ \+ \d+) > (\d+)/],
  ['context', /exceeds the maximum number of tokens allowed \(?(\d+)/],
  ['context', /with (\d+) maximum context length/],
  ['output', /at most (\d+) completion tokens/],
  ['output', /max_tokens: \d+ > (\d+)/],
  ['output', /range of max_tokens is \[1, (\d+)\]/],
  ['output', /max_(?:completion_)?tokens` must be less than or equal to `?(\d+)/],
  ['output', /range is from 1 \(inclusive\) to (\d+) \(exclusive\)/, -1],
];
function limitIn(text: string): Limit | undefined {
  for (const [what, said, more = 0] of figures) {
    const tokens = Number(said.exec(text)?.[1]) + more;
    if (tokens >= 1024) return { what, tokens };
  }
  return undefined;
}

/** An error that ended a turn. */
export function troubleOf(error: Raised): Trouble {
  const { code, message } = plainly(error);
  const data = error.data as { message?: string; responseBody?: string };
  const limit =
    code === 'too_long' || code === 'output_limit'
      ? limitIn(`${data.message ?? ''} ${data.responseBody ?? ''}`)
      : undefined;
  return { code, message, ...(limit && { limit }) };
}

function plainly(error: Raised): Trouble {
  if (error.name === 'ProviderAuthError') return told('model_key');
  if (error.name === 'MessageAbortedError') return told('aborted');
  if (error.name === 'MessageOutputLengthError') return told('cut');
  if (error.name === 'ContextOverflowError') return told('too_long');
  if (error.name === 'APIError' && /'max_tokens' is not supported/.test(error.data.message))
    return told('other_protocol');
  const refused = error.name === 'APIError' && [400, 413, 422].includes(error.data.statusCode ?? 0);
  if (refused && ofOutput.test(error.data.message)) return told('output_limit');
  const status = error.name === 'APIError' ? error.data.statusCode : undefined;
  const code = status === undefined ? undefined : byStatus[status];
  if (code) return told(code);
  const message = 'message' in error.data ? error.data.message : error.name;
  return failed(String(message));
}

/** An answer that ended where its length did. */
export const cutOff = (): Trouble => told('cut');

/** A tool call that is no call, at the end of an answer that makes none. */
const asText = [
  /<tool_call>|<\|?tool_calls?(?:_begin)?\|?>|<\|python_tag\|>|\[TOOL_CALLS\]|<function=\w+>/,
  /(?:^|```(?:json)?\s*)\{\s*"(?:name|function)"\s*:\s*"\w+"\s*,\s*"(?:arguments|parameters)"\s*:[\s\S]*\}\s*(?:```)?\s*$/,
];
/** What to say of words that were meant as a call; undefined where they are words. */
export const callIn = (text: string): Trouble | undefined =>
  asText.some((form) => form.test(text)) ? told('call_as_text') : undefined;

/**
 * A text without what its model thought before it; of one that is still coming also without what may become that. Where a
 * chat template begins the thinking itself, only its end stands in the text.
 */
export function withoutThoughts(text: string): string {
  const begun = text.trimStart();
  if ('<think>'.startsWith(begun) || '<thinking>'.startsWith(begun)) return '';
  const [, rest] = /^<think(?:ing)?>[\s\S]*?<\/think(?:ing)?>([\s\S]*)$/.exec(begun) ?? [];
  if (rest !== undefined) return withoutThoughts(rest.trimStart());
  if (/^<think(?:ing)?>/.test(begun)) return '';
  const [, after] = /^<\/think(?:ing)?>$([\s\S]*)/m.exec(text) ?? [];
  return after === undefined ? text : after.trimStart();
}

/** The reason a turn is being tried again; all there is of it is its text. @param half whether words of the answer were said */
export function troubleOfRetry(message: string, half: boolean): Trouble {
  // OpenCode tries again where a figure in the refusal looks like a status to it, as 1500 does.
  const limit = limitIn(message);
  if (limit) return { ...told(limit.what === 'output' ? 'output_limit' : 'too_long'), limit };
  if (/rate|quota|limit|too many|overloaded/i.test(message)) return told('model_limit');
  const why = half
    ? 'The answer broke off in the middle: what stands above is half of it. It is asked for again, from its beginning.'
    : words.model_unreachable;
  return { code: 'model_unreachable', message: `${why} (${firstLine(message)})` };
}

const told = (code: keyof typeof words): Trouble => ({ code, message: words[code] });
const failed = (message: string): Trouble => ({
  code: 'model_failed',
  message: `The model failed: ${firstLine(message)}. The turn ended there; write again to go on.`,
});
const firstLine = (message: string): string => (message.split('\n')[0] ?? '').slice(0, 200);
