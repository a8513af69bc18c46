/**
 * From the tap to the first byte of output at the executor, and to the output decrypted at the phone, on an instance of
 * its own. Sealed taps and signed votes are measured separately; the floor is measured between them, in the same run on
 * the same Synapse and engine. One JSON object a figure. Where our own time goes is told after that, from the entries' times.
 */
import { randomBytes } from 'node:crypto';
import { findEngine } from '../../console/engine/engine.ts';
import { ensureAccount } from '../../console/instance/accounts.ts';
import { approve, askAndSee } from '../harness/answers.ts';
import { type Instance, ledgerOf, startInstance } from '../harness/instance.ts';
import { pairedPhone } from '../harness/paired.ts';
import type { Card, Phone, Shown } from '../phone/phone.ts';
import { type Figure, figure, spread } from './figures.ts';
import { type Account, type Floor, type Round, startFloor } from './floor.ts';

const rounds = Number(process.env['ROUNDS'] ?? 100);
const warmUp = 5;
const json = process.argv.includes('--json');
const now = (): number => performance.timeOrigin + performance.now();
const note = (text: string): void => void process.stderr.write(`${text}\n`);

type Taps = Record<Kind, Round[]>;

/** Each action and when the executor's first byte of it came, in their order. */
async function firstBytes(instance: Instance): Promise<{ action: string; at: number }[]> {
  const container = findEngine().docker.getContainer(instance.container('executor'));
  const logs = (await container.logs({ stdout: true, stderr: true })).toString('utf8');
  return logs
    .split('\n')
    .filter((line) => line.includes('"first byte"'))
    .map((line) => JSON.parse(line.slice(line.indexOf('{'))) as { action: string; at: number });
}

type Kind = 'sealed' | 'signed';
type Timed = { kind: Kind; action: string; start: number; byte: number; atPhone: number; counts: boolean };

/** One tap from entry to entry, in milliseconds: what lies between two of them was done by whoever wrote the later one. */
async function profile(instance: Instance, times: readonly Timed[]): Promise<object[]> {
  const ledger = await ledgerOf(instance);
  const steps = new Map<string, number[]>();
  for (const { kind, action, start, byte, atPhone } of times.filter(({ counts }) => counts)) {
    const at = (wanted: string, story: { kind: string; at: string }[]): number =>
      Date.parse(story.find((e) => e.kind === wanted)?.at ?? '');
    const story = await ledger.story(action);
    const [approved, claimed] = [at('approved', story), at('claimed', story)];
    const between = {
      'the answer to approved': approved - start,
      'approved to claimed': claimed - approved,
      'claimed to the first byte': byte - claimed,
      'the first byte to the phone': atPhone - byte,
    };
    for (const [step, took] of Object.entries(between)) {
      const name = `tap.${kind}.step ${step}`;
      steps.set(name, [...(steps.get(name) ?? []), took]);
    }
  }
  return [...steps].map(([bench, took]) => ({ bench, unit: 'ms', n: took.length, ...spread(took) }));
}

/** Waits until the bot has nothing more to do for this card, so that no round pays for the one before. */
const settled = (phone: Phone, card: Card, polled?: Card) =>
  phone.until('the card to have ended', (p) => {
    const ended = !p.cards().some((c) => c.id === card.id); // its chips are taken away last
    return ended && (!polled || p.timeline().some((e) => ends(e, polled.id)));
  });
const ends = (e: Shown, poll: string): boolean =>
  e.type === 'org.matrix.msc3381.poll.end' &&
  (e.content['m.relates_to'] as { event_id?: string } | undefined)?.event_id === poll;

