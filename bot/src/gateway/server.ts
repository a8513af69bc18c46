/** The gateway: the brain's only hands. An MCP server with one address and one token a task; each call is an action. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { bodyOf } from '@pocketcoder/ledger/rules/lifecycle.cjs';
import type { Server as Pinned } from '@pocketcoder/ledger/rules/state.cjs';
import type { Entry } from '@pocketcoder/ledger/src/client.ts';
import type { Logger } from 'pino';
import { handing } from '../agents.ts';
import { askTool, questionIn } from './ask.ts';
import { type Call, type CallsOptions, openCalls } from './calls.ts';
import { closeTool, numberIn } from './close.ts';
import { giveResult, handOn, handTools, resultTool } from './handing.ts';
import { ourName } from './input.ts';
import { networkAsked, networkTool } from './network.ts';
import type { Answer, Held } from './outcome.ts';
import { planAsked, planTool } from './plan.ts';
import { servedAsked, servedTools } from './served.ts';
import { askedBy, tools } from './tools.ts';

export type GatewayOptions = {
  /** Port and address to listen on; the network it is on is internal and holds the brain alone. */
  port: number;
  host: string;
  /** What the brain calls this host, e.g. `http://bot:8080`; requests that name another are refused. */
  url: string;
  /** Whether leases of the network can be opened: else there is no tool for them. */
  network: boolean;
  /** A task's token: the same over restarts, so that a call under way when this ends finds its address again. */
  token(task: string): string;
  /** The tool servers that are pinned in a workspace. */
  servers(workspace: string): readonly Pinned[];
  /** Which secret is for which host. */
  bound(): Readonly<Record<string, string>>;
  /** Whether the model of a task sees pictures. */
  sees(task: string): boolean;
  log: Logger;
};

/** What the brain needs to act for one task: given to that task's sessions alone. */
export type Hands = { task: string; url: string; token: string };

export type Gateway = {
  /** Opens a task's address, or returns the one it has. */
  open(o: { task: string; workspace: string }): Hands;
  /** Takes the next entry of the chain: whose tools are others now is told so. */
  onEntry(entry: Entry): void;
  /** Shuts a task's address; calls still open there are treated as taken back. */
  close(task: string): Promise<void>;
  /** Starts listening, once. Returns the port. @throws where it is taken */
  run(calls: CallsOptions): Promise<number>;
  stop(): Promise<void>;
};

type Opened = {
  hands: Hands;
  workspace: string;
  sessions: Map<string, StreamableHTTPServerTransport>;
  /** What speaks in these sessions. */
  speakers: Set<Server>;
  /** How many requests wait for their answer. */
  open: number;
};

/** What a call knows about the connection that it came on. */
type Line = { gone: AbortSignal; sent: Promise<boolean> };

/** What one task's brain may have open, and send at once, in bytes: the largest file that it may write goes into that, escaped. */
const most = { open: 64, sessions: 8, body: 1 << 20 };
const hash = (text: string) => createHash('sha256').update(text).digest();

