/** Brings an instance up, phase by phase. Every phase finds what an earlier run already did and goes on from there. */
import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { closeOpen } from '../backup/close-open.ts';
import { ensureBase } from '../engine/base.ts';
import { type Compose, ensureCompose } from '../engine/compose.ts';
import { rootOf, serviceStates } from '../engine/containers.ts';
import { ensureDocker } from '../engine/docker.ts';
import { type Engine, findEngine } from '../engine/engine.ts';
import { ensureImage, ensureTaskImage, fileOf } from '../engine/images.ts';
import type { Part } from '../engine/parts.ts';
import {
  addressOf,
  backupFile,
  botOf,
  ledgerUrlOf,
  ownerOf,
  pageOf,
  phoneAddressOf,
  portsOf,
  type Sandbox,
  secretFiles,
  serviceFiles,
  servicesOf,
} from '../engine/services.ts';
import { ensureAccount } from '../instance/accounts.ts';
import { askBot } from '../instance/bot-console.ts';
import { type Instance, openInstance, withState } from '../instance/instance.ts';
import { ensurePolicy } from '../instance/operator.ts';
import { requireFree } from '../instance/ports.ts';
import { modelsOf } from '../instance/settings-file.ts';
import { qrOf, signInLink } from '../instance/sign-in.ts';
import { withSubnet } from '../instance/subnets.ts';
import { hashOf, writeServiceFiles } from '../instance/volumes.ts';
import type { Report } from '../report.ts';
import { waitReady } from './ready.ts';
import { serve, unserve } from './tailnet.ts';
import { askOnce, withReach } from './way-in.ts';

export type Running = { engine: Engine; compose: Compose; instance: Instance };

/** Ports are only asked for where this instance doesn't have them itself already. */
async function checkPorts(engine: Engine, instance: Instance): Promise<void> {
  const running = await serviceStates(engine.docker, instance.state.project);
  for (const { service, setting, port, address } of portsOf(instance))
    if (running.get(service)?.running !== true) await requireFree(setting, port, instance.home, address);
}

/** What image a service is made of. */
const partOf = (service: string): Part =>
  ['homeserver-proxy', 'model', 'transcription'].includes(service) ? 'proxy' : (service as Part);

type Images = { parts: Map<Part, string>; sandboxes: Map<string, Sandbox> };

/** The images of all services of this instance and of what an agent's leases of the network need, by part; and of its tasks. */
async function ensureImages({ docker }: Engine, instance: Instance, report: Report): Promise<Images> {
  const { settings, home } = instance;
  const images: Images = { parts: new Map(), sandboxes: new Map() };
  const services = new Set([
    ...servicesOf(instance).map(partOf),
    ...(modelsOf(settings) ? ['egress' as const] : []),
  ]);
  const sandboxes = Object.entries({ '': settings.sandbox?.image ?? [], ...settings.sandbox?.images });
  const builds = [
    ...sandboxes.map(([workspace, made]) => async () => {
      const image = await ensureTaskImage(made, home, docker, report);
      const tools = await fileOf(docker, image, '/usr/lib/pocketcoder/tools');
      images.sandboxes.set(workspace, { image, tools: tools.toString().trim() });
    }),
    ...Array.from(services, (part) => async () => {
      images.parts.set(part, await ensureImage(part, docker, report));
    }),
  ];
  // Three at a time: each waits for the network, few machines have memory for all. Where one fails nothing further is begun.
  const begun = builds.values().map((begin) => begin());
  const build = async (): Promise<void> => {
    for (const one of begun) await one;
  };
  await Promise.all([build(), build(), build()]);
  return images;
}

/** The variables of docker-compose.yml. `filesHash` makes compose replace containers whose configuration changed. */
function writeVariables(
  instance: Instance,
  engine: Engine,
  images: ReadonlyMap<Part, string>,
  filesHash: string,
): void {
  const { home, state } = instance;
  const { listen, way } = { listen: undefined, way: 'later', ...state.reach };
  const services = servicesOf(instance);
  const variables: Record<string, string | number | undefined> = {
    // Each service that not every instance has is in a profile of its name.
    COMPOSE_PROFILES: services.join(),
    POCKETCODER_PROJECT: state.project,
    POCKETCODER_SOCKET: engine.socket,
    POCKETCODER_PORT_HOMESERVER: state.ports.homeserver,
    POCKETCODER_PORT_LEDGER: state.ports.ledger,
    POCKETCODER_SUBNET: state.subnet,
    POCKETCODER_CONFIGURATION: filesHash,
    POCKETCODER_HOMESERVER: services[0],
    POCKETCODER_ENTRANCE_BIND: listen?.address,
    POCKETCODER_PORT_HTTPS: listen?.https,
    POCKETCODER_PORT_HTTP: listen?.http,
    // Only certificates from outside need a way out.
    POCKETCODER_ENTRANCE_NETWORK: way === 'domain' ? 'front' : 'hall',
  };
  for (const [part, image] of images) variables[`POCKETCODER_IMAGE_${part.toUpperCase()}`] = image;
  const lines = Object.entries(variables).map(([name, value]) => `${name}=${value ?? ''}\n`);
  writeFileSync(join(home, 'compose.env'), lines.join(''));
}

/** Takes containers and networks of an earlier start away that were at other addresses: compose moves none under what is on it. */
async function leaveNetworks({ compose, instance: { home, state } }: Running, report: Report) {
  const before = join(home, 'compose.env');
  if (existsSync(before) && !readFileSync(before, 'utf8').includes(`SUBNET=${state.subnet}\n`))
    await compose(['down'], report);
}

