/**
 * What other agents offer a model when they are started by the Agent Client Protocol with their own tools off and a task's given
 * by the real gateway: docs/models.md, “Other brains”, says what was seen, and this says whether it still is so. Outside of the
 * CI run, for it needs what the checkout has not; what is not there is skipped:
 *     AGENTS=… (npm i --ignore-scripts PACKAGE@VERSION of the table's there) npm run other-brains
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import pino from 'pino';
import { openDatabase } from '../../bot/src/database.ts';
import { tokensFrom } from '../../bot/src/gateway/hold.ts';
import { createGateway, type Hands } from '../../bot/src/gateway/server.ts';
import { alone } from '../harness/alone.ts';
import { startModel } from '../harness/model.ts';
import { until } from '../harness/wait.ts';

const { AGENTS = '' } = process.env;
const packed = (name: string) => join(AGENTS, 'node_modules', name);

type Row = {
  package: string;
  args: string[];
  env: Record<string, string>;
  files?: Record<string, string>;
  auth?: string;
  /** Of `session/new`, beside what the protocol knows. */
  meta?: object;
  /** A call of its own shell, which is not offered; absent where it takes none of the scripted model's. */
  shell?: { tool: string; args: object };
  /** What it offers beside ours, as it was seen; `none of ours` where those are not there. */
  beside: string[];
  /** A session may call what was given to another one of its process. */
  shared?: true;
};

/** Every name that Qwen Code gives a tool, from its own list: it takes no rule for all of them. */
function toolsOfQwen(): string[] {
  const chunks = join(packed('@qwen-code/qwen-code'), 'chunks');
  for (const name of existsSync(chunks) ? readdirSync(chunks) : []) {
    const [, names] = /\nvar ToolNames = \{([^}]*)\}/.exec(readFileSync(join(chunks, name), 'utf8')) ?? [];
    if (names) return [...names.matchAll(/: "(\w+)"/g)].map(([, tool = '']) => tool);
  }
  return [];
}

/** @param chat where the scripted model is @param other where any other interface is noted, and refused */
function rows(chat: string, other: string): Record<string, Row> {
  const qwen = (memory: boolean): Row => ({
    package: '@qwen-code/qwen-code/cli-entry.js',
    args: ['--acp', '--approval-mode', 'yolo'],
    env: { OPENAI_API_KEY: 'k', OPENAI_BASE_URL: chat, OPENAI_MODEL: 'scripted' },
    files: {
      '.qwen/settings.json': JSON.stringify({
        ...{ general: { enableAutoUpdate: false }, privacy: { usageStatisticsEnabled: false } },
        ...{ security: { auth: { selectedType: 'openai' } }, model: { name: 'scripted' } },
        memory: { enableManagedAutoMemory: memory, enableManagedAutoDream: memory },
        tools: { core: ['none'], computerUse: { enabled: false } },
        permissions: { deny: toolsOfQwen() },
        disableAllHooks: true,
      }),
    },
    shell: { tool: 'run_shell_command', args: { command: 'touch owned', is_background: false } },
    // The second conversation that it holds for its memory keeps no rule.
    beside: memory ? ['edit', 'run_shell_command', 'write_file'] : [],
  });
  const opencode = {
    ...{
      permission: { '*': 'deny', 't1_*': 'allow', 't2_*': 'allow' },
      autoupdate: false,
      share: 'disabled',
    },
    ...{ enabled_providers: ['m'], model: 'm/scripted', small_model: 'm/scripted' },
    provider: {
      m: {
        ...{ npm: '@ai-sdk/openai-compatible', options: { baseURL: chat, apiKey: 'k' } },
        models: { scripted: { tool_call: true, limit: { context: 128_000, output: 8192 } } },
      },
    },
  };
  const codex = [
    'shell_tool',
    'unified_exec',
    'multi_agent',
    'goals',
    'apps',
    'plugins',
    'js_repl',
    'skills',
  ];
  return {
    'Qwen Code': qwen(false),
    'Qwen Code with its memory': qwen(true),
    OpenCode: {
      package: 'opencode-linux-x64-baseline/bin/opencode',
      args: ['acp', '--pure'],
      env: { OPENCODE_DISABLE_MODELS_FETCH: '1', OPENCODE_DISABLE_DEFAULT_PLUGINS: '1' },
      files: { '.config/opencode/opencode.json': JSON.stringify(opencode) },
      shell: { tool: 'bash', args: { command: 'touch owned', description: 'x' } },
      ...{ beside: [], shared: true },
    },
    'Copilot CLI': {
      package: '@github/copilot/npm-loader.js',
      // biome-ignore format: words of a command line
      args: ['--acp', '--disable-builtin-mcps', '--no-auto-update', '--allow-all-tools', '--available-tools', 't1', 't2'],
      env: { COPILOT_PROVIDER_BASE_URL: chat, COPILOT_MODEL: 'scripted', COPILOT_OFFLINE: 'true' },
      shell: { tool: 'bash', args: { command: 'touch owned', description: 'x' } },
      beside: [],
    },
    'Claude Code': {
      package: '@agentclientprotocol/claude-agent-acp/dist/index.js',
      args: [],
      env: { ANTHROPIC_API_KEY: 'k', ANTHROPIC_BASE_URL: other, DISABLE_AUTOUPDATER: '1' },
      meta: { claudeCode: { options: { tools: [] } } },
      beside: ['DeferredToolPlaceholder'],
    },
    Codex: {
      package: '@zed-industries/codex-acp-linux-x64/bin/codex-acp',
      args: ['tools.view_image', ...codex.map((name) => `features.${name}`)].flatMap((name) => [
        '-c',
        `${name}=false`,
      ]),
      env: { OPENAI_API_KEY: 'k' },
      files: {
        '.codex/config.toml': `model = "gpt-5"\nmodel_provider = "m"\nweb_search = "disabled"\n[model_providers.m]\nname = "m"\nbase_url = "${other}"\nwire_api = "responses"\n`,
      },
      auth: 'openai-api-key',
      // biome-ignore format: a list of names
      beside: ['list_mcp_resource_templates', 'list_mcp_resources', 'read_mcp_resource', 'request_user_input', 'update_plan', 'view_image'],
    },
    'Gemini CLI': {
      package: '@google/gemini-cli/bundle/gemini.js',
      args: ['--acp'],
      env: { GEMINI_API_KEY: 'k', GOOGLE_GEMINI_BASE_URL: other, GEMINI_CLI_TRUST_WORKSPACE: 'true' },
      files: {
        '.gemini/settings.json': JSON.stringify({
          ...{ model: { name: 'gemini-2.5-flash' }, security: { auth: { selectedType: 'gemini-api-key' } } },
          ...{ privacy: { usageStatisticsEnabled: false }, tools: { core: ['none'] } },
        }),
      },
      auth: 'gemini-api-key',
      beside: ['none of ours'],
    },
  };
}

