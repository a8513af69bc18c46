/** What went wrong with the model, in words for the owner's phone. */
import type { EventSessionError } from '@opencode-ai/sdk/v2';
import type { ErrorCode } from './brain.ts';

type Raised = NonNullable<EventSessionError['properties']['error']>;
export type Trouble = { code: ErrorCode; message: string };

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

/** An error that ended a turn. */
export function troubleOf(error: Raised): Trouble {
  if (error.name === 'ProviderAuthError') return told('model_key');
  if (error.name === 'MessageAbortedError') return told('aborted');
  if (error.name === 'MessageOutputLengthError') return told('cut');
  if (error.name === 'ContextOverflowError') return told('too_long');
  const refused = error.name === 'APIError' && [400, 413, 422].includes(error.data.statusCode ?? 0);
  if (refused && ofOutput.test(error.data.message) && !/not supported/i.test(error.data.message))
    return told('output_limit');
  const status = error.name === 'APIError' ? error.data.statusCode : undefined;
  const code = status === undefined ? undefined : byStatus[status];
  if (code) return told(code);
  const message = 'message' in error.data ? error.data.message : error.name;
  return failed(String(message));
}

/** An answer that ended where its length did. */
export const cutOff = (): Trouble => told('cut');

/** The reason a turn is being tried again; all there is of it is its text. */
export function troubleOfRetry(message: string): Trouble {
  if (/rate|quota|limit|too many|overloaded/i.test(message)) return told('model_limit');
  return { ...told('model_unreachable'), message: `${words.model_unreachable} (${firstLine(message)})` };
}

const told = (code: keyof typeof words): Trouble => ({ code, message: words[code] });
const failed = (message: string): Trouble => ({
  code: 'model_failed',
  message: `The model failed: ${firstLine(message)}. The turn ended there; write again to go on.`,
});
const firstLine = (message: string): string => (message.split('\n')[0] ?? '').slice(0, 200);
