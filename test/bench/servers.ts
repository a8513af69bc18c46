/**
 * What tool servers cost: `tools/list` of a task with twenty of them pinned, three of which are dead, and a call that a lease
 * stands for, from the brain's request to its answer, by gateway, ledger, executor and the server's container. The floor, in
 * turns with them: the same server in the same kind of container, asked by a client directly. ROUNDS: how often. One JSON
 * object a figure; where a call's time goes is told after that, from the entries' times.
 */
import { Client } from '@modelcontextprotocol/client';
import { Client as Brain } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { fullName } from '../../ledger/rules/servers.cjs';
import { newId, type PinArgs } from '../../ledger/src/action.ts';
import type { Entry } from '../../ledger/src/entry.ts';
import { contained, serverOptions } from '../../sandbox/src/contained.ts';
import { heldBy } from '../../sandbox/src/exec.ts';
import { startStage } from '../adversary/evil/stage.ts';
import { callOf } from '../harness/pins.ts';
import { ownCommand, toolServerImage } from '../harness/toolserver/image.ts';
import { figure, spread } from './figures.ts';

const rounds = Number(process.env['ROUNDS'] ?? 100);
const warmUp = 5;
const count = { all: 20, dead: 3 };
const json = process.argv.includes('--json');
const note = (text: string): void => void process.stderr.write(`bench servers: ${text}\n`);
const params = { text: 'hello' };

async function timed(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now();
  await work();
  return performance.now() - from;
}

/** A call from entry to entry, in milliseconds: what lies between two of them was done by whoever wrote the later one. */
function stepsIn(entries: readonly Entry[]): object[] {
  const kinds = ['requested', 'leased', 'claimed', 'running', 'succeeded'];
  const calls = entries.filter(({ kind }) => kind === 'leased').slice(-rounds);
  return kinds.slice(1).map((kind, i) => {
    const took = calls.map(({ action }) => {
      const at = (of = '') => Date.parse(entries.find((e) => e.action === action && e.kind === of)?.at ?? '');
      return at(kind) - at(kinds[i]);
    });
    return { bench: `servers.call.step ${kinds[i]} to ${kind}`, unit: 'ms', n: took.length, ...spread(took) };
  });
}

note('starting a ledger, an executor and a gateway of their own');
const stage = await startStage(1, 30);
const { box, gate } = stage;
const image = await toolServerImage(box.docker, box.place.images[''] ?? '', box.place.project.toLowerCase());
const direct = new Client({ name: 'floor', version: '1' }, { capabilities: {} });
const brain = new Brain({ name: 'brain', version: '1' });
try {
  const command = ownCommand();
  const {
    tools,
    image: id = '',
    era,
  } = await box.tasks.servers.look(newId(), { name: 'own', image, command });
  const pin: PinArgs = {
    ...{ name: 'own', from: image, image: id, era, command },
    tools: tools.map((item) => ({ class: 'exec', item })),
  };
  note(`pinning ${count.all} servers`);
  await stage.grant('server_pin', pin);
  for (let n = 1; n < count.all; n++) {
    const dead = n <= count.dead ? { command: ownCommand('silent'), image: `sha256:${'ab'.repeat(32)}` } : {};
    await stage.grant('server_pin', { ...pin, ...dead, name: `own${n}` });
  }
  const act = { kind: 'mcp', args: callOf('say', params, pin) };
  await stage.grant('lease', { acts: [act], uses: rounds + warmUp, seconds: 3600 });

  await direct.connect(
    contained(
      { hold: () => heldBy(box.docker, serverOptions(box.place, id, command)) },
      new AbortController().signal,
    ),
  );
  const [hands] = gate.hands;
  if (!hands) throw new Error('no task');
  const requestInit = { headers: { authorization: `Bearer ${hands.token}` } };
  await brain.connect(new StreamableHTTPClientTransport(new URL(hands.url), { requestInit }) as never);

  async function list(): Promise<void> {
    const names = (await brain.listTools()).tools.map(({ name }) => name);
    const served = names.filter((name) => name.endsWith('__say')).length;
    if (served !== count.all) throw new Error(`${served} servers were listed`);
  }
  async function call(): Promise<void> {
    const { content } = await brain.callTool({ name: fullName('own', 'say'), arguments: params });
    const told = JSON.stringify(content);
    if (!told.includes('ended with exit 0') || !told.includes('hello')) throw new Error(told);
  }
  const times = { list: [], call: [], directList: [], directCall: [] } as Record<string, number[]>;
  for (let i = -warmUp; i < rounds; i++)
    for (const [what, work] of Object.entries({
      list,
      directList: () => direct.listTools(),
      call,
      directCall: () => direct.callTool({ name: 'say', arguments: params }),
    })) {
      const took = await timed(work);
      if (i >= 0) times[what]?.push(took);
    }
  for (const [what, floor] of [
    ['list', 'directList'],
    ['call', 'directCall'],
  ] as const) {
    const f = figure(`servers.${what}`, times[what] ?? [], times[floor] ?? []);
    const text = `${f.bench}: p50 ${f.p50} ms, p99 ${f.p99} ms, floor ${f.floor.p50} ms, ratio ${f.ratio} (n=${f.n})`;
    console.log(json ? JSON.stringify(f) : text);
  }
  for (const step of stepsIn(await stage.entries())) console.log(JSON.stringify(step));
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await brain.close().catch(() => {});
  await direct.close().catch(() => {});
  await stage.stop();
  await box.docker.getImage(image).remove({ force: true });
}
process.exit();
