/**
 * A scripted model behind the OpenAI-compatible interface: the only part of the system that tests do not run for real.
 *
 * It does what the last user message says, a tool call a turn, then one closing sentence:
 *     !call bash {"script":"ls"}     calls the tool of that name, whatever prefix it is offered under
 *     !with bash {"script":"ls"}     calls it in the same turn as the call before
 *     !say all done                  ends with these words instead of quoting the last tool's answer
 * or it plays a script: steps that begin when a user message contains the script's phrase and go on over later
 * messages, so that an outcome told afterwards continues it.
 *
 * By itself: `node test/harness/model.ts --port 8000 [--key KEY] [--scripts FILE.json]`.
 */
import { readFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';

type ToolCall = { tool: string; args: object };
/** `call` is made in this turn, and those of `and` with it. */
export type Step = { say?: string; call?: ToolCall; and?: readonly ToolCall[] };
export type Scripts = Readonly<Record<string, readonly Step[]>>;
/** What came: the key that was shown, and of a conversation the names of the offered tools and its messages. */
export type Seen = { path: string; key: string; tools: string[]; messages: Message[]; output: number };
export type Mode = 'ok' | 'refuse-key' | 'down' | 'slow' | keyof typeof refusals;
export type ScriptedModel = {
  port: number;
  seen: Seen[];
  /** The conversation that came last. What asks for a title, without tools, comes beside a first one, before or after it. */
  asked(): Seen | undefined;
  /** `down` breaks every connection; `slow` waits a fifth of a second before each word; the others refuse, as providers do. */
  mode: Mode;
  /** When the last answer's first word, and the end of its call, were written: milliseconds since 1970. */
  wrote: { word: number; call: number };
  stop(): Promise<void>;
};

/** What providers answer with 400: a conversation that is too long, and an answer that may be longer than they write. */
const refusals = {
  'too-long': {
    message:
      "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens. Please reduce the length of the messages.",
    code: 'context_length_exceeded',
  },
  'less-output': {
    message: 'max_tokens is too large: this model supports at most 2000 completion tokens.',
    code: 'invalid_value',
  },
};

type Message = {
  role: string;
  content?: string | { text?: string }[] | null;
  tool_calls?: { function: { name: string; arguments: string } }[];
};
type Asked = {
  model: string;
  messages: Message[];
  max_tokens?: number;
  tools?: { function?: { name: string; parameters?: Schema } }[];
};
export type Schema = {
  type?: unknown;
  properties?: Record<string, Schema>;
  items?: Schema;
  anyOf?: Schema[];
  required?: string[];
};

/**
 * Where a tool's schema is one that strict providers refuse, or '': each node has one type, an object names its properties,
 * a list what is in it, and what is required is there.
 */
export function schemaFault(schema: Schema, at = '$'): string {
  if (schema.anyOf)
    return schema.anyOf.map((one, i) => schemaFault(one, `${at}.anyOf[${i}]`)).find(Boolean) ?? '';
  const { type, properties = {}, items, required = [] } = schema;
  const inner = Object.entries(properties);
  if (typeof type !== 'string') return `${at} has no type`;
  if (type === 'object' && at !== '$' && inner.length === 0) return `${at} is an object without properties`;
  if (type === 'array' && !items) return `${at} is a list of nothing`;
  const absent = required.find((name) => !Object.hasOwn(properties, name));
  if (absent !== undefined) return `${at}.${absent} is required and not there`;
  const parts: [string, Schema][] = inner.map(([name, one]) => [`${at}.${name}`, one]);
  if (items) parts.push([`${at}[]`, items]);
  return parts.map(([where, one]) => schemaFault(one, where)).find(Boolean) ?? '';
}

const waiting = 'I wait for the owner.';
const textOf = (m?: Message): string =>
  typeof m?.content === 'string' ? m.content : (m?.content ?? []).map((p) => p.text ?? '').join('\n');

/** Starts the model. With a key, any other is refused with 401. */
export async function startModel(
  o: { port?: number; host?: string; key?: string; scripts?: Scripts } = {},
): Promise<ScriptedModel> {
  const server = http.createServer((req, res) => {
    answer(req, res).catch(() => res.destroy());
  });
  const model: ScriptedModel = {
    port: 0,
    seen: [],
    asked: () => model.seen.findLast(({ tools }) => tools.length > 0),
    mode: 'ok',
    wrote: { word: 0, call: 0 },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };

  async function answer(req: http.IncomingMessage, res: http.ServerResponse) {
    let body = '';
    for await (const chunk of req) body += chunk;
    if (req.url === '/control') {
      // From outside the container: a test sets the mode, and reads what came.
      if (body) model.mode = (JSON.parse(body) as { mode: Mode }).mode;
      return res.end(JSON.stringify(model.seen));
    }
    if (model.mode === 'down') return res.destroy();
    const { authorization, 'x-api-key': other, 'x-goog-api-key': third } = req.headers;
    const given = String(authorization ?? other ?? third ?? '').replace(/^Bearer /, '');
    const asked = body ? (JSON.parse(body) as Partial<Asked>) : {};
    const tools = asked.tools?.flatMap((t) => t.function?.name ?? []) ?? [];
    model.seen.push({
      path: req.url ?? '',
      key: given,
      tools,
      messages: asked.messages ?? [],
      output: asked.max_tokens ?? 0,
    });
    const refuse = (status: number, error: object) => {
      res.writeHead(status, { 'content-type': 'application/json' });
      res.end(JSON.stringify({ error: { type: 'invalid_request_error', ...error } }));
    };
    if (model.mode === 'refuse-key' || (o.key !== undefined && given !== o.key))
      return refuse(401, { message: 'Incorrect API key provided' });
    if (req.url?.endsWith('/models'))
      return res.end('{"object":"list","data":[{"id":"scripted","object":"model"}]}');
    if (
      (model.mode === 'too-long' && tools.length > 0) ||
      (model.mode === 'less-output' && Number(asked.max_tokens) > 2000)
    )
      return refuse(400, refusals[model.mode]);
    for (const { function: of } of asked.tools ?? []) {
      const fault = schemaFault(of?.parameters ?? {});
      if (fault) return refuse(400, { message: `Invalid schema for function '${of?.name}': ${fault}` });
    }
    // Asked aside it is offered none, and no script goes on.
    const aside = textOf(asked.messages?.findLast((m) => m.role === 'user')).includes('asks this aside');
    const step =
      tools.length || aside ? next(asked.messages ?? [], aside ? {} : (o.scripts ?? {})) : { say: 'A title' };
    await stream(res, asked.model ?? '', step, tools);
  }

  async function stream(
    res: http.ServerResponse,
    name: string,
    { say, call, and = [] }: Step,
    tools: string[],
  ) {
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    const chunk = (delta: object, finish: string | null = null, usage?: object) =>
      res.write(
        `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: name, choices: [{ index: 0, delta, finish_reason: finish }], usage })}\n\n`,
      );
    chunk({ role: 'assistant', content: '' });
    const now = () => performance.timeOrigin + performance.now();
    for (const [i, word] of (say ?? '').split(/(?<= )/).entries()) {
      if (res.destroyed) return;
      await new Promise((resolve) => setTimeout(resolve, model.mode === 'slow' ? 200 : 5));
      chunk({ content: word });
      if (i === 0 && tools.length > 0) model.wrote.word = now(); // not of a title
    }
    for (const [index, { tool, args }] of (call ? [call, ...and] : []).entries()) {
      const full = tools.find((t) => t.replace(/^t[0-9a-f]{12}_/, '') === tool) ?? tool;
      const id = `call_${model.seen.length}_${index}`;
      chunk({ tool_calls: [{ index, id, type: 'function', function: { name: full, arguments: '' } }] });
      chunk({ tool_calls: [{ index, function: { arguments: JSON.stringify(args) } }] });
    }
    const usage = { prompt_tokens: 100, completion_tokens: 20, total_tokens: 120 };
    chunk({}, call ? 'tool_calls' : 'stop', usage);
    res.end('data: [DONE]\n\n');
    if (call) model.wrote.call = now();
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(o.port ?? 0, o.host ?? '127.0.0.1', resolve);
  });
  model.port = (server.address() as AddressInfo).port;
  return model;
}

