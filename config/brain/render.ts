/** What the brain and its model proxy read at their start: OpenCode disarmed, and one model behind one address. */
import { readFileSync } from 'node:fs';
import type { ProxyOptions } from '../proxy/proxy.ts';

/** The model the owner chose. One that runs locally is `openai-compatible` without a key. */
export type ModelChoice = {
  provider: 'openai-compatible' | 'anthropic' | 'google';
  /** The provider's name of the model. */
  name: string;
  /** Its API's address, version included; needed where the provider has no address of its own. */
  url?: string;
  /** A file (PEM), from the state directory on: an authority to trust for that address. */
  ca?: string;
  /** The key; the proxy alone gets it. */
  key?: string;
  /** Tokens: how much it takes at once, with its answer, and how long an answer may be. */
  context?: number;
  output?: number;
  /** It sees pictures; one that does not might refuse a conversation that has one, for good. */
  pictures?: boolean;
};

/** What nearly every model of the day takes: whoever asks for more than a model writes is refused each turn. */
const usual = { context: 128_000, output: 8192 };
/** A quarter at most, where nothing is said: most of it is for what the answer is to. */
function limitOf({ context = usual.context, output }: ModelChoice): { context: number; output: number } {
  return { context, output: output ?? Math.min(usual.output, Math.floor(context / 4)) };
}

/** What stands in place of the key everywhere but in the proxy. */
export const placeholder = 'pocketcoder-model-key';

/** `list` asks which models there are, which costs nothing and takes the key as a conversation does. */
type Provider = {
  npm: string;
  url?: string;
  list: { path: string; headers: Record<string, string> };
  /** What OpenCode asks of it in a conversation, as paths below its address, seen in its binary. */
  calls(name: string): string[];
};
const providers: Record<ModelChoice['provider'], Provider> = {
  'openai-compatible': {
    npm: '@ai-sdk/openai-compatible',
    list: { path: '/models', headers: { authorization: `Bearer ${placeholder}` } },
    calls: () => ['/chat/completions'],
  },
  anthropic: {
    npm: '@ai-sdk/anthropic',
    url: 'https://api.anthropic.com/v1',
    list: {
      path: '/models?limit=1000',
      headers: { 'x-api-key': placeholder, 'anthropic-version': '2023-06-01' },
    },
    calls: () => ['/messages'],
  },
  google: {
    npm: '@ai-sdk/google',
    url: 'https://generativelanguage.googleapis.com/v1beta',
    list: { path: '/models?pageSize=1000', headers: { 'x-goog-api-key': placeholder } },
    calls: (name) => {
      const { pathname } = new URL(`http://model/${name.includes('/') ? name : `models/${name}`}`);
      return [`${pathname}:streamGenerateContent`, `${pathname}:generateContent`];
    },
  },
};
/** How the list of this model's provider is asked for, at the model proxy. */
export const listOf = ({ provider }: ModelChoice): Provider['list'] => providers[provider].list;

/**
 * The files of the brain's read-only configuration directory, mounted at /run/pocketcoder. What of OpenCode is off, and what the
 * one agent that is left may do, is in opencode.json: a session adds one rule, for the tools of its own task. Nothing else is
 * allowed, and nothing is ever asked there.
 * @param password what the bot shows to OpenCode's server
 */
export function renderOpencode(model: ModelChoice, password: string): Record<string, string> {
  const { npm } = providers[model.provider];
  const sees = { attachment: true, modalities: { input: ['text', 'image'], output: ['text'] } };
  const entry = { name: model.name, tool_call: true, limit: limitOf(model), ...(model.pictures && sees) };
  const provider = {
    npm,
    name: model.provider,
    options: { baseURL: 'http://model:8081', apiKey: placeholder },
    models: { [model.name]: entry },
  };
  const disarmed = JSON.parse(read('opencode.json')) as { agent: { task: { prompt?: string } } };
  disarmed.agent.task.prompt = read('prompt.md');
  const name = `model/${model.name}`;
  const opencode = { ...disarmed, provider: { model: provider }, model: name, small_model: name };
  return {
    'opencode/opencode.json': `${JSON.stringify(opencode, null, 2)}\n`,
    // OpenCode writes this file where it is missing, and fails every request where it cannot.
    'opencode/.gitignore': 'node_modules\npackage.json\npackage-lock.json\nbun.lock\n.gitignore\n',
    password,
  };
}

/** What of this choice cannot be, in words; undefined when nothing is wrong. */
export function faultOf(model: ModelChoice): string | undefined {
  const { provider, url, key } = model;
  const missing =
    !url && !providers[provider].url ? 'url' : !key && provider !== 'openai-compatible' ? 'key' : '';
  if (missing) return `model.${missing} is missing: a model of provider "${provider}" needs it`;
  const { context, output } = limitOf(model);
  if (2 * output <= context) return undefined;
  return `model.output (${output}) must be at most half of model.context (${context}), which holds what is said as well`;
}

/** What the model proxy is told: the one place it may reach, what it may ask there, and the key that it alone holds. */
export function renderModel(model: ModelChoice): ProxyOptions {
  const fault = faultOf(model);
  if (fault) throw new Error(`${fault}. Nothing was written; set it and start again.`);
  const { url = '', list, calls } = providers[model.provider];
  const routes = [`GET ${list.path.split('?')[0]}`, ...calls(model.name).map((path) => `POST ${path}`)];
  return { upstream: model.url ?? url, routes, secret: { placeholder, key: model.key ?? '' } };
}

const read = (name: string): string => readFileSync(new URL(name, import.meta.url), 'utf8');