type Message = { id?: number; method?: string; result?: { sessionId?: string }; error?: { message: string } };

/** A client of the protocol that serves an agent nothing: no file, no terminal, and no leave is given. */
function client(child: ChildProcess) {
  const open = new Map<number, (m: Message) => void>();
  const send = (message: object) => child.stdin?.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  child.stdin?.on('error', () => {});
  if (child.stdout)
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (!line.startsWith('{')) return;
      const m = JSON.parse(line) as Message;
      if (m.id === undefined) return;
      if (m.method) return send({ id: m.id, error: { code: -32_601, message: 'not served' } });
      open.get(m.id)?.(m);
    });
  return async (method: string, params: object): Promise<Message> => {
    const { promise, resolve } = Promise.withResolvers<Message>();
    const id = open.size + 1;
    open.set(id, resolve);
    send({ id, method, params });
    const late = { error: { message: `${method}: no answer` } };
    return Promise.race([promise, sleep(60_000, late, { ref: false })]);
  };
}

/** Tools by their names, however an interface writes them. */
const namesIn = (body: string): string[] => {
  type Tool = { name?: string; function?: { name: string }; functionDeclarations?: Tool[]; tools?: Tool[] };
  const flat = (tools: Tool[], before = ''): string[] =>
    tools.flatMap((t) => {
      const within = t.functionDeclarations ?? t.tools;
      return within ? flat(within, t.name ? `${t.name}__` : '') : [`${before}${t.function?.name ?? t.name}`];
    });
  return body ? flat((JSON.parse(body) as { tools?: Tool[] }).tools ?? []) : [];
};
const ours = (name: string) => /(?:^|_)t[12](?:-|_+)/.test(name);

const noted: string[] = [];
const elsewhere = http.createServer(async (req, res) => {
  let body = '';
  for await (const chunk of req) body += chunk;
  noted.push(...namesIn(body));
  res.writeHead(400, { 'content-type': 'application/json' });
  res.end('{"error":{"type":"invalid_request_error","message":"noted"}}');
});
await once(elsewhere.listen(0, '127.0.0.1'), 'listening');
const portOf = (server: http.Server) => (server.address() as AddressInfo).port;
const model = await startModel();
const asked: { task: string; script: unknown }[] = [];
const outcome = Promise.resolve({ state: 'succeeded', output: '', truncated: false } as const);
const gateway = createGateway({
  ...{ port: 0, host: '127.0.0.1', url: 'http://127.0.0.1', network: true },
  ...{ bound: () => ({}), sees: () => true, servers: () => [] },
  ...{ token: tokensFrom(openDatabase(':memory:')), log: pino({ level: 'silent' }) },
});
await gateway.run({
  ...{ ...alone, wait: 20, settled: () => {} },
  ask: async ({ task, args }) => ({
    action: `a${asked.push({ task, script: Object(args)['script'] })}`,
    outcome,
  }),
});

