/** A helper at the gateway: which tools it is offered, what is refused whatever it calls, and how work is handed on and comes back. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Asked } from '@pocketcoder/ledger/src/action.ts';
import pino from 'pino';
import { toolNames } from '../../bot/src/agents.ts';
import type { CrewDoor } from '../../bot/src/gateway/handing.ts';
import { createGateway, type Gateway } from '../../bot/src/gateway/server.ts';
import { alone } from '../harness/alone.ts';

let gateway: Gateway;
const asked: Asked[] = [];
const handed: object[] = [];
const results: object[] = [];
const messages: object[] = [];
const state = { over: '', halted: '', carry: (_: string): Promise<boolean> => Promise.resolve(false) };
/** The helper's file names these; its agent has all. */
const its: readonly string[] = ['read_file', 'plan', 'result'];
const crew: CrewDoor = {
  agents: [{ name: 'tests', description: 'writes tests', tools: ['read_file', 'plan'], words: 'w' }],
  has: (task, tool) => (task === 'main' ? tool !== 'result' : its.includes(tool)),
  over: () => state.over,
  hand(task, work, carry) {
    handed.push({ from: task, ...work, waits: carry !== undefined });
    if (carry) state.carry = carry;
    return work.agent === 'tests'
      ? { helper: 'the helper tests (task 2)' }
      : { wrong: 'there is no helper "x"' };
  },
  message(task, said) {
    messages.push({ from: task, ...said });
    return said.helper === 2 ? '' : 'no helper of yours at work has the number 9';
  },
  result(task, given) {
    results.push({ ...given, task });
    return '';
  },
};

before(async () => {
  const log = pino({ level: 'silent' });
  const where = { port: 0, host: '127.0.0.1', url: 'http://127.0.0.1' };
  gateway = createGateway({
    ...where,
    network: true,
    token: (task) => task.repeat(9),
    bound: () => ({}),
    sees: () => true,
    servers: () => [],
    log,
  });
  await gateway.run({
    ...{ ...alone, wait: 0.2, settled: () => {}, crew, halted: () => state.halted },
    async ask(a) {
      asked.push(a);
      const outcome = { state: 'succeeded', exit: 0, output: 'ok', truncated: false } as const;
      return { action: 'a1', outcome: Promise.resolve(outcome) };
    },
  });
});
after(() => gateway?.stop());

async function client(task: string, t: { after(fn: () => Promise<void>): void }) {
  const hands = gateway.open({ task, workspace: 'main' });
  const one = new Client({ name: 't', version: '1' });
  const requestInit = { headers: { authorization: `Bearer ${hands.token}` } };
  await one.connect(new StreamableHTTPClientTransport(new URL(hands.url), { requestInit }));
  t.after(() => one.close());
  const call = async (name: string, args: object) => {
    const { content, isError } = await one.callTool({ name, arguments: { ...args } });
    return `${isError ? 'refused ' : ''}${(content as { text: string }[])[0]?.text}`;
  };
  const names = async () => (await one.listTools()).tools.map(({ name }) => name);
  return { call, names, list: () => one.listTools() };
}
const bash = { script: 'ls' };

test('a helper is offered what its file names and its result; its agent all but that, with the helpers’ names', async (t) => {
  const [main, helper] = [await client('main', t), await client('main.2', t)];
  assert.deepEqual(
    (await main.names()).toSorted(),
    toolNames.filter((name) => name !== 'servers').toSorted(),
    'the settings name what there is',
  );
  assert.deepEqual(await helper.names(), its);
  const { tools } = await main.list();
  assert.match(
    tools.find(({ name }) => name === 'handoff')?.description ?? '',
    /The helpers: tests \(writes tests\)$/,
  );
});