/** Addresses can be opened at once; calls are taken from `run` on. */
export function createGateway(o: GatewayOptions): Gateway {
  const tasks = new Map<string, Opened>();
  const base = new URL(o.url);
  const server = http.createServer();

  const close = async (task: string) => {
    const opened = tasks.get(task);
    tasks.delete(task);
    for (const transport of opened?.sessions.values() ?? []) await transport.close();
  };
  return {
    open({ task, workspace }) {
      const there = tasks.get(task);
      if (there && there.workspace === workspace) return there.hands;
      if (there) throw new Error(`task ${task} belongs to another workspace; nothing was opened`);
      const url = new URL(`/mcp/${encodeURIComponent(task)}`, base).href;
      const hands = { task, url, token: o.token(task) };
      tasks.set(task, { hands, workspace, sessions: new Map(), speakers: new Set(), open: 0 });
      return hands;
    },
    onEntry(entry) {
      const { kind } = entry;
      if (kind !== 'applied' && kind !== 'server.removed') return;
      const of = bodyOf(entry, 'applied', 'server.removed');
      if ('kind' in of && of.kind !== 'server_pin') return;
      for (const { workspace, speakers } of tasks.values())
        if (workspace === of.workspace)
          for (const speaker of speakers) speaker.sendToolListChanged().catch(() => {}); // whoever is gone lists them anew
    },
    close,
    async run(calls) {
      server.on('request', serving(tasks, base, calls, o));
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(o.port, o.host, resolve);
      });
      const { port } = server.address() as AddressInfo;
      base.port ||= String(port);
      return port;
    },
    async stop() {
      for (const task of tasks.keys()) await close(task);
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Takes the requests of clients. */
function serving(
  tasks: ReadonlyMap<string, Opened>,
  base: URL,
  o: CallsOptions,
  { log, network, bound, servers, sees }: GatewayOptions,
): http.RequestListener {
  const call = openCalls(o);

  async function serve(req: http.IncomingMessage, res: http.ServerResponse): Promise<void> {
    // A page in somebody's browser sends the Origin of another, a rebound name another Host: neither is the brain.
    const { host, origin = base.origin } = req.headers;
    if (host !== base.host || origin !== base.origin) return refuse(res, 403, 'this host is not served');
    const opened = tasks.get(taskOf(req.url ?? ''));
    const given = hash(req.headers.authorization ?? '');
    // Compared even for an unknown task, so that the time says nothing about which tasks there are.
    const right = timingSafeEqual(
      given,
      hash(`Bearer ${opened?.hands.token ?? randomBytes(32).toString('hex')}`),
    );
    if (!opened || !right) return refuse(res, 401, 'no such task, or not its token');
    // Sessions are looked up within the task that the token opened: another task's session id finds nothing.
    const id = req.headers['mcp-session-id'];
    const session = typeof id === 'string' ? opened.sessions.get(id) : undefined;
    if (id !== undefined && !session) return refuse(res, 404, 'no such session');
    if (opened.open >= most.open) return refuse(res, 429, `${most.open} calls of this task are open already`);
    opened.open++;
    res.once('close', () => opened.open--);
    const transport = session ?? (await connect(opened));
    const gone = new AbortController();
    const sent = new Promise<boolean>((resolve) => {
      res.once('close', () => {
        if (!res.writableFinished) gone.abort();
        resolve(res.writableFinished);
      });
    });
    const line: Line = { gone: gone.signal, sent };
    const auth = { token: '', clientId: opened.hands.task, scopes: [], extra: line };
    await transport.handleRequest(Object.assign(req, { auth }), res);
    if (transport.sessionId === undefined) await transport.close(); // it was no beginning
  }

  async function connect(opened: Opened): Promise<StreamableHTTPServerTransport> {
    const transport: StreamableHTTPServerTransport = new StreamableHTTPServerTransport({
      maxRequestBodySize: most.body,
      sessionIdGenerator: () => randomBytes(16).toString('hex'),
      onsessioninitialized: async (id) => {
        opened.sessions.set(id, transport);
        // A brain that was killed says no goodbye. Whoever still needs an old session begins a new one.
        const [[oldest, old] = []] = opened.sessions;
        if (opened.sessions.size <= most.sessions || !oldest) return;
        opened.sessions.delete(oldest);
        await old?.close();
      },
      onsessionclosed: (id) => void opened.sessions.delete(id),
    });
    const speaker = toolServer(opened, call, { ...o, network, bound, servers, sees });
    opened.speakers.add(speaker);
    speaker.onclose = () => opened.speakers.delete(speaker);
    await speaker.connect(transport);
    return transport;
  }

  return (req, res) => {
    serve(req, res).catch((error: unknown) => {
      log.error({ err: error }, 'gateway: request failed');
      refuse(res, 500, 'the gateway failed');
    });
  };
}

/** The MCP server of one client: it lists our tools, and turns a call into an action of its own task. */
function toolServer(
  { hands, workspace }: Opened,
  call: Call,
  o: Pick<CallsOptions, 'spoken' | 'close' | 'question' | 'halted' | 'crew' | 'wait' | 'reached'> &
    Pick<GatewayOptions, 'network' | 'bound' | 'servers' | 'sees'>,
): Server {
  const server = new Server(
    { name: 'pocketcoder', version: '0.1.0' },
    { capabilities: { tools: { listChanged: true } } },
  );
  const has = (tool: string) => o.crew.has(hands.task, tool);
  const all = [...tools, closeTool, planTool, askTool, ...(o.network ? [networkTool] : [])];
  const own = [...all, ...handTools(o.crew.agents), resultTool];
  server.setRequestHandler(ListToolsRequestSchema, () => ({
    tools: [...own, ...servedTools(o.servers(workspace))].filter(({ name }) => has(name)),
  }));
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
    const where = { workspace, task: hands.task };
    const given = params.arguments ?? {};
    const answered = ({ text, isError, held = [] }: Answer) => ({
      isError,
      content: [{ type: 'text' as const, text }, ...(o.sees(hands.task) ? held.flatMap(pictureOf) : [])],
    });
    const refused = (why: string) => answered({ text: `NOT ASKED: ${why}. Nothing ran.`, isError: true });
    const over = o.crew.over(hands.task);
    if (over) return refused(over);
    if (!has(ourName(params.name))) return refused(`you have no tool ${JSON.stringify(params.name)}`);
    if (params.name === resultTool.name) return answered(giveResult(o.crew, hands.task, given));
    if (params.name === closeTool.name)
      return { content: [{ type: 'text', text: await o.close(hands.task, numberIn(given)) }] };
    if (params.name === askTool.name) {
      const question = questionIn(given);
      const why = 'wrong' in question ? question.wrong : o.halted(hands.task);
      if ('wrong' in question || why) return refused(why);
      await o.spoken(hands.task, { tool: params.name, args: given });
      return { content: [{ type: 'text', text: await o.question(hands.task, question) }] };
    }
    const line = extra.authInfo?.extra as Line | undefined; // as `serve` handed it along
    if (!line) throw new Error('a call came without its connection');
    const { gone, sent } = line;
    const signal = AbortSignal.any([extra.signal, gone]);
    if (handing.includes(params.name)) {
      await o.spoken(hands.task, { tool: params.name, args: given });
      return answered(await handOn(o, hands.task, { name: params.name, args: given, signal, sent }));
    }
    const network: typeof planAsked = (...of) => networkAsked(...of, o.bound(), o.reached(hands.task));
    const made = { plan: planAsked, ...(o.network && { network }) }[params.name];
    const asked =
      made?.(where, given) ??
      servedAsked(where, params.name, given, o.servers(workspace)) ??
      askedBy(where, params.name, given);
    if ('wrong' in asked) return refused(asked.wrong);
    const steps = asked.asked.kind === 'plan' ? asked.asked.args.steps : [];
    const foreign = steps.find(({ kind }) => !has(kind));
    if (foreign) return refused(`a step of the plan is for ${foreign.kind}, which is no tool of yours`);
    const progressToken = params._meta?.progressToken;
    let progress = 0;
    const answer = await call(asked.asked, {
      spoken: o.spoken(hands.task, { tool: params.name, args: given }),
      signal,
      sent,
      progress(message) {
        if (progressToken === undefined) return;
        const notice = { progressToken, progress: ++progress, message };
        extra.sendNotification({ method: 'notifications/progress', params: notice }).catch(() => {}); // The brain is gone: `signal` says so.
      },
    });
    return answered(answer);
  });
  return server;
}

/** As a client of MCP takes a picture; nothing of a file. */
const pictureOf = ({ bytes, picture }: Held) =>
  picture ? [{ type: 'image' as const, mimeType: picture, data: bytes.toString('base64') }] : [];

/** The task that a request's path names, or '' (which is no task). */
function taskOf(url: string): string {
  const name = /^\/mcp\/([^/?#]{1,200})$/.exec(url)?.[1];
  try {
    return name === undefined ? '' : decodeURIComponent(name);
  } catch {
    return '';
  }
}

function refuse(res: http.ServerResponse, status: number, message: string): void {
  if (res.headersSent) return void res.destroy();
  res.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
  res.end(JSON.stringify({ jsonrpc: '2.0', error: { code: -32000, message }, id: null }));
}
