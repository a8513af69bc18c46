/**
 * The whole way on real parts, with the seams open: Synapse and the ledger in containers, a hostile homeserver between
 * Synapse and the bot, bot and executor as processes that a test can kill. What separates the parts is not here; the
 * connection tests show that on the composed system.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkout } from '../../console/instance/paths.ts';
import { policyFrom } from '../../console/instance/policy.ts';
import type { Term } from '../../ledger/rules/policy.cjs';
import { newId, type Role } from '../../ledger/src/action.ts';
import type { Entry, Ledger } from '../../ledger/src/client.ts';
import { createPhone, type Phone } from '../phone/phone.ts';
import { consoleOf } from './console.ts';
import { executorService } from './executor.ts';
import { type Account, type Homeserver, startHomeserver } from './homeserver.ts';
import { type Hostile, hostileHomeserver } from './hostile.ts';
import { removeProject } from './instance.ts';
import { startLedger, type TestLedger } from './ledger.ts';
import { lifeOf } from './life.ts';
import { type Service, service } from './service.ts';
import { until } from './wait.ts';

export type RigOptions = {
  form?: 'chip' | 'poll';
  /** Seconds. */
  decide_within?: number;
  execute_within?: number;
  /** For single classes, over the rest. */
  classes?: Record<string, Partial<Term>>;
  quick?: number;
  /** Where the page of the timeline is opened; nowhere without. */
  timeline?: string;
  /** Its phone sends again what the homeserver did not take. */
  patient?: boolean;
  /** Its bot tells figures. */
  metrics?: true;
};
export type Rig = {
  /** What the engine's containers and volumes of this one are labelled with. */
  project: string;
  homeserver: Homeserver;
  hostile: Hostile;
  ledger: TestLedger;
  /** The chain as the auditor reads it. */
  audit: Ledger;
  bot: Service;
  executor: Service;
  /** Where each keeps what it saw of the ledger. */
  pins: { bot: string; executor: string };
  botUser: string;
  owner: Account;
  phone: Phone;
  /** Signs another device of the owner's account. */
  recoveryKey: string;
  /** The operator's place. */
  console: ReturnType<typeof consoleOf>;
  room: string;
  /** Pairs a phone as the operator would, and enrols it. */
  pair(phone: Phone, role?: Role): Promise<void>;
  /** Entries of this kind, newest last. */
  entries(kind: string): Promise<Entry[]>;
  /** The kinds of an action's entries. */
  storyOf(action: string): Promise<string[]>;
  /** Waits until the action's story has an entry of one of these kinds. */
  reached(action: string, ...kinds: string[]): Promise<Entry>;
  /** How often this script's marker was really run, from the executor's claims. */
  claims(): Promise<number>;
  stop(): Promise<void>;
};

/** Starts everything, pairs one phone, and waits for the bot's first words. */
export async function startRig(options: RigOptions = {}): Promise<Rig> {
  const dir = mkdtempSync(join(tmpdir(), 'rig-'));
  const undo: (() => Promise<unknown> | unknown)[] = [() => rmSync(dir, { recursive: true, force: true })];
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await Promise.resolve(step()).catch(() => {});
  };
  try {
    const [homeserver, ledger] = await Promise.all([startHomeserver(), startLedger()]);
    undo.push(homeserver.stop, ledger.stop);
    const hostile = await hostileHomeserver(homeserver.url);
    undo.push(hostile.stop);
    const owner = await homeserver.register('owner');
    const botAccount = await homeserver.register('pocketcoder');
    const project = `rig-${newId()}`;
    undo.push(() => removeProject(project));

    const botFile = join(dir, 'bot.json');
    writeFileSync(
      botFile,
      JSON.stringify({
        project,
        ledger: { url: ledger.url, password: ledger.passwords.bot },
        homeserver: {
          url: hostile.url,
          server_name: homeserver.serverName,
          user: 'pocketcoder',
          password: botAccount.password,
        },
        owner: owner.user,
        brain: null,
        gateway: { host: '127.0.0.1', port: 0, url: 'http://127.0.0.1' },
        // The test phone answers at once, which for a person would be too quick to have read anything.
        quick: options.quick ?? 0,
        timezone: 'Europe/Berlin',
        ...(options.timeline && { timeline: options.timeline }),
        tools: { '': 'what a test needs' },
        ...(options.metrics && { metrics: { backup: join(dir, 'backup.json') } }),
      }),
      { mode: 0o600 },
    );
    const state = join(dir, 'bot');
    const bot = service(
      [join(checkout, 'bot/src/main.ts'), botFile],
      { BOT_STATE: state, BOT_READY: join(dir, 'bot.ready') },
      'ready',
    );
    const executor = await executorService(dir, project, ledger);
    undo.push(
      () => bot.kill(),
      () => executor.kill(),
    );
    const operator = await ledger.connect('operator');
    const { form = 'chip', decide_within = 600, execute_within = 120, classes = {} } = options;
    const policy = policyFrom({ form, decide_within, execute_within, classes });
    await operator.append({ kind: 'policy.set', body: { policy } });
    await Promise.all([bot.start(), executor.start()]);
    const phone = await createPhone({
      homeserver: homeserver.url,
      ...owner,
      patient: options.patient ?? false,
    });
    undo.push(() => phone.close());
    const recoveryKey = await phone.setUpCrossSigning();
    const audit = await ledger.connect('auditor');
    const created = await until('the workspace', async () =>
      (await audit.since(0)).find((e) => e.kind === 'workspace.created'),
    );
    const { room } = JSON.parse(created.body) as { room: string };

    const operatorConsole = consoleOf(join(state, 'console.sock'));
    async function pair(which: Phone, role: Role = 'owner'): Promise<void> {
      const device = await operatorConsole.pair(which);
      await operator.append({ kind: 'identity.enrolled', body: { ...device, role } });
    }
    await pair(phone);
    await phone.until('the bot’s first words', (p) =>
      p.timeline().some((e) => String(e.content['body'] ?? '').includes('Paired.')),
    );
    const entries = async (kind: string) => (await audit.since(0)).filter((e) => e.kind === kind);
    return {
      project,
      homeserver,
      hostile,
      ledger,
      audit,
      bot,
      executor,
      pins: { bot: join(state, 'ledger.pin'), executor: join(dir, 'executor', 'ledger.pin') },
      botUser: botAccount.user,
      owner,
      phone,
      recoveryKey,
      console: operatorConsole,
      room,
      pair,
      entries,
      storyOf: async (action) => lifeOf(await audit.story(action)),
      reached: (action, ...kinds) =>
        until(`${kinds.join(' or ')} of ${action}`, async () =>
          (await audit.story(action)).find((e) => kinds.includes(e.kind)),
        ),
      claims: async () => (await entries('claimed')).length,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
