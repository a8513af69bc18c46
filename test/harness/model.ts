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
export type Seen = { path: string; key: string; tools: string[]; messages: Message[] };
export type Mode = 'ok' | 'refuse-key' | 'down' | 'slow';
export type ScriptedModel = {
  port: number;
  seen: Seen[];
  /** `down` breaks every connection; `slow` waits a fifth of a second before each word. */
  mode: Mode;
  stop(): Promise<void>;
};

type Message = {
  role: string;
  content?: string | { text?: string }[] | null;
  tool_calls?: { function: { name: string; arguments: string } }[];
};
type Asked = { model: string; messages: Message[]; tools?: { function?: { name: string } }[] };

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
    mode: 'ok',
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
    model.seen.push({ path: req.url ?? '', key: given, tools, messages: asked.messages ?? [] });
    if (model.mode === 'refuse-key' || (o.key !== undefined && given !== o.key)) {
      res.writeHead(401, { 'content-type': 'application/json' });
      return res.end('{"error":{"message":"Incorrect API key provided","type":"invalid_request_error"}}');
    }
    if (req.url?.endsWith('/models'))
      return res.end('{"object":"list","data":[{"id":"scripted","object":"model"}]}');
    const step = tools.length ? next(asked.messages ?? [], o.scripts ?? {}) : { say: 'A title' };
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
    for (const word of (say ?? '').split(/(?<= )/)) {
      if (res.destroyed) return;
      await new Promise((resolve) => setTimeout(resolve, model.mode === 'slow' ? 200 : 5));
      chunk({ content: word });
    }
    for (const [index, { tool, args }] of (call ? [call, ...and] : []).entries()) {
      const full = tools.find((t) => t === tool || t.endsWith(`_${tool}`)) ?? tool;
      const id = `call_${model.seen.length}_${index}`;
      chunk({ tool_calls: [{ index, id, type: 'function', function: { name: full, arguments: '' } }] });
      chunk({ tool_calls: [{ index, function: { arguments: JSON.stringify(args) } }] });
    }
    const usage = { prompt_tokens: 100, completion_tokens: 20, total_tokens: 120 };
    chunk({}, call ? 'tool_calls' : 'stop', usage);
    res.end('data: [DONE]\n\n');
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
