/**
 * A tool server with all that the conformance suite's scenarios for servers ask for, by their names and in their words: tools,
 * resources, prompts, and what it asks its client for. Started by itself it speaks on stdin and stdout.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import {
  CallToolRequestSchema,
  CompleteRequestSchema,
  CreateMessageResultSchema,
  ElicitResultSchema,
  GetPromptRequestSchema,
  ListPromptsRequestSchema,
  ListResourcesRequestSchema,
  ListResourceTemplatesRequestSchema,
  ListToolsRequestSchema,
  ReadResourceRequestSchema,
  SetLevelRequestSchema,
  SubscribeRequestSchema,
  UnsubscribeRequestSchema,
} from '@modelcontextprotocol/sdk/types.js';

type Args = Record<string, unknown>;
/** What a call has besides its arguments: the way to its client. */
type Call = {
  token: string | number | undefined;
  notify(method: string, params: object): Promise<void>;
  ask(method: 'sampling/createMessage' | 'elicitation/create', params: object): Promise<object>;
};

const text = (words: string) => ({ type: 'text', text: words });
const image = {
  type: 'image',
  mimeType: 'image/png',
  data: 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
};
const audio = {
  type: 'audio',
  mimeType: 'audio/wav',
  data: 'UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA=',
};
const embedded = (uri: string, mimeType: string, words: string) => ({
  type: 'resource',
  resource: { uri, mimeType, text: words },
});

const choices = [
  { const: 'value1', title: 'First' },
  { const: 'value2', title: 'Second' },
];
const options = ['option1', 'option2'];
/** The forms that it asks its client to fill in. */
const forms = {
  defaults: {
    name: { type: 'string', default: 'John Doe' },
    age: { type: 'integer', default: 30 },
    score: { type: 'number', default: 95.5 },
    status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
    verified: { type: 'boolean', default: true },
  },
  choices: {
    untitledSingle: { type: 'string', enum: options },
    titledSingle: { type: 'string', oneOf: choices },
    legacyEnum: { type: 'string', enum: options, enumNames: ['One', 'Two'] },
    untitledMulti: { type: 'array', items: { type: 'string', enum: options } },
    titledMulti: { type: 'array', items: { anyOf: choices } },
  },
};
const form = async (message: string, properties: object, { ask }: Call) => {
  const requestedSchema = { type: 'object', properties };
  return [text(JSON.stringify(await ask('elicitation/create', { message, requestedSchema })))];
};

const tools: Record<string, (args: Args, call: Call) => object[] | Promise<object[]>> = {
  test_simple_text: () => [text('This is a simple text response for testing.')],
  test_image_content: () => [image],
  test_audio_content: () => [audio],
  test_embedded_resource: () => [
    embedded('test://embedded-resource', 'text/plain', 'This is an embedded resource content.'),
  ],
  test_multiple_content_types: () => [
    text('Multiple content types test:'),
    image,
    embedded('test://mixed-content-resource', 'application/json', '{"test":"data","value":123}'),
  ],
  async test_tool_with_logging(_, { notify }) {
    for (const data of ['Tool execution started', 'Tool processing data', 'Tool execution completed'])
      await notify('notifications/message', { level: 'info', data });
    return [text('It logged.')];
  },
  async test_tool_with_progress(_, { token, notify }) {
    for (const progress of token === undefined ? [] : [0, 50, 100]) {
      await notify('notifications/progress', { progressToken: token, progress, total: 100 });
      await pause(50); // as its scenario has it
    }
    return [text('It is done.')];
  },
  test_error_handling() {
    throw new Error('This tool intentionally returns an error for testing');
  },
  async test_sampling({ prompt }, { ask }) {
    const messages = [{ role: 'user', content: text(String(prompt)) }];
    const said = await ask('sampling/createMessage', { messages, maxTokens: 100 });
    return [text(`LLM response: ${JSON.stringify(said)}`)];
  },
  test_elicitation: ({ message }, call) => form(String(message), { response: { type: 'string' } }, call),
  test_elicitation_sep1034_defaults: (_, call) => form('Look these over', forms.defaults, call),
  test_elicitation_sep1330_enums: (_, call) => form('Choose', forms.choices, call),
};