/** One tap: says what to run, answers the card, and waits for the output. */
async function tap(phone: Phone, marker: string, poll: boolean): Promise<{ start: number; atPhone: number }> {
  const card = await askAndSee(phone, `!run echo ${marker}`);
  const polled = poll ? await askAndSee(phone, `!poll ${/#(\d+)/.exec(card.text)?.[1]}`) : undefined;
  const output = new Promise<number>((resolve) => {
    const end = phone.watch((event) => {
      const body = String(event.content['body'] ?? '');
      if (!body.includes(`\n| ${marker}`)) return;
      end();
      resolve(now());
    });
  });
  const start = now();
  if (polled) await phone.vote(polled.id, [polled.answers[0]?.id ?? '']);
  else await approve(phone, card);
  const atPhone = await output;
  await settled(phone, card, polled);
  return { start, atPhone };
}

async function measure(
  instance: Instance,
  phone: Phone,
  floor: Floor,
): Promise<{ ours: Taps; under: Taps; times: Timed[] }> {
  const ours: Taps = { sealed: [], signed: [] };
  const under: Taps = { sealed: [], signed: [] };
  const taps: Omit<Timed, 'action' | 'byte'>[] = [];
  for (let i = -warmUp; i < rounds; i++)
    for (const kind of ['sealed', 'signed'] as const) {
      const poll = kind === 'signed';
      const { start, atPhone } = await tap(phone, `m${i + warmUp}${kind}`, poll);
      taps.push({ kind, start, atPhone, counts: i >= 0 });
      const low = await floor.round(poll);
      if (i >= 0) under[kind].push(low);
      if ((i + 1) % 20 === 0 && poll) note(`${i + 1} of ${rounds}`);
    }
  const bytes = (await firstBytes(instance)).slice(-taps.length); // what came before was preparation
  const times = taps.map((one, i) => ({
    ...one,
    action: bytes[i]?.action ?? '',
    byte: bytes[i]?.at ?? Number.NaN,
  }));
  for (const { kind, start, byte, atPhone, counts } of times)
    if (counts) ours[kind].push({ toByte: byte - start, toPhone: atPhone - start });
  return { ours, under, times };
}

function figures(ours: Taps, under: Taps): Figure[] {
  return (['sealed', 'signed'] as const).flatMap((kind) => [
    figure(
      `tap.${kind}.first_byte`,
      ours[kind].map((r) => r.toByte),
      under[kind].map((r) => r.toByte),
    ),
    figure(
      `tap.${kind}.output_at_phone`,
      ours[kind].map((r) => r.toPhone),
      under[kind].map((r) => r.toPhone),
    ),
  ]);
}

async function account(instance: Instance, user: string): Promise<Account> {
  const password = randomBytes(16).toString('hex');
  const secret = instance.secrets.homeserver.registration;
  await ensureAccount(instance.address, secret, { user, password, admin: false });
  return { user, password };
}

note('bench tap: starting an instance of its own');
const instance = await startInstance();
let phone: Phone | undefined;
let floor: Floor | undefined;
try {
  phone = await pairedPhone({ address: instance.address, ...instance.owner, home: instance.home });
  const [a, b] = await Promise.all([account(instance, 'floor-a'), account(instance, 'floor-b')]);
  // The task's container: made by a first action, then the floor's shell runs in it too.
  const first = await askAndSee(phone, '!run echo ready');
  await approve(phone, first);
  await settled(phone, first);
  const { docker } = findEngine();
  const [task] = await docker.listContainers({ filters: { name: [`^/${instance.project}-task-`] } });
  if (!task) throw new Error('no task container');
  floor = await startFloor({
    homeserver: instance.address,
    accounts: [a, b],
    container: docker.getContainer(task.Id),
  });
  const { ours, under, times } = await measure(instance, phone, floor);
  for (const f of figures(ours, under))
    console.log(
      json
        ? JSON.stringify(f)
        : `${f.bench}: p50 ${f.p50} ms, p99 ${f.p99} ms, floor ${f.floor.p50} ms, ratio ${f.ratio} (n=${f.n})`,
    );
  for (const step of await profile(instance, times)) console.log(JSON.stringify(step));
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await floor?.stop();
  await phone?.close();
  await instance.destroy();
}
process.exit();
