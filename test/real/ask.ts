/**
 * A real model, once: SmolLM2 (135M) behind `server.mjs`, asked by the real OpenCode through the model proxy, with the tools of
 * a task offered by the real gateway. Not for what it says, but for what a real stream, template and window do. Outside of the
 * CI run, for it needs what the checkout has not:
 *     OPENCODE=…/opencode LLAMA_MODULES=…(npm i node-llama-cpp@3.21.1) LLAMA_MODEL=…/SmolLM2-135M-Instruct.Q4_1.gguf npm run real-model
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import pino from 'pino';
import type { BrainEvent } from '../../bot/src/brain/brain.ts';
import { createModels } from '../../bot/src/brain/models.ts';
import { connectOpenCode } from '../../bot/src/brain/opencode.ts';
import { openDatabase } from '../../bot/src/database.ts';
import { tokensFrom } from '../../bot/src/gateway/hold.ts';
import { createGateway } from '../../bot/src/gateway/server.ts';
import { renderModel, renderOpencode } from '../../config/brain/render.ts';
import { makeProxy } from '../../config/proxy/proxy.ts';
import { alone } from '../harness/alone.ts';
import { modelsOf } from '../harness/brain.ts';
import { until } from '../harness/wait.ts';

const { OPENCODE = '', LLAMA_MODULES = '', LLAMA_MODEL = '' } = process.env;
for (const [name, path] of Object.entries({ OPENCODE, LLAMA_MODULES, LLAMA_MODEL }))
  if (!existsSync(path)) {
    console.log(`Skipped: ${name} names nothing that is there; test/real/ask.ts says what it needs.`);
    process.exit(0);
  }

const home = mkdtempSync(join(tmpdir(), 'real-model-'));
const server = spawn(process.execPath, [join(import.meta.dirname, 'server.mjs')], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
const [port] = await once(createInterface({ input: server.stdout }), 'line');
const choices = {
  own: {
    ...({ provider: 'llama.cpp', name: 'smollm2', output: 1024 } as const),
    url: `http://127.0.0.1:${port}/v1`,
  },
};
const ways = { own: renderModel(choices.own) };
const proxy = makeProxy({ ways }).listen(0, '127.0.0.1');
await once(proxy, 'listening');
const at = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/`;
for (const [name, text] of Object.entries(renderOpencode(choices, 'pw'))) {
  mkdirSync(join(home, 'opencode'), { recursive: true });
  writeFileSync(join(home, name), text.replaceAll('http://model:8081/', at));
}
const off = [
  'AUTOUPDATE',
  'CLAUDE_CODE',
  'DEFAULT_PLUGINS',
  'EXTERNAL_SKILLS',
  'LSP_DOWNLOAD',
  'MODELS_FETCH',
];
const opencode = spawn(OPENCODE, ['serve', '--hostname', '127.0.0.1', '--port', '4097'], {
  cwd: home,
  stdio: 'ignore',
  env: {
    ...{ PATH: process.env['PATH'], HOME: home, XDG_CONFIG_HOME: home, XDG_DATA_HOME: home },
    ...{ OPENCODE_SERVER_PASSWORD: 'pw', OPENCODE_PURE: '1', OPENCODE_DISABLE_PROJECT_CONFIG: '1' },
    ...Object.fromEntries(off.map((name) => [`OPENCODE_DISABLE_${name}`, '1'])),
  },
});
const log = pino({ level: 'silent' });
const options = {
  port: 4098,
  host: '127.0.0.1',
  url: 'http://127.0.0.1:4098',
  network: false,
  token: tokensFrom(openDatabase(':memory:')),
  bound: () => ({}),
  sees: () => true,
  servers: () => [],
};
const gateway = createGateway({ ...options, log });
const nobody = () => Promise.reject(new Error('nothing is asked here'));
await gateway.run({ ...alone, wait: 1, settled: () => {}, ask: nobody });
const models = createModels(openDatabase(':memory:'), modelsOf(choices));
const brain = connectOpenCode({ url: 'http://127.0.0.1:4097', password: 'pw', models, log });
const began = Date.now();
const say = (text: string) => console.log(`${((Date.now() - began) / 1000).toFixed(1)} s  ${text}`);
const events: BrainEvent[] = [];
brain.events((e) => {
  events.push(e);
  if (e.type !== 'text' || e.done) say(JSON.stringify(e).slice(0, 300));
});
try {
  await until('the brain', () => events.some(({ type }) => type === 'up'), { seconds: 60 });
  // The first is longer than its window, which the settings do not say.
  for (const words of ['word '.repeat(9000), 'Say hello in one word.', 'List the files here.']) {
    const task = gateway.open({ task: 't', workspace: 'main' });
    const session = await brain.createSession({ title: 'a', task });
    const from = events.length;
    say(`> ${words.slice(0, 40)}`);
    await brain.prompt(session, words);
    const mine = () => events.slice(from).map(({ type }) => type);
    await until(
      'the end of its turn',
      () => mine().includes('busy') && mine().lastIndexOf('idle') > mine().lastIndexOf('busy'),
      {
        seconds: 400,
      },
    ).catch((error: unknown) => say(String(error)));
    const pieces = events.slice(from).filter((e) => e.type === 'text').length;
    say(`${pieces} pieces of text; what it is asked by now: ${models.rung('t').rung.id}`);
    await sleep(500);
  }
} finally {
  await brain.stop();
  await gateway.stop();
  proxy.close();
  for (const child of [server, opencode]) child.kill();
  rmSync(home, { recursive: true, force: true });
}
process.exit(0);
