/** The gateway's door: who gets in, to which task, with how much. */
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Server } from '@pocketcoder/ledger/rules/state.cjs';
import type { Asked } from '@pocketcoder/ledger/src/action.ts';
import type { Entry } from '@pocketcoder/ledger/src/client.ts';
import pino from 'pino';
import { openDatabase } from '../../bot/src/database.ts';
import { tokensFrom } from '../../bot/src/gateway/hold.ts';
import type { Held } from '../../bot/src/gateway/outcome.ts';
import { createGateway, type Gateway, type Hands } from '../../bot/src/gateway/server.ts';
import { alone } from '../harness/alone.ts';
import { callOf, pin } from '../harness/pins.ts';
import { until } from '../harness/wait.ts';

let gateway: Gateway;
let port: number;
let one: Hands;
let two: Hands;
const asked: Asked[] = [];
/** Pictures and files that each action comes to. */
let held: Held[] = [];
let served: Server[] = [];
const db = openDatabase(':memory:');
const token = tokensFrom(db);
const options = {
  port: 0,
  host: '127.0.0.1',
  url: 'http://127.0.0.1',
  network: true,
  token,
  bound: () => ({}),
  sees: (task: string) => task !== 'blind',
  servers: (workspace: string) => served.filter((one) => one.workspace === workspace),
  log: pino({ level: 'silent' }),
};

before(async () => {
  gateway = createGateway(options);
  port = await gateway.run({
    ...alone,
    wait: 5,
    settled: () => {},
    async ask(a) {
      asked.push(a);
      const outcome = { state: 'succeeded', exit: 0, output: 'ok', truncated: false, held } as const;
      return { action: 'a1', outcome: Promise.resolve(outcome) };
    },
  });
  one = gateway.open({ task: 'one', workspace: 'first' });
  two = gateway.open({ task: 'two', workspace: 'second' });
});
after(() => gateway?.stop());

const initialize = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 't', version: '1' } },
});
function post(path: string, headers: http.OutgoingHttpHeaders, body = initialize, at = port) {
  return new Promise<{ status: number; session: string }>((resolve, reject) => {
    const accept = 'application/json, text/event-stream';
    const req = http.request(
      {
        host: '127.0.0.1',
        port: at,
        method: 'POST',
        path,
        headers: { accept, 'content-type': 'application/json', ...headers },
      },
      (res) => {
        const answer = { status: res.statusCode ?? 0, session: String(res.headers['mcp-session-id'] ?? '') };
        res.resume().on('end', () => resolve(answer));
      },
    );
    req.on('error', reject);
    req.end(body);
  });
}
const bearer = (hands: Hands) => ({ authorization: `Bearer ${hands.token}` });

test('a token is its task’s alone, and the same after a restart; that of another bot opens nothing', async () => {
  assert.equal(tokensFrom(db)('one'), one.token);
  assert.notEqual(one.token, two.token);
  const foreign = { ...one, token: tokensFrom(openDatabase(':memory:'))('one') };
  assert.equal((await post('/mcp/one', bearer(foreign))).status, 401);
  const lost = { ...bearer(one), 'mcp-session-id': '0'.repeat(32) };
  assert.equal((await post('/mcp/one', lost)).status, 404, 'which a client mends by a new session');
});

test('a task has eight sessions: one more ends the oldest, whose client begins a new one; another task’s stay', async () => {
  const begin = async (hands: Hands) => (await post(`/mcp/${hands.task}`, bearer(hands))).session;
  const list = JSON.stringify({ jsonrpc: '2.0', id: 2, method: 'tools/list' });
  const lists = async (hands: Hands, session: string) =>
    (await post(`/mcp/${hands.task}`, { ...bearer(hands), 'mcp-session-id': session }, list)).status;
  const other = await begin(two);
  const oldest = await begin(one);
  const sessions = await Promise.all(Array.from({ length: 7 }, () => begin(one)));
  assert.equal(await lists(one, oldest), 200);
  sessions.push(await begin(one));
  assert.equal(await lists(one, oldest), 404);
  for (const session of sessions) assert.equal(await lists(one, session), 200);
  assert.equal(await lists(two, other), 200);
});

