/** Brings an instance up, phase by phase. Every phase finds what an earlier run already did and goes on from there. */
import { X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { closeOpen } from '../backup/close-open.ts';
import { ensureBase } from '../engine/base.ts';
import { type Compose, ensureCompose } from '../engine/compose.ts';
import { rootOf, serviceStates } from '../engine/containers.ts';
import { ensureDocker } from '../engine/docker.ts';
import { type Engine, findEngine } from '../engine/engine.ts';
import { ensureImage } from '../engine/images.ts';
import type { Part } from '../engine/parts.ts';
import {
  addressOf,
  botOf,
  ledgerUrlOf,
  ownerOf,
  pageOf,
  phoneAddressOf,
  portsOf,
  serviceFiles,
  servicesOf,
} from '../engine/services.ts';
import { ensureAccount } from '../instance/accounts.ts';
import { askBot } from '../instance/bot-console.ts';
import { type Instance, openInstance } from '../instance/instance.ts';
import { ensurePolicy } from '../instance/policy-in-force.ts';
import { requireFree } from '../instance/ports.ts';
import { qrOf, signInLink } from '../instance/sign-in.ts';
import { writeState } from '../instance/state.ts';
import { withSubnet } from '../instance/subnets.ts';
import { writeServiceFiles } from '../instance/volumes.ts';
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

type Images = Partial<Record<Part, string>>;

async function ensureImages(engine: Engine, instance: Instance, report: Report): Promise<Images> {
  const { model, homeserver } = instance.settings;
  const parts: Part[] = ['ledger', 'bot', 'executor', 'task'];
  if (!homeserver) parts.unshift('homeserver');
  if (instance.state.reach?.listen) parts.push('entrance');
  if (model) parts.push('brain');
  if (model || homeserver) parts.push('proxy');
  const images: Images = {};
  for (const part of parts) images[part] = await ensureImage(part, engine.docker, report);
  return images;
}

/** The variables of docker-compose.yml. `filesHash` makes compose replace containers whose configuration changed. */
function writeVariables(instance: Instance, engine: Engine, images: Images, filesHash: string): void {
  const { home, state, settings } = instance;
  const { listen, way } = { listen: undefined, way: 'later', ...state.reach };
  const profiles = [
    settings.homeserver ? 'existing' : 'own',
    settings.model && 'brain',
    listen && 'entrance',
  ];
  const variables: Record<string, string> = {
    POCKETCODER_PROJECT: state.project,
    POCKETCODER_SOCKET: engine.socket,
    POCKETCODER_PORT_HOMESERVER: String(state.ports.homeserver),
    POCKETCODER_PORT_LEDGER: String(state.ports.ledger),
    POCKETCODER_SUBNET: state.subnet ?? '',
    POCKETCODER_CONFIGURATION: filesHash,
    POCKETCODER_HOMESERVER: servicesOf(instance)[0] ?? '',
    POCKETCODER_ENTRANCE_BIND: listen?.address ?? '127.0.0.1',
    POCKETCODER_PORT_HTTPS: String(listen?.https ?? 443),
    POCKETCODER_PORT_HTTP: String(listen?.http ?? 80),
    // Only certificates from outside need a way out.
    POCKETCODER_ENTRANCE_NETWORK: way === 'domain' ? 'front' : 'hall',
    COMPOSE_PROFILES: profiles.filter(Boolean).join(),
  };
  for (const part of ['homeserver', 'entrance', 'ledger', 'bot', 'executor', 'brain', 'proxy'] as const)
    variables[`POCKETCODER_IMAGE_${part.toUpperCase()}`] = images[part] ?? 'none';
  const lines = Object.entries(variables).map(([name, value]) => `${name}=${value}\n`);
  writeFileSync(join(home, 'compose.env'), lines.join(''));
}

/** Starts these services and waits until each is ready. */
async function up(running: Running, report: Report, services: readonly string[]): Promise<void> {
  const { engine, compose, instance } = running;
  await compose(['up', '--detach', ...services], report);
  await waitReady(engine.docker, instance, services);
}

async function accounts({ instance }: Running): Promise<void> {
  const { state } = instance;
  const address = addressOf(instance);
  for (const account of [
    { user: state.owner, password: state.passwords.owner, admin: false },
    { user: 'pocketcoder', password: state.passwords.bot, admin: false },
  ])
    await ensureAccount(address, state.homeserver.registration, account);
}

/** Ends the way in of an earlier start that this one does not take. */
async function endOtherWays(engine: Engine, before: Instance, { state: { reach, project } }: Instance) {
  if (before.state.reach?.way === 'tailnet' && reach?.way !== 'tailnet') await unserve();
  const entrance = (await serviceStates(engine.docker, project)).get('entrance');
  if (entrance && !reach?.listen) await engine.docker.getContainer(entrance.id).remove({ force: true });
}

/** @param terminal whether a phone could be held up to what is printed */
async function sayReady({ engine, instance }: Running, report: Report, terminal: boolean): Promise<void> {
  const { state } = instance;
  const { room } = await askBot(engine, state.project, { cmd: 'status' });
  const owner = ownerOf(instance);
  const { homeserver } = instance.settings;
  const page = pageOf(instance);
  const root = page ? new X509Certificate(await rootOf(engine.docker, state.project)).fingerprint256 : null;
  const link = signInLink(instance);
  const secret = state.shown || homeserver ? {} : { password: state.passwords.owner };
  const ready = {
    event: 'ready',
    address: phoneAddressOf(instance),
    owner,
    bot: botOf(instance),
    room,
    ...secret,
    ...(page && { page, root }),
    link,
    ledger: ledgerUrlOf(instance),
    project: state.project,
    home: instance.home,
    seconds: report.seconds(),
  };
  const password = state.shown
    ? 'the one shown at the first start (kept in secrets.json)'
    : `${state.passwords.owner}   (shown once)`;
  const signIn = homeserver
    ? [
        `In Element sign in as ${owner} with your own password and accept the invitation of ${botOf(instance)}.`,
      ]
    : [
        ...(page
          ? [`First open ${page} on the phone and follow its steps. The certificate's SHA-256:`, `  ${root}`]
          : []),
        'In Element choose "Sign in" (not "Create account"), change the server, then type:',
        `  server    ${phoneAddressOf(instance)}`,
        `  user      ${owner}`,
        `  password  ${password}`,
      ];
  // Without a way in, no phone would find what the code leads to.
  const code =
    terminal && state.reach
      ? ['Or scan this with the phone’s camera, once Element X is on it:', qrOf(link)]
      : [];
  const check = state.reach ? ['./pocketcoder doctor phone says whether a phone gets here.'] : [];
  const text = ['', ...signIn, ...code, ...check, 'Then pair that device: ./pocketcoder pair'];
  report.event(ready, text.join('\n'));
  if (!state.shown) writeState(instance.home, { ...state, shown: true });
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
  const images = await report.phase('images', 'building what is not there yet', () =>
    ensureImages(engine, instance, report),
  );
  const running = { engine, compose, instance };
  const services = servicesOf(instance);
  const [first, others] = [services.slice(0, 2), services.slice(2)];
  await report.phase('homeserver', 'starting homeserver and ledger', async () => {
    const files = serviceFiles(instance, images.task ?? '');
    const hash = await writeServiceFiles(engine.docker, instance.state.project, base.ref, files);
    writeVariables(instance, engine, images, hash);
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