/** Starts these services and waits until each is ready. */
async function up(running: Running, report: Report, services: readonly string[]): Promise<void> {
  const { engine, compose, instance } = running;
  await compose(['up', '--detach', ...services], report);
  await waitReady(engine.docker, instance, services);
}

async function accounts({ instance }: Running): Promise<void> {
  const { owner, passwords, homeserver } = instance.state;
  const people = { [owner]: passwords.owner, pocketcoder: passwords.bot };
  for (const [user, password] of Object.entries(people))
    await ensureAccount(addressOf(instance), homeserver.registration, { user, password, admin: false });
}

/** Ends the way in of an earlier start that this one does not take. */
async function endOtherWays(engine: Engine, before: Instance, { state: { reach, project } }: Instance) {
  if (before.state.reach?.way === 'tailnet' && reach?.way !== 'tailnet') await unserve();
  const entrance = (await serviceStates(engine.docker, project)).get('entrance');
  if (entrance && !reach?.listen) await engine.docker.getContainer(entrance.id).remove({ force: true });
}

/** @param terminal whether a phone could be held up to what is printed */
async function sayReady({ engine, instance }: Running, report: Report, terminal: boolean): Promise<void> {
  const { state, settings } = instance;
  const { room } = await askBot(engine, state.project, { cmd: 'status' });
  const [address, owner, bot] = [phoneAddressOf(instance), ownerOf(instance), botOf(instance)];
  const page = pageOf(instance);
  const root = page && new X509Certificate(await rootOf(engine.docker, state.project)).fingerprint256;
  const link = signInLink(instance);
  const password = state.shown || settings.homeserver ? undefined : state.passwords.owner;
  const certificate = page
    ? [`First open ${page} on the phone and follow its steps. The certificate's SHA-256:`, `  ${root}`]
    : [];
  const signIn = settings.homeserver
    ? [`In Element sign in as ${owner} with your own password and accept the invitation of ${bot}.`]
    : [
        ...certificate,
        'In Element choose "Sign in" (not "Create account"), change the server, then type:',
        `  server    ${address}`,
        `  user      ${owner}`,
        `  password  ${password ? `${password}   (shown once)` : 'the one shown at the first start (kept in secrets.json)'}`,
      ];
  // Without a way in, no phone would find what the code leads to.
  const code =
    terminal && state.reach
      ? ['Or scan this with the phone’s camera, once Element X is on it:', qrOf(link)]
      : [];
  const check = state.reach ? ['./pocketcoder doctor phone says whether a phone gets here.'] : [];
  const { project } = state;
  const ledger = ledgerUrlOf(instance);
  const facts = { address, owner, bot, room, password, ...(page && { page, root }), link, ledger, project };
  report.event(
    { event: 'ready', ...facts, home: instance.home, seconds: report.seconds() },
    ['', ...signIn, ...code, ...check, 'Then pair that device: ./pocketcoder pair'].join('\n'),
  );
  withState(instance, { ...state, shown: true });
}

/** Everything up to a running, paired-or-not instance. Throws a Fault where it cannot go on. */
export async function bringUp(report: Report, interactive: boolean): Promise<Running> {
  const asked = await askOnce(await openInstance(interactive), interactive);
  const opened = await withReach(asked);
  const engine = findEngine();
  await report.phase('docker', 'looking for the engine', () => ensureDocker(engine, opened.home, report));
  await endOtherWays(engine, asked, opened);
  await checkPorts(engine, opened);
  const instance = await withSubnet(engine.docker, opened);
  const base = await report.phase('base', 'finding the base image', () => ensureBase(engine.docker, report));
  const compose = await report.phase('compose', 'finding Docker Compose', () =>
    ensureCompose(engine, instance.home, report),
  );
  const { parts, sandboxes } = await report.phase('images', 'building what is not there yet', () =>
    ensureImages(engine, instance, report),
  );
  const running = { engine, compose, instance };
  const services = servicesOf(instance);
  const [first, others] = [services.slice(0, 2), services.slice(2)];
  await report.phase('homeserver', 'starting homeserver and ledger', async () => {
    const files = serviceFiles(instance, sandboxes, parts.get('egress'));
    const all = [...files, ...secretFiles(instance.state), backupFile(instance.home)];
    await writeServiceFiles(engine.docker, instance.state.project, base.ref, all);
    await leaveNetworks(running, report);
    writeVariables(instance, engine, parts, hashOf(files));
    await up(running, report, first);
  });
  if (!instance.settings.homeserver)
    await report.phase('accounts', 'making the accounts', () => accounts(running));
  running.instance = await closeOpen(instance, report);
  const policy = await report.phase('policy', 'comparing the settings with the policy in force', () =>
    ensurePolicy(instance),
  );
  await report.phase('up', 'starting the others', () => up(running, report, others));
  if (instance.state.reach?.way === 'tailnet')
    await report.phase('tailnet', 'serving to the tailnet', () =>
      serve(instance.state.ports.homeserver, report),
    );
  if (policy) {
    await askBot(engine, instance.state.project, { cmd: 'policy', policy });
    report.event(
      { event: 'policy', asked: true },
      'The policy in pocketcoder.yaml is not the one in force: a card in the room asks an owner for the change.',
    );
  }
  await sayReady(running, report, interactive && process.stdout.isTTY === true);
  return running;
}