test('a task has 64 calls open: one more is refused until one of them is over; another task’s are taken', async (t) => {
  const { promise: over, resolve: end } = Promise.withResolvers<void>();
  const busy = createGateway(options);
  t.after(busy.stop);
  const outcome = over.then(() => ({ state: 'succeeded', exit: 0, output: '', truncated: false }) as const);
  let asked = 0;
  const at = await busy.run({
    ...alone,
    wait: 60,
    settled: () => {},
    question: async () => {
      asked++;
      await over;
      return 'answered';
    },
    ask: async () => ({ action: 'a1', outcome }),
  });
  const [full, free] = [
    busy.open({ task: 'one', workspace: 'w' }),
    busy.open({ task: 'two', workspace: 'w' }),
  ];
  const session = async (hands: Hands) =>
    (await post(`/mcp/${hands.task}`, bearer(hands), initialize, at)).session;
  const [there, elsewhere] = [await session(full), await session(free)];
  let number = 1;
  const ask = (hands: Hands, id: string) => {
    const question = { question: 'Which?', options: ['a', 'b'] };
    const params = { name: 'ask', arguments: question };
    const body = JSON.stringify({ jsonrpc: '2.0', id: ++number, method: 'tools/call', params });
    return post(`/mcp/${hands.task}`, { ...bearer(hands), 'mcp-session-id': id }, body, at);
  };
  const all = Array.from({ length: 64 }, () => ask(full, there));
  await until('all are open', () => asked === 64);
  assert.equal((await ask(full, there)).status, 429);
  const beside = ask(free, elsewhere);
  await until('another task’s is taken', () => asked === 65);
  end();
  for (const { status } of await Promise.all([...all, beside])) assert.equal(status, 200);
  assert.equal((await ask(full, there)).status, 200);
});

test('where no lease of the network can be opened there is no tool that asks for one', async (t) => {
  const other = createGateway({ ...options, network: false });
  t.after(other.stop);
  await other.run({ ...alone, wait: 5, settled: () => {}, ask: () => assert.fail() });
  const hands = other.open({ task: 'one', workspace: 'first' });
  const client = new Client({ name: 't', version: '1' });
  const requestInit = { headers: bearer(hands) };
  await client.connect(new StreamableHTTPClientTransport(new URL(hands.url), { requestInit }));
  const { tools } = await client.listTools();
  assert.equal(
    tools.some(({ name }) => name === 'network'),
    false,
  );
  const answer = await client.callTool({ name: 'network', arguments: { to: ['npm'] } });
  assert.equal(answer.isError, true);
  await client.close();
});

test('a client with its task’s token lists its tools, and its calls are its task’s', async () => {
  const client = new Client({ name: 't', version: '1' });
  const requestInit = { headers: bearer(two) };
  await client.connect(new StreamableHTTPClientTransport(new URL(two.url), { requestInit }));
  const { tools } = await client.listTools();
  assert.deepEqual(
    tools.map((t) => t.name),
    [
      ...['bash', 'read_file', 'list', 'get_file', 'grep', 'write_file', 'edit_file'],
      ...['terminal_open', 'terminal_send', 'terminal_read', 'terminal_close', 'plan', 'ask', 'network'],
    ],
  );
  await client.callTool({ name: 'bash', arguments: { script: 'x' } });
  assert.deepEqual([asked.at(-1)?.task, asked.at(-1)?.workspace], ['two', 'second']);
  await client.close();
});

test('attack-70 a pinned tool that is called like ours goes by its server’s name, and a call of ours stays ours; its list follows the pins', async (t) => {
  const client = new Client({ name: 't', version: '1' });
  const heard: string[] = [];
  client.fallbackNotificationHandler = async ({ method }) => void heard.push(method);
  await client.connect(
    new StreamableHTTPClientTransport(new URL(two.url), { requestInit: { headers: bearer(two) } }),
  );
  t.after(() => client.close());
  const listed = async () => (await client.listTools()).tools.map((tool) => tool.name);
  const before = await listed();
  const tools = [
    ...pin.tools,
    { class: 'exec' as const, item: { name: 'bash', inputSchema: { type: 'object' } } },
  ];
  const own = { ...pin, tools };
  const entry = (kind: string, body: object) => ({ kind, body: JSON.stringify(body) }) as Entry;
  served = [
    { ...own, id: 'a', workspace: 'second' },
    { ...own, name: 'theirs', id: 'b', workspace: 'first' },
  ];
  await until('it is told', () => {
    for (const workspace of ['first', 'second'])
      gateway.onEntry(entry('applied', { kind: 'server_pin', workspace }));
    return heard.includes('notifications/tools/list_changed');
  });
  assert.deepEqual(await listed(), [...before, 'own__say', 'own__look', 'own__bash']);
  await client.callTool({ name: 'bash', arguments: { script: 'ours' } });
  assert.deepEqual([asked.at(-1)?.kind, asked.at(-1)?.task], ['bash', 'two']);
  await client.callTool({ name: 'own__bash', arguments: { script: 'theirs' } });
  assert.deepEqual(asked.at(-1), {
    ...{ kind: 'mcp', args: callOf('bash', { script: 'theirs' }, own) },
    ...{ task: 'two', workspace: 'second', requester: 'brain' },
  });
  await client.callTool({ name: 'own__look', arguments: {} });
  assert.equal(asked.at(-1)?.kind, 'mcp_read');
  const count = asked.length;
  for (const name of ['theirs__say', 'own__steal', 'say'])
    assert.equal((await client.callTool({ name, arguments: {} })).isError, true, name);
  const long = { text: 'x'.repeat(70_000) };
  assert.equal((await client.callTool({ name: 'own__say', arguments: long })).isError, true);
  assert.equal(asked.length, count);
  served = [];
});