test('attack-73 a helper calls its agent’s tools, by any name, or as a plan’s step: nothing is asked; its agent’s call, and its own, are', async (t) => {
  const [main, helper] = [await client('main', t), await client('main.2', t)];
  const steps = (tool: string, args: object) => ({ steps: [{ tool, arguments: args }] });
  const foreign: [string, object][] = [
    ...(['bash', 'Bash', 'shell'] as const).map((name): [string, object] => [name, bash]),
    ['write_file', { path: 'a', content: '' }],
    ['plan', steps('bash', bash)],
    ['plan', steps('Bash', { command: 'ls' })],
    ['network', { to: ['npm'] }],
    ['terminal_close', { number: 1 }],
    ['ask', { question: 'q', options: ['a', 'b'] }],
    ['handoff', { agent: 'tests', task: 'it' }],
    ['message', { helper: 2, text: 'go on' }],
  ];
  for (const [name, args] of foreign) {
    const said = await helper.call(name, args);
    assert.match(said, /^refused NOT ASKED: (you have no tool|a step of the plan is for bash)/, name);
  }
  assert.match(await main.call('result', { text: 'done' }), /^refused NOT ASKED: you have no tool "result"/);
  assert.deepEqual([asked, handed, results, messages], [[], [], [], []]);
  const path = { path: 'a' };
  for (const [who, name, args] of [
    [main, 'bash', bash],
    [helper, 'read_file', path],
    [helper, 'plan', steps('read_file', path)],
  ] as const)
    assert.match(await who.call(name, args), /^Action a1 ended/);
  assert.deepEqual(
    asked.map(({ task, kind }) => `${task} ${kind}`),
    ['main bash', 'main.2 read_file', 'main.2 plan'],
  );
});

test('work is handed on; what comes of it within the hold is the answer, and says whether it went out', async (t) => {
  const main = await client('main', t);
  handed.length = 0;
  const answer = main.call('handoff', { agent: 'tests', task: 'it' });
  while (handed.length === 0) await new Promise(setImmediate);
  const carried = state.carry('It is done.');
  assert.equal(await answer, 'It is done.');
  assert.equal(await carried, true);
  assert.match(
    await main.call('handoff', { agent: 'tests', task: 'it' }),
    /^PENDING: the helper tests \(task 2\) works on it/,
  );
  assert.equal(await state.carry('too late'), false, 'it comes as a message');
  assert.match(await main.call('assign', { agent: 'tests', task: 'it' }), /^PENDING/);
  assert.deepEqual(
    handed.map((one) => (one as { waits: boolean }).waits),
    [true, true, false],
  );
  for (const [tool, args] of [
    ['assign', { agent: 'x', task: 'it' }],
    ['handoff', { agent: 'tests' }],
  ] as const)
    assert.match(await main.call(tool, args), /^refused NOT DONE: /);
});

test('a helper at work is told more by its number; whoever is none is not, and the words say why', async (t) => {
  const main = await client('main', t);
  messages.length = 0;
  assert.match(await main.call('message', { helper: 2, text: 'use the other file' }), /^TOLD/);
  assert.match(await main.call('message', { helper: 9, text: 'x' }), /^refused NOT DONE: no helper of yours/);
  for (const wrong of [
    { helper: 'tests', text: 'x' },
    { helper: 2, text: '' },
    { helper: 2, text: 'x', task: 'main' },
  ])
    assert.match(await main.call('message', wrong), /^refused NOT DONE: message takes/);
  assert.deepEqual(messages, [
    { from: 'main', helper: 2, text: 'use the other file' },
    { from: 'main', helper: 9, text: 'x' },
  ]);
});

test('whoever was stopped meanwhile does not go on by what comes of it', async (t) => {
  const main = await client('main', t);
  handed.length = 0;
  const answer = main.call('handoff', { agent: 'tests', task: 'it' });
  while (handed.length === 0) await new Promise(setImmediate);
  state.halted = 'stopped';
  assert.equal(await state.carry('It is done.'), false);
  state.halted = '';
  assert.match(await answer, /^PENDING/);
});

test('a result that is none is told, and given again; once its work is over nothing of a helper’s counts', async (t) => {
  const helper = await client('main.2', t);
  results.length = 0;
  assert.match(
    await helper.call('result', { ok: true }),
    /^refused NOT DONE: result takes "text".*call it again\.$/,
  );
  assert.match(await helper.call('result', { text: 'done', files: ['a'] }), /^TAKEN/);
  assert.deepEqual(results, [{ task: 'main.2', text: 'done', files: ['a'] }]);
  state.over = 'your work is over';
  assert.match(await helper.call('read_file', { path: 'a' }), /^refused NOT ASKED: your work is over/);
  state.over = '';
});
