/**
 * Providers of each family, as strict as the real ones were reported to be: who asks with a field that one does not know, with
 * no limit where one wants it, or without the signatures and reasoning that it gave out, is refused as there. Each plays one
 * turn: some thinking and a call of `bash` (or `todowrite`, where it is asked for that), then, told its outcome, `done by
 * FAMILY`. The user's words `please cut` break the stream in the middle of a family's first answer to them.
 */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import type { FamilyName } from '../../config/brain/families.ts';
import { type Schema, schemaFault } from './model.ts';

type Json = { [key: string]: Json } & Json[] & string;
/** What came, and what of it was refused. */
export type Came = { family: string; path: string; key: string; fault: string };
type Provider = {
  /** Which header has the key, and how. */
  key: [header: string, before?: string];
  path: RegExp;
  /** Fields of a request that are known; nothing else may be there. */
  fields: readonly string[];
  /** What is wrong with it, or ''. */
  fault(body: Json, url: URL): string;
  tools(body: Json): string[];
  /** Whether the outcome of the call is told. */
  told(body: Json): boolean;
  stream(o: { tool: string; words: string }): object[];
};

const json = (value: unknown) => value as Json;
const list = (value: Json | undefined): Json[] => (Array.isArray(value) ? value : []);
const secret = 'sig-4711';
const first = (faults: (string | false | undefined)[]): string => faults.find(Boolean) || '';
const ready = { todos: [{ content: 'ready', status: 'completed', priority: 'low' }] };
const argsOf = (tool: string): object => (tool === 'todowrite' ? ready : { script: 'ls', why: 'look' });

/** llama.cpp turns a schema into a grammar, which knows whole patterns alone; others refuse what has no type. */
function toolFault(name: Json | undefined, schema: Json | undefined): string {
  if (!/^[\w-]{1,64}$/.test(String(name))) return `tool name '${name}' is not valid`;
  const text = JSON.stringify(schema ?? {});
  for (const [, pattern = ''] of text.matchAll(/"pattern":"((?:[^"\\]|\\.)*)"/g))
    if (!/^\^.*\$$/.test(pattern)) return `pattern '${pattern}' must start with '^' and end with '$'`;
  return schemaFault((schema ?? {}) as Schema);
}