/** What to say and call now, from the conversation alone: the model keeps no state. */
function next(messages: Message[], scripts: Scripts): Step {
  for (const [phrase, steps] of Object.entries(scripts)) {
    const start = messages.findIndex((m) => m.role === 'user' && textOf(m).includes(phrase));
    if (start < 0) continue;
    const last = messages.at(-1);
    if (last?.role === 'tool' && textOf(last).startsWith('PENDING')) return { say: waiting };
    const done = messages.slice(start).filter((m) => m.role === 'assistant' && !textOf(m).includes(waiting));
    return steps[done.length] ?? { say: 'There is nothing more to do.' };
  }
  const user = messages.findLastIndex((m) => m.role === 'user');
  const text = textOf(messages[user]);
  const calls = [...text.matchAll(/^!(call|with) (\S+) (.*)$/gm)].map(([, how, tool = '', args = '']) => ({
    how,
    call: { tool, args: JSON.parse(args) as object },
  }));
  const answered = messages.slice(user).filter((m) => m.role === 'tool');
  const [first, ...rest] = calls.slice(answered.length);
  if (first) {
    const others = rest.findIndex(({ how }) => how === 'call');
    const and = rest.slice(0, others < 0 ? rest.length : others).map(({ call }) => call);
    return { say: `I call ${first.call.tool}. `, call: first.call, and };
  }
  const words = /^!say (.*)$/m.exec(text)?.[1];
  if (words !== undefined) return { say: words };
  const told = answered.at(-1);
  return { say: told ? `The tool said: ${textOf(told).slice(0, 300)}` : `You said: ${text.slice(0, 300)}` };
}

if (import.meta.main) {
  const options = { port: { type: 'string' }, key: { type: 'string' }, scripts: { type: 'string' } } as const;
  const { values } = parseArgs({ options });
  const scripts = values.scripts ? (JSON.parse(readFileSync(values.scripts, 'utf8')) as Scripts) : {};
  const key = values.key === undefined ? {} : { key: values.key };
  const { port } = await startModel({ port: Number(values.port ?? 8000), host: '0.0.0.0', scripts, ...key });
  console.log(`scripted model on port ${port}`);
}
