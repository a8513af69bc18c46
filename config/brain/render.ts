/** What the brain and its model proxy read at their start: OpenCode disarmed, and each model behind an address of its own. */
import { readFileSync } from 'node:fs';
import type { ProxyOptions } from '../proxy/proxy.ts';
import { type FamilyName, familyOf, placeholder } from './families.ts';

/** A model that the owner chose. */
export type ModelChoice = {
  provider: FamilyName;
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
  /** Money for a million tokens. */
  price?: { input: number; output: number };
};
/** What writes down voice messages, in OpenAI's form: its address, version included, and the model there. */
export type TranscriptionChoice = Pick<ModelChoice, 'name' | 'url' | 'ca' | 'key'> & { url: string };

/** Models by the names that the owner gave them: the first is the one that tasks begin with. */
export type Models = Readonly<Record<string, ModelChoice>>;

/** A model by its limits in OpenCode, in tokens. */
export type Rung = { id: string; context: number; output: number };

/** What nearly every model of the day takes: whoever asks for more than a model writes is refused each turn. */
const usual = { context: 128_000, output: 8192 };
/** A quarter at most, where nothing is said: most of it is for what the answer is to. */
function limitOf({ provider, context = familyOf(provider).context ?? usual.context, output }: ModelChoice): {
  context: number;
  output: number;
} {
  return { context, output: output ?? Math.min(usual.output, Math.floor(context / 4)) };
}

const contexts = [200_000, 131_072, 65_536, 32_768, 16_384, 8192, 4096];
const outputs = [16_384, 8192, 4096, 2048, 1024];
/**
 * A model with the limits that are set, first, and with less: a session goes on by one of these once the model's refusal said
 * what it really takes. OpenCode takes limits from its configuration alone, which nothing can change while it runs.
 */
export function rungsOf(model: ModelChoice): Rung[] {
  const set = limitOf(model);
  const below = (most: number, all: readonly number[]) => [most, ...all.filter((one) => one < most)];
  return below(set.context, contexts).flatMap((context) =>
    below(set.output, outputs).flatMap((output) => {
      const whole = context === set.context && output === set.output;
      if (!whole && 2 * output > context) return [];
      return { id: whole ? model.name : `${model.name}@${context}-${output}`, context, output };
    }),
  );
}

/** How the list of this model's provider is asked for, below its address. */
export const listOf = ({ provider }: ModelChoice) => familyOf(provider).list;

/**
 * The files of the brain's read-only configuration directory, mounted at /run/pocketcoder. What of OpenCode is off, and what the
 * one agent that is left may do, is in opencode.json: a session adds one rule, for the tools of its own task. Nothing else is
 * allowed, and nothing is ever asked there. Each model is a provider of its own there, by the owner's name for it.
 * @param password what the bot shows to OpenCode's server
 */
export function renderOpencode(models: Models, password: string): Record<string, string> {
  const sees = { attachment: true, modalities: { input: ['text', 'image'], output: ['text'] } };
  const providers = Object.entries(models).map(([own, model]) => {
    const { npm } = familyOf(model.provider);
    const { name, price, pictures } = model;
    // What a provider had kept costs less or more than that by a factor of its own: it is counted in full.
    const cost = price && { ...price, cache_read: price.input, cache_write: price.input };
    const entries = rungsOf(model).map(({ id, ...limit }) => [
      id,
      { id: name, name, tool_call: true, limit, ...(pictures && sees), ...(cost && { cost }) },
    ]);
    const options = { baseURL: `http://model:8081/${own}`, apiKey: placeholder };
    return [own, { npm, name: model.provider, options, models: Object.fromEntries(entries) }] as const;
  });
  const disarmed = JSON.parse(read('opencode.json')) as { agent: { task: { prompt?: string } } };
  disarmed.agent.task.prompt = read('prompt.md');
  const name = Object.entries(models).map(([own, model]) => `${own}/${model.name}`)[0];
  const opencode = {
    ...disarmed,
    enabled_providers: Object.keys(models),
    provider: Object.fromEntries(providers),
    ...{ model: name, small_model: name },
  };
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
  const { keyless, url: usually } = familyOf(provider);
  const missing = !url && !usually ? 'url' : !key && !keyless ? 'key' : '';
  if (missing) return `model.${missing} is missing: a model of provider "${provider}" needs it`;
  const { context, output } = limitOf(model);
  if (2 * output <= context) return undefined;
  return `model.output (${output}) must be at most half of model.context (${context}), which holds what is said as well`;
}

/** What the model proxy is told of a model: the one place it may reach for it, what it may ask there, and the key that it alone holds. */
export function renderModel(model: ModelChoice): ProxyOptions {
  const fault = faultOf(model);
  if (fault) throw new Error(`${fault}. Nothing was written; set it and start again.`);
  const { url = '', list, calls } = familyOf(model.provider);
  const routes = [`GET ${list.path.split('?')[0]}`, ...calls(model.name).map((path) => `POST ${path}`)];
  return { upstream: model.url ?? url, routes, secret: { placeholder, key: model.key ?? '' } };
}

/** The same of the endpoint that writes down voice messages. */
export const renderTranscription = ({ url, key = '' }: TranscriptionChoice): ProxyOptions => ({
  ...{ upstream: url, routes: ['POST /audio/transcriptions'], secret: { placeholder, key } },
});

const read = (name: string): string => readFileSync(new URL(name, import.meta.url), 'utf8');