/** The chat completions of OpenAI's older interface, which most others took over. */
function completions(o: {
  fields?: readonly string[];
  /** The field of a message that has its reasoning, which has to come back. */
  reasoning?: string;
  keyless?: true;
}): Provider {
  const given =
    o.reasoning === 'reasoning_details'
      ? [{ type: 'reasoning.text', text: 'hm', signature: secret, index: 0, format: 'anthropic-claude-v1' }]
      : 'hm';
  return {
    key: ['authorization', 'Bearer '],
    path: /^\/chat\/completions$/,
    fields: [
      'model',
      'messages',
      'max_tokens',
      'tools',
      'tool_choice',
      'stream',
      'stream_options',
      ...(o.fields ?? []),
    ],
    fault(body) {
      const messages = list(body['messages']);
      const open = messages.flatMap((m) => list(m['tool_calls']).map((c) => c['id']));
      const closed = messages.filter((m) => m['role'] === 'tool').map((m) => m['tool_call_id']);
      const turn = messages.slice(messages.findLastIndex((m) => m['role'] === 'user'));
      const called = turn.find((m) => m['tool_calls']);
      return first([
        Number(body['max_tokens']) > 0 ? '' : 'max_tokens is missing',
        messages.slice(1).some((m) => m['role'] === 'system') && 'System message must be at the beginning',
        messages.some((m) => m['role'] === 'assistant' && m['content'] === '' && !m['tool_calls']) &&
          'content is empty',
        messages.some((m) => m['role'] === 'tool' && !m['content']) && 'a tool message must have content',
        JSON.stringify(open) !== JSON.stringify(closed) && 'each tool call must be followed by its answer',
        o.reasoning &&
          called &&
          !JSON.stringify(called[o.reasoning] ?? '').includes(given === 'hm' ? 'hm' : secret) &&
          `${o.reasoning} is missing in the message with the call`,
        ...list(body['tools']).map((t) => toolFault(t['function']?.['name'], t['function']?.['parameters'])),
      ]);
    },
    tools: (body) => list(body['tools']).map((t) => String(t['function']?.['name'])),
    told: (body) => list(body['messages']).at(-1)?.['role'] === 'tool',
    stream({ tool, words }) {
      const chunk = (delta: object, finish_reason: string | null = null) => ({
        ...{ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm' },
        choices: [{ index: 0, delta, finish_reason }],
      });
      const call = {
        index: 0,
        id: 'call_12345',
        type: 'function',
        function: { name: tool, arguments: JSON.stringify(argsOf(tool)) },
      };
      return [
        chunk({ role: 'assistant', content: '' }),
        ...(o.reasoning && tool ? [chunk({ [o.reasoning]: given })] : []),
        ...words.split(/(?<= )/).map((content) => chunk({ content })),
        ...(tool ? [chunk({ tool_calls: [call] })] : []),
        chunk({}, tool ? 'tool_calls' : 'stop'),
        {
          ...chunk({}),
          choices: [],
          usage: { prompt_tokens: 1000, completion_tokens: 100, total_tokens: 1100 },
        },
      ];
    },
  };
}

/** OpenAI's newer interface: nothing is kept there, so that its reasoning has to come back sealed. */
const responses = (more: Partial<Provider>): Provider => ({
  key: ['authorization', 'Bearer '],
  path: /^\/responses$/,
  fields: [
    'model',
    'input',
    'max_output_tokens',
    'store',
    'include',
    'prompt_cache_key',
    'reasoning',
    'text',
    'tools',
    'tool_choice',
    'stream',
    'instructions',
  ],
  fault(body) {
    const all = list(body['input']);
    const items = all.slice(all.findLastIndex((i) => i['role'] === 'user'));
    const call = items.findIndex((i) => i['type'] === 'function_call');
    return first([
      !(Number(body['max_output_tokens']) > 0) && 'max_output_tokens is missing',
      body['store'] !== json(false) && 'store must be false: this organisation keeps no data',
      !JSON.stringify(body['include'] ?? '').includes('reasoning.encrypted_content') &&
        'include lacks reasoning.encrypted_content',
      all.some((i) => i['type'] === 'item_reference') &&
        'Item with id was not found: items are not persisted',
      call >= 0 &&
        !items.slice(0, call).some((i) => i['encrypted_content'] === secret) &&
        "Item 'fc_1' of type 'function_call' was provided without its required 'reasoning' item: 'rs_1'.",
      ...list(body['tools']).map((t) => toolFault(t['name'], t['parameters'])),
    ]);
  },
  tools: (body) => list(body['tools']).map((t) => String(t['name'])),
  told: (body) => list(body['input']).at(-1)?.['type'] === 'function_call_output',
  stream({ tool, words }) {
    const reasoning = { id: 'rs_1', type: 'reasoning', summary: [], encrypted_content: secret };
    const call = {
      id: 'fc_1',
      type: 'function_call',
      call_id: 'call_r1',
      name: tool,
      arguments: JSON.stringify(argsOf(tool)),
      status: 'completed',
    };
    const said = {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      content: [{ type: 'output_text', text: words, annotations: [] }],
    };
    const items = tool ? [reasoning, said, call] : [said];
    const response = { id: 'resp_1', created_at: 1, model: 'gpt-5', service_tier: null };
    const usage = {
      input_tokens: 1000,
      output_tokens: 100,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens_details: { reasoning_tokens: 0 },
    };
    return [
      { type: 'response.created', response },
      ...items.flatMap((item, output_index) => {
        const at = { output_index, item_id: item.id };
        const empty =
          item === said
            ? { ...said, content: [] }
            : item === call
              ? { ...call, arguments: '' }
              : { ...reasoning, encrypted_content: null };
        return [
          { type: 'response.output_item.added', ...at, item: empty },
          ...(item === said
            ? words
                .split(/(?<= )/)
                .map((delta) => ({ type: 'response.output_text.delta', ...at, content_index: 0, delta }))
            : []),
          ...(item === call
            ? [{ type: 'response.function_call_arguments.delta', ...at, delta: call.arguments }]
            : []),
          { type: 'response.output_item.done', ...at, item },
        ];
      }),
      { type: 'response.completed', response: { ...response, usage, incomplete_details: null } },
    ];
  },
  ...more,
});

const anthropic: Provider = {
  key: ['x-api-key'],
  path: /^\/messages$/,
  fields: [
    'model',
    'max_tokens',
    'system',
    'messages',
    'tools',
    'tool_choice',
    'stream',
    'thinking',
    'metadata',
  ],
  fault(body) {
    const messages = list(body['messages']);
    const blocks = messages.flatMap((m) => list(m['content']));
    const called = messages.findLast((m) => list(m['content']).some((b) => b['type'] === 'tool_use'));
    const thought = list(called?.['content'])[0];
    const own = list(called?.['content']).some((b) => b['id'] === 'toolu_1');
    return first([
      !(Number(body['max_tokens']) > 0) && 'max_tokens: Field required',
      messages.some((m, i) => m['role'] === messages[i - 1]?.['role']) && 'roles must alternate',
      blocks.some((b) => b['type'] === 'text' && !b['text']?.trim()) &&
        'text content blocks must be non-empty',
      own &&
        (thought?.['type'] !== 'thinking' || thought['signature'] !== secret) &&
        `Expected thinking with its signature, but found ${JSON.stringify(thought)}`,
      ...list(body['tools']).map((t) => toolFault(t['name'], t['input_schema'])),
    ]);
  },
  tools: (body) => list(body['tools']).map((t) => String(t['name'])),
  told: (body) => list(list(body['messages']).at(-1)?.['content']).some((b) => b['type'] === 'tool_result'),
  stream({ tool, words }) {
    const block = (index: number, content_block: object, ...deltas: object[]) => [
      { type: 'content_block_start', index, content_block },
      ...deltas.map((delta) => ({ type: 'content_block_delta', index, delta })),
      { type: 'content_block_stop', index },
    ];
    const message = {
      id: 'm',
      type: 'message',
      role: 'assistant',
      model: 'c',
      content: [],
      stop_reason: null,
      usage: { input_tokens: 1000, output_tokens: 1 },
    };
    return [
      { type: 'message_start', message },
      ...(tool
        ? block(
            0,
            { type: 'thinking', thinking: '', signature: '' },
            { type: 'thinking_delta', thinking: 'hm' },
            { type: 'signature_delta', signature: secret },
          )
        : []),
      ...block(
        1,
        { type: 'text', text: '' },
        ...words.split(/(?<= )/).map((text) => ({ type: 'text_delta', text })),
      ),
      ...(tool
        ? block(
            2,
            { type: 'tool_use', id: 'toolu_1', name: tool, input: {} },
            { type: 'input_json_delta', partial_json: JSON.stringify(argsOf(tool)) },
          )
        : []),
      {
        type: 'message_delta',
        delta: { stop_reason: tool ? 'tool_use' : 'end_turn' },
        usage: { output_tokens: 100 },
      },
      { type: 'message_stop' },
    ];
  },
};

/** What a schema may have there; `additionalProperties`, `$schema` and others are refused as unknown names. */
const known =
  /^(type|format|title|description|nullable|enum|items|(min|max)(Items|Properties|Length|imum)|properties|required|pattern|anyOf|default)$/;
function unknownIn(schema: Json | undefined): string {
  for (const [key, value] of Object.entries(schema ?? {})) {
    if (!known.test(key)) return `Invalid JSON payload received. Unknown name "${key}" at 'tools'`;
    const inner =
      key === 'properties'
        ? Object.values(value)
        : key === 'items'
          ? [value]
          : key === 'anyOf'
            ? list(value)
            : [];
    const found = inner.map(unknownIn).find(Boolean);
    if (found) return found;
  }
  return '';
}
const google: Provider = {
  key: ['x-goog-api-key'],
  path: /^\/models\/[^:]+:streamGenerateContent$/,
  fields: ['generationConfig', 'contents', 'systemInstruction', 'tools', 'toolConfig', 'safetySettings'],
  fault(body) {
    const contents = list(body['contents']);
    const turn = contents.findLastIndex(
      (c) => c['role'] === 'user' && list(c['parts']).some((p) => p['text']),
    );
    const calls = contents.slice(turn).flatMap((c) => list(c['parts']).filter((p) => p['functionCall']));
    return first([
      calls.some((p) => p['thoughtSignature'] !== secret) &&
        'Function call is missing a thought_signature in functionCall parts.',
      ...list(list(body['tools'])[0]?.['functionDeclarations']).map((f) => unknownIn(f['parameters'])),
    ]);
  },
  tools: (body) => list(list(body['tools'])[0]?.['functionDeclarations']).map((f) => String(f['name'])),
  told: (body) => list(list(body['contents']).at(-1)?.['parts']).some((p) => p['functionResponse']),
  stream({ tool, words }) {
    const chunk = (parts: object[], more: object = {}) => ({
      candidates: [{ content: { role: 'model', parts }, index: 0, ...more }],
    });
    const usageMetadata = { promptTokenCount: 1000, candidatesTokenCount: 100, totalTokenCount: 1100 };
    return [
      ...words.split(/(?<= )/).map((text) => chunk([{ text }])),
      ...(tool
        ? [chunk([{ functionCall: { name: tool, args: argsOf(tool) }, thoughtSignature: secret }])]
        : []),
      { ...chunk([{ text: '' }], { finishReason: 'STOP' }), usageMetadata },
    ];
  },
};

export const providers: Record<FamilyName, Provider> = {
  openai: responses({}),
  'openai-compatible': completions({ reasoning: 'reasoning_content' }),
  anthropic,
  google,
  ollama: completions({ keyless: true }),
  'llama.cpp': completions({ keyless: true }),
  openrouter: completions({ fields: ['usage', 'reasoning', 'provider'], reasoning: 'reasoning_details' }),
  azure: responses({
    key: ['api-key'],
    fault: (body, url) =>
      first([
        !url.searchParams.get('api-version') && 'api-version is missing',
        responses({}).fault(body, url),
      ]),
  }),
};

export type Families = {
  port: number;
  came: Came[];
  stop(): Promise<void>;
};

/** Starts all of them behind one port, each below `/FAMILY`; each takes the key `key-of-FAMILY` alone. */
export async function startFamilies(host: string): Promise<Families> {
  const came: Came[] = [];
  const cuts = new Set<string>();
  const server = http.createServer(async (req, res) => {
    let text = '';
    for await (const chunk of req) text += chunk;
    const url = new URL(req.url ?? '', 'http://x');
    const [, family = '', path = ''] = /^\/([^/]+)(\/.*)$/.exec(url.pathname) ?? [];
    const provider = providers[family as FamilyName];
    const [header, before = ''] = provider.key;
    const key = String(req.headers[header] ?? '').slice(before.length);
    const refuse = (status: number, fault: string) => {
      came.push({ family, path, key, fault });
      res.writeHead(status, { 'content-type': 'application/json' });
      res.end(JSON.stringify({ error: { message: fault, type: 'invalid_request_error', code: status } }));
    };
    if (key !== `key-of-${family}`) return refuse(401, 'no valid key');
    if (!provider.path.test(path)) return refuse(404, `nothing at ${path}`);
    const body = JSON.parse(text) as Json;
    const strange = Object.keys(body).find((field) => !provider.fields.includes(field));
    const fault = strange ? `Unrecognized request argument supplied: ${strange}` : provider.fault(body, url);
    if (fault) return refuse(400, fault);
    came.push({ family, path, key, fault });
    const told = provider.told(body);
    const wanted = text.includes('Use the tool todowrite') ? /^todowrite$/ : /_bash$/;
    const tool = told ? '' : (provider.tools(body).find((name) => wanted.test(name)) ?? '');
    const cut = !told && text.includes('please cut') && !cuts.has(family);
    if (cut) cuts.add(family);
    const parts = provider.stream({
      tool: cut ? '' : tool,
      words: told ? `done by ${family}` : 'I look first. ',
    });
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const part of cut ? parts.slice(0, -2) : parts) {
      if ('type' in part) res.write(`event: ${part.type}\n`);
      res.write(`data: ${JSON.stringify(part)}\n\n`);
    }
    // What was written is on its way by then.
    if (cut) return void setTimeout(() => res.destroy(), 100);
    res.end(provider.path.source.includes('completions') ? 'data: [DONE]\n\n' : '');
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  return {
    port: (server.address() as AddressInfo).port,
    came,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