/** Two sessions of one process. Returns what is otherwise than the row says. */
async function look(row: Row, home: string, ask: ReturnType<typeof client>): Promise<string[]> {
  const fs = { readTextFile: false, writeTextFile: false };
  await ask('initialize', { protocolVersion: 1, clientCapabilities: { fs, terminal: false } });
  if (row.auth) await ask('authenticate', { methodId: row.auth });
  const begin = async (name: string, { url, token }: Hands) => {
    const headers = [{ name: 'Authorization', value: `Bearer ${token}` }];
    const mcpServers = [{ type: 'http', name, url, headers }];
    const made = await ask('session/new', { cwd: join(home, 'work'), mcpServers, _meta: row.meta });
    if (!made.result?.sessionId) throw new Error(`no session: ${JSON.stringify(made.error)}`);
    return made.result.sessionId;
  };
  const one = await begin('t1', gateway.open({ task: 'one', workspace: 'main' }));
  const two = await begin('t2', gateway.open({ task: 'two', workspace: 'main' }));
  const all = () => [...noted, ...model.seen.flatMap(({ tools }) => tools)];
  const say = (sessionId: string, text: string) =>
    ask('session/prompt', { sessionId, prompt: [{ type: 'text', text }] });
  await sleep(4000); // Tools come when they come: no agent says that it has them.
  const wrong: string[] = [];
  if (row.shell) {
    await say(one, 'hello');
    await say(two, 'hello');
    const bash = (n: number) =>
      all().find((name) => ours(name) && name.includes(`t${n}`) && /bash$/.test(name));
    await say(one, `!call ${bash(1)} {"script":"own"}`);
    await say(two, `!call ${bash(2)} {"script":"own"}`);
    await say(one, `!call ${bash(2)} {"script":"another's"}`);
    await say(one, `!call ${row.shell.tool} ${JSON.stringify(row.shell.args)}`);
    const mine = ['one', 'two'].map((task) => ({ task, script: 'own' }));
    const expected = [...mine, ...(row.shared ? [{ task: 'two', script: "another's" }] : [])];
    if (!isDeepStrictEqual(asked, expected)) wrong.push(`asked: ${JSON.stringify(asked)}`);
    if (existsSync(join(home, 'work/owned'))) wrong.push('its own shell ran, which was not offered');
    await sleep(4000); // What it does beside the turn.
  } else {
    void say(one, 'hello');
    await until('it offers tools or asks without any', () => noted.length > 0, { seconds: 20 }).catch(
      () => {},
    );
  }
  const beside = [...new Set(all().filter((name) => !ours(name)))].sort();
  if (!all().some(ours)) beside.push('none of ours');
  if (!isDeepStrictEqual(beside, row.beside))
    wrong.push(`offers beside ours: ${beside.join(' ') || 'nothing'}`);
  return wrong;
}

let failed = 0;
const at = (server: number) => `http://127.0.0.1:${server}`;
for (const [name, row] of Object.entries(rows(`${at(model.port)}/v1`, at(portOf(elsewhere))))) {
  const path = packed(row.package);
  if (!AGENTS || !existsSync(path)) {
    console.log(`skipped  ${name}: ${row.package} is not in AGENTS`);
    continue;
  }
  const from = Date.now();
  const home = mkdtempSync(join(tmpdir(), 'other-brain-'));
  mkdirSync(join(home, 'work'));
  for (const [file, text] of Object.entries(row.files ?? {})) {
    mkdirSync(dirname(join(home, file)), { recursive: true });
    writeFileSync(join(home, file), text);
  }
  for (const list of [noted, model.seen, asked]) list.length = 0;
  const [command = '', ...args] = path.endsWith('.js')
    ? [process.execPath, path, ...row.args]
    : [path, ...row.args];
  const env = { PATH: `${dirname(process.execPath)}:${process.env['PATH']}`, HOME: home, ...row.env };
  const child = spawn(command, args, {
    cwd: join(home, 'work'),
    env,
    stdio: ['pipe', 'pipe', 'ignore'],
    detached: true,
  });
  const ended = once(child, 'exit');
  const gone = ended.then(([code]) => [`it ended with ${code}`]);
  const wrong = await Promise.race([gone, look(row, home, client(child)).catch((e: unknown) => [String(e)])]);
  try {
    process.kill(-Number(child.pid), 'SIGKILL');
  } catch {} // It is gone already.
  await ended;
  rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  if (wrong.length > 0) failed++;
  console.log(
    wrong.length > 0
      ? `changed  ${name}: ${wrong.join('; ')}`
      : `as said  ${name} (${Math.round((Date.now() - from) / 1000)} s)`,
  );
}
await gateway.stop();
await model.stop();
elsewhere.closeAllConnections();
process.exit(failed > 0 ? 1 : 0);
