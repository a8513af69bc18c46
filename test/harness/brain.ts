/**
 * The brain as it runs: OpenCode in its container, the model proxy in another, each closed in as in docker-compose.yml.
 * The gateway is the real one, in the test's own process; only the model is scripted.
 */
import { randomBytes } from 'node:crypto';
import type Docker from 'dockerode';
import pino from 'pino';
import type { Brain, BrainEvent } from '../../bot/src/brain/brain.ts';
import { createModels, type Model, type Models } from '../../bot/src/brain/models.ts';
import { connectOpenCode } from '../../bot/src/brain/opencode.ts';
import { openDatabase } from '../../bot/src/database.ts';
import type { CallsOptions } from '../../bot/src/gateway/calls.ts';
import { tokensFrom } from '../../bot/src/gateway/hold.ts';
import { createGateway, type Gateway } from '../../bot/src/gateway/server.ts';
import { type Models as Choices, renderModel, renderOpencode, rungsOf } from '../../config/brain/render.ts';
import { findEngine } from '../../console/engine/engine.ts';
import { ensureImage } from '../../console/engine/images.ts';
import { writeServiceFiles } from '../../console/instance/volumes.ts';
import { type ScriptedModel, startModel } from './model.ts';
import { until } from './wait.ts';

export type BrainStack = {
  brain: Brain;
  /** Every event since the start, in order. */
  events: BrainEvent[];
  gateway: Gateway;
  model: ScriptedModel;
  models: Models;
  /** This machine as containers see it, where the model listens: what the brain must not reach but by the proxy. */
  machine: string;
  /** Prompts a session and waits until it is idle again. */
  turn(session: string, text: string): Promise<void>;
  /** SIGKILL to the brain's process; `start` brings the same container up again. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** Runs a command in the brain's container, as the brain's user. */
  inside(...command: string[]): Promise<{ exit: number; output: string }>;
  /** The titles of the sessions that are there, in the brain's own words. */
  titles(): Promise<string[]>;
  /** The brain's whole log so far. */
  logs(): Promise<string>;
  stop(): Promise<void>;
};

export const key = 'the-models-real-key';

/**
 * Starts it all on networks of its own.
 * @param calls how the gateway's calls are answered
 * @param choose the models, by where this machine is; the scripted one where it is absent
 */