test('a model that sees is given the pictures of an answer, and no file; one that does not has the words alone', async (t) => {
  held = [
    { bytes: Buffer.from('a'), picture: 'image/png' },
    { bytes: Buffer.from('b'), picture: undefined },
  ];
  t.after(() => {
    held = [];
  });
  for (const [hands, pictures] of [
    [one, [{ type: 'image', mimeType: 'image/png', data: 'YQ==' }]],
    [gateway.open({ task: 'blind', workspace: 'first' }), []],
  ] as const) {
    const client = new Client({ name: 't', version: '1' });
    await client.connect(
      new StreamableHTTPClientTransport(new URL(hands.url), { requestInit: { headers: bearer(hands) } }),
    );
    const { content } = await client.callTool({ name: 'list', arguments: { path: '.' } });
    const [words, ...more] = content as { type: string }[];
    assert.deepEqual([words?.type, more], ['text', pictures]);
    await client.close();
  }
});

test('refused: no token, another task’s token, an unknown task, a path of another kind', async () => {
  assert.equal((await post('/mcp/one', bearer(one))).status, 200);
  for (const [path, headers] of [
    ['/mcp/one', {}],
    ['/mcp/one', bearer(two)],
    ['/mcp/one', { authorization: one.token }],
    ['/mcp/three', bearer(one)],
    ['/mcp/', bearer(one)],
    ['/mcp/%ff', bearer(one)],
    ['/', bearer(one)],
  ] as const)
    assert.equal((await post(path, headers)).status, 401, path);
});

test('a session id of one task opens nothing in another', async () => {
  const { session } = await post('/mcp/one', bearer(one));
  const list = '{"jsonrpc":"2.0","id":2,"method":"tools/list"}';
  const headers = { 'mcp-session-id': session };
  assert.equal((await post('/mcp/one', bearer(one), list)).status, 400, 'nor does none');
  assert.equal((await post('/mcp/one', { ...bearer(one), ...headers }, list)).status, 200);
  assert.equal((await post('/mcp/two', { ...bearer(two), ...headers }, list)).status, 404);
});

test('refused: another host name, another origin, too large a body, no JSON; its own origin is taken, with the token', async () => {
  const own = `http://127.0.0.1:${port}`;
  for (const host of ['evil.example', '127.0.0.1', `localhost:${port}`])
    assert.equal((await post('/mcp/one', { ...bearer(one), host })).status, 403, host);
  for (const origin of [
    'http://127.0.0.1',
    `http://localhost:${port}`,
    `https://127.0.0.1:${port}`,
    'null',
    '',
  ])
    assert.equal((await post('/mcp/one', { ...bearer(one), origin })).status, 403, origin);
  const rebound = { host: `evil.example:${port}`, origin: `http://evil.example:${port}` };
  assert.equal((await post('/mcp/one', { ...bearer(one), ...rebound })).status, 403);
  assert.equal((await post('/mcp/one', { ...bearer(one), origin: own })).status, 200);
  assert.equal((await post('/mcp/one', { origin: own })).status, 401);
  assert.equal((await post('/mcp/one', bearer(one), `"${'x'.repeat(1024 * 1024)}"`)).status, 413);
  assert.equal((await post('/mcp/one', bearer(one), '{')).status, 400);
});

test('a task keeps its token, belongs to one workspace, and is gone once closed', async () => {
  const three = gateway.open({ task: 'three', workspace: 'first' });
  assert.equal(gateway.open({ task: 'three', workspace: 'first' }).token, three.token);
  assert.throws(() => gateway.open({ task: 'three', workspace: 'second' }), /another workspace/);
  await gateway.close('three');
  assert.equal((await post('/mcp/three', bearer(three))).status, 401);
});
