/** The families of models: which of OpenCode's own SDKs speaks to each, and how. A row is all that a family takes. */

/** What stands in place of the key everywhere but in the proxy. */
export const placeholder = 'pocketcoder-model-key';

type Family = {
  /** The SDK; OpenCode's binary has it. */
  npm: string;
  /** Its address, version included; absent where there is none that is everybody's. */
  url?: string;
  /** It may have no key: it runs on the owner's own machine. */
  keyless?: true;
  /** Tokens that it takes at once where nothing is said; absent where it is what nearly every model takes. */
  context?: number;
  /** How it is asked which models there are, which costs nothing and takes the key as a conversation does. */
  list: { path: string; headers: Record<string, string> };
  /** What OpenCode asks of it in a conversation, as paths below its address, seen in its binary. */
  calls(name: string): string[];
};

const bearer = { path: '/models', headers: { authorization: `Bearer ${placeholder}` } };
const compatible = {
  npm: '@ai-sdk/openai-compatible',
  list: bearer,
  calls: () => ['/chat/completions'],
};
const responses = () => ['/responses'];
/** Beside the proxy the engine's own machine has this name. */
const here = (port: number): string => `http://host.docker.internal:${port}/v1`;

export const families = {
  openai: { npm: '@ai-sdk/openai', url: 'https://api.openai.com/v1', list: bearer, calls: responses },
  'openai-compatible': { ...compatible, keyless: true },
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
    calls(name) {
      const { pathname } = new URL(`http://model/${name.includes('/') ? name : `models/${name}`}`);
      return [`${pathname}:streamGenerateContent`, `${pathname}:generateContent`];
    },
  },
  // Both cut off or refuse what is more than they were started with, which is little.
  ollama: { ...compatible, keyless: true, url: here(11_434), context: 32_768 },
  'llama.cpp': { ...compatible, keyless: true, url: here(8080), context: 32_768 },
  openrouter: {
    ...compatible,
    npm: '@openrouter/ai-sdk-provider',
    url: 'https://openrouter.ai/api/v1',
  },
  azure: {
    npm: '@ai-sdk/azure',
    list: { path: '/models', headers: { 'api-key': placeholder } },
    calls: responses,
  },
} as const satisfies Record<string, Family>;

export type FamilyName = keyof typeof families;
export const familyOf = (name: FamilyName): Family => families[name];