const resources = {
  'test://static-text': { mimeType: 'text/plain', text: 'This is the content of the static text resource.' },
  'test://static-binary': { mimeType: 'image/png', blob: image.data },
  'test://watched-resource': { mimeType: 'text/plain', text: 'Watched resource content' },
};
const prompts: Record<string, { takes: string[]; says(args: Args): object[] }> = {
  test_simple_prompt: { takes: [], says: () => [text('This is a simple prompt for testing.')] },
  test_prompt_with_arguments: {
    takes: ['arg1', 'arg2'],
    says: ({ arg1, arg2 }) => [text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)],
  },
  test_prompt_with_embedded_resource: {
    takes: ['resourceUri'],
    says: ({ resourceUri }) => [
      embedded(String(resourceUri), 'text/plain', 'Embedded resource content for testing.'),
    ],
  },
  test_prompt_with_image: { takes: [], says: () => [image] },
};

/** One for each client. */
export function everything(): Server {
  const capabilities = {
    tools: {},
    resources: { subscribe: true },
    prompts: {},
    logging: {},
    completions: {},
  };
  const server = new Server({ name: 'everything', version: '1' }, { capabilities });
  const description = 'What a scenario of the suite asks for';
  server.setRequestHandler(ListToolsRequestSchema, () => ({
    tools: Object.keys(tools).map((name) => ({
      name,
      description,
      inputSchema: { type: 'object' as const },
    })),
  }));
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
    const call: Call = {
      token: params._meta?.progressToken,
      notify: (method, of) => extra.sendNotification({ method, params: of } as never),
      ask: (method, of) =>
        extra.sendRequest(
          { method, params: of } as never,
          method === 'elicitation/create' ? ElicitResultSchema : CreateMessageResultSchema,
        ),
    };
    const tool = tools[params.name] ?? (() => [text('There is no such tool.')]);
    try {
      return { content: await tool(params.arguments ?? {}, call) };
    } catch (error) {
      return { isError: true, content: [text(String(error))] };
    }
  });
  server.setRequestHandler(ListResourcesRequestSchema, () => ({
    resources: Object.keys(resources).map((uri) => ({ uri, name: uri, description })),
  }));
  server.setRequestHandler(ListResourceTemplatesRequestSchema, () => ({
    resourceTemplates: [{ uriTemplate: 'test://template/{id}/data', name: 'template', description }],
  }));
  server.setRequestHandler(ReadResourceRequestSchema, ({ params: { uri } }) => {
    const id = /^test:\/\/template\/(\w+)\/data$/.exec(uri)?.[1];
    const found = id ? { text: JSON.stringify({ id }) } : resources[uri as keyof typeof resources];
    return { contents: [{ uri, ...found }] } as never;
  });
  server.setRequestHandler(ListPromptsRequestSchema, () => ({
    prompts: Object.entries(prompts).map(([name, { takes }]) => ({
      ...{ name, description },
      arguments: takes.map((one) => ({ name: one, required: true })),
    })),
  }));
  server.setRequestHandler(GetPromptRequestSchema, ({ params }) => {
    const said = prompts[params.name]?.says(params.arguments ?? {}) ?? [];
    return { messages: said.map((content) => ({ role: 'user' as const, content })) } as never;
  });
  server.setRequestHandler(CompleteRequestSchema, () => ({ completion: { values: [] } }));
  for (const schema of [SetLevelRequestSchema, SubscribeRequestSchema, UnsubscribeRequestSchema])
    server.setRequestHandler(schema, () => ({}));
  return server;
}

if (import.meta.main) await everything().connect(new StdioServerTransport());