export async function startBrain(
  calls: CallsOptions,
  choose?: (machine: string) => Promise<Choices>,
): Promise<BrainStack> {
  const { docker } = findEngine();
  const project = `pctest-${randomBytes(4).toString('hex')}`;
  const undo: (() => Promise<unknown>)[] = [];
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await step().catch(() => {});
  };
  try {
    const [brainImage, proxyImage] = [await ensureImage('brain'), await ensureImage('proxy')];
    // As in docker-compose.yml: an internal network gives this machine no address either.
    const closed = { Internal: true, Options: { 'com.docker.network.bridge.inhibit_ipv4': 'true' } };
    const network = async (name: string, o: object) => {
      const made = await docker.createNetwork({ Name: `${project}_${name}`, ...o });
      undo.push(() => made.remove());
      return made;
    };
    await network('brain', closed);
    await network('model', closed);
    const { IPAM } = await (await network('outside', {})).inspect();
    const machine = String(IPAM?.Config?.[0]?.['Gateway']);

    const log = pino({ level: 'silent' });
    const model = await startModel({ host: machine, key });
    undo.push(model.stop);
    const gateway = createGateway({
      port: 0,
      host: machine,
      url: 'http://bot:8080',
      network: true,
      token: tokensFrom(openDatabase(':memory:')),
      bound: () => ({}),
      sees: () => true,
      servers: () => [],
      log,
    });
    const port = await gateway.run(calls);
    undo.push(gateway.stop);

    const scripted = {
      ...({ provider: 'openai-compatible', name: 'scripted', key, pictures: true } as const),
      url: `http://${machine}:${model.port}/v1`,
    };
    const choices: Choices = (await choose?.(machine)) ?? { model: scripted };
    const models = createModels(openDatabase(':memory:'), modelsOf(choices));
    const ways = Object.fromEntries(Object.entries(choices).map(([own, one]) => [own, renderModel(one)]));
    const password = randomBytes(16).toString('hex');
    const filesOf = (service: string, uid: number, files: Record<string, string>) =>
      Object.entries(files).map(([name, content]) => ({ service, name, uid, content }));
    await writeServiceFiles(docker, project, brainImage, [
      ...filesOf('brain', 10003, renderOpencode(choices, password)),
      ...filesOf('model', 10005, {
        'proxy.json': JSON.stringify({ listen: { host: '0.0.0.0', port: 8081 }, ways }),
      }),
    ]);
    for (const service of ['brain', 'model'])
      undo.push(() => docker.getVolume(`${project}_${service}_config`).remove());
    undo.push(() => docker.getVolume(`${project}_brain_data`).remove());

    const container = async (
      name: string,
      image: string,
      networks: string[],
      more: Partial<Options> = {},
    ) => {
      const [first = '', ...others] = networks.map((n) => `${project}_${n}`);
      const made = await docker.createContainer({
        Image: image,
        name: `${project}-${name}`,
        ...more,
        NetworkingConfig: { EndpointsConfig: { [first]: { Aliases: [name] } } },
        HostConfig: { ...hardened, NetworkMode: first, ...more.HostConfig },
      });
      undo.push(() => made.remove({ force: true }));
      for (const other of others)
        await docker.getNetwork(other).connect({ Container: made.id, EndpointConfig: { Aliases: [name] } });
      await made.start();
      return made;
    };
    const config = (service: string) => `${project}_${service}_config:/run/pocketcoder:ro`;
    await container('model', proxyImage, ['model', 'outside'], { HostConfig: { Binds: [config('model')] } });
    const opencode = await container('brain', brainImage, ['brain', 'model'], {
      HostConfig: { Binds: [config('brain'), `${project}_brain_data:/data`] },
    });
    // Stands where the bot stands: on the brain's network, and passes bytes on to this process and back.
    const relay = `
      const net = require('node:net');
      const pass = (from, port, host) => net.createServer((a) => {
        const b = net.connect(port, host);
        a.pipe(b).pipe(a);
        for (const [x, y] of [[a, b], [b, a]]) x.on('error', () => {}).on('close', () => y.destroy());
      }).listen(from);
      pass(8080, ${port}, '${machine}');
      pass(4096, 4096, 'brain');`;
    const bot = await container('bot', proxyImage, ['outside', 'brain'], { Cmd: ['node', '-e', relay] });
    const { NetworkSettings } = await bot.inspect();
    const address = NetworkSettings.Networks[`${project}_outside`]?.IPAddress ?? '';

    const brain = connectOpenCode({ url: `http://${address}:4096`, password, models, log });
    undo.push(brain.stop);
    const events: BrainEvent[] = [];
    brain.events((event) => events.push(event));
    await until('the brain is up', () => events.some((e) => e.type === 'up'), { seconds: 60 });
    return {
      brain,
      events,
      gateway,
      ...{ model, models },
      machine,
      async turn(session, text) {
        const from = events.length;
        await brain.prompt(session, text);
        // Idle may be told twice of the turn before: only one that follows this turn's busy counts.
        const over = () => {
          const mine = events.slice(from).filter((e) => 'session' in e && e.session === session);
          const begun = mine.findIndex((e) => e.type === 'busy');
          return begun >= 0 && mine.slice(begun).some((e) => e.type === 'idle');
        };
        // A brain that was just started reads its program from the disk, beside whatever else this machine does.
        await until('the session to have been busy and idle again', over, { seconds: 90 });
      },
      kill: () => opencode.kill({ signal: 'SIGKILL' }),
      start: () => opencode.start(),
      inside: (...command) => run(docker, opencode, command),
      async titles() {
        const authorization = `Basic ${Buffer.from(`opencode:${password}`).toString('base64')}`;
        const answer = await fetch(`http://${address}:4096/session`, { headers: { authorization } });
        return ((await answer.json()) as { title: string }[]).map(({ title }) => title);
      },
      logs: async () => (await opencode.logs({ stdout: true, stderr: true })).toString('latin1'),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** As the set-up hands them to the bot. */
export const modelsOf = (choices: Choices): Model[] =>
  Object.entries(choices).map(([name, one]) => {
    const [set, ...less] = rungsOf(one);
    if (!set) throw new Error(`no limits of ${name}`);
    return {
      ...{ name, provider: one.provider, model: one.name, pictures: one.pictures === true },
      rungs: [set, ...less],
    };
  });

type Options = Docker.ContainerCreateOptions;

/** As docker-compose.yml has it for these services. */
const hardened: Docker.HostConfig = {
  ReadonlyRootfs: true,
  CapDrop: ['ALL'],
  SecurityOpt: ['no-new-privileges:true'],
  PidsLimit: 256,
  Memory: 1536 * 1024 * 1024,
  Init: true,
  Tmpfs: { '/tmp': '' },
  // Else the engine asks the machine's own resolver for names that are not on these networks.
  Dns: ['127.0.0.1'],
};

async function run(docker: Docker, container: Docker.Container, command: string[]) {
  const exec = await container.exec({ Cmd: command, AttachStdout: true, AttachStderr: true });
  const stream = await exec.start({});
  const chunks: Buffer[] = [];
  const sink = { write: (chunk: Buffer) => chunks.push(chunk) } as unknown as NodeJS.WritableStream;
  docker.modem.demuxStream(stream, sink, sink);
  await new Promise((resolve) => stream.once('end', resolve));
  const { ExitCode } = await exec.inspect();
  return { exit: ExitCode ?? -1, output: Buffer.concat(chunks).toString() };
}
