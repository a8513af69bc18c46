/**
 * From a tool call that the model has written to its card on the phone, and from the model's first word to the first text
 * in the room: on an instance of its own that is empty, and on one with 50 tasks and 10,000 messages in the room, in turns
 * with it and with the floor, an encrypted event on the same Synapse and, for a card, one durable row. One JSON object a figure.
 */
import { randomBytes } from 'node:crypto';
import { ensureAccount } from '../../console/instance/accounts.ts';
import type { Ledger } from '../../ledger/src/client.ts';
import { hears } from '../harness/answers.ts';
import { type Instance, ledgerOf, startInstance } from '../harness/instance.ts';
import { pairedPhone } from '../harness/paired.ts';
import type { Phone, Shown } from '../phone/types.ts';
import { figure, spread } from './figures.ts';
import { type Account, type Floor, startFloor } from './floor.ts';

const rounds = Number(process.env['ROUNDS'] ?? 50);
const size = {
  tasks: Number(process.env['TASKS'] ?? 50),
  messages: Number(process.env['MESSAGES'] ?? 10_000),
};
const warmUp = 3;
const atOnce = 20;
const json = process.argv.includes('--json');
const now = (): number => performance.timeOrigin + performance.now();
const note = (text: string): void => void process.stderr.write(`bench card: ${text}\n`);

type Times = { card: number[]; text: number[]; steps: Record<string, number[]> };
type Scene = { instance: Instance; phone: Phone; ledger: Ledger; times: Times };

async function openScene(): Promise<Scene> {
  const instance = await startInstance({ model: 'scripted' });
  const phone = await pairedPhone({ address: instance.address, ...instance.owner, home: instance.home });
  const ledger = await ledgerOf(instance);
  return { instance, phone, ledger, times: { card: [], text: [], steps: {} } };
}

/** The next message of the bot's that fits, and when the phone showed it. Asks nothing of the timeline, which may be long. */
function shows(
  phone: Phone,
  what: string,
  fits: (text: string) => boolean,
): Promise<{ event: Shown; at: number }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ event: Shown; at: number }>();
  const timer = setTimeout(() => reject(new Error(`${what}: not within 60 s`)), 60_000);
  const end = phone.watch((event) => {
    if (event.sender === phone.user || !fits(String(event.content['body'] ?? ''))) return;
    end();
    clearTimeout(timer);
    resolve({ event, at: now() });
  });
  return promise;
}

/** The tasks are begun as a person would; what fills the room is said by the phone and is nothing that the bot acts on. */
async function fill({ phone }: Scene): Promise<void> {
  for (let i = 1; i <= size.tasks; i++) await hears(phone, `!new Task ${i}`, 'New task');
  for (let i = 0; i < size.messages; i += atOnce) {
    const some = Array.from({ length: Math.min(atOnce, size.messages - i) }, (_, n) => `message ${i + n}`);
    await Promise.all(some.map((body) => phone.send('m.room.message', { msgtype: 'm.notice', body })));
    if ((i + atOnce) % 1000 === 0) note(`${i + atOnce} of ${size.messages} messages`);
  }
  await Promise.all([
    shows(phone, 'the bot to have read them', (body) => body.includes('up:')),
    phone.say('!status'),
  ]);
}

/** A call of the agent's, whose card is denied once it was seen. */
async function card(
  { instance, phone, ledger, times }: Scene,
  marker: string,
  counts: boolean,
): Promise<void> {
  const coming = shows(phone, 'the card', (body) => body.includes(marker) && /^#\d+ /.test(body));
  const over = shows(phone, 'the end of the turn', (body) => body.includes(`over ${marker}.`));
  const call = `!call bash ${JSON.stringify({ script: `echo ${marker}` })}`;
  await phone.say(`Please do this.\n${call}\n!say It is over ${marker}.`);
  const { event, at } = await coming;
  const written = instance.model?.wrote.call ?? Number.NaN;
  await phone.tap(event.id, '❌');
  await over;
  if (!counts) return;
  const asked = (await ledger.since(0)).findLast((e) => e.kind === 'requested');
  const requested = Date.parse(asked?.at ?? '');
  times.card.push(at - written);
  const steps = { 'the call to requested': requested - written, 'requested to the phone': at - requested };
  for (const [step, took] of Object.entries(steps)) times.steps[step] = [...(times.steps[step] ?? []), took];
}

/** An answer that the model is still writing when its first words are shown. */
async function text(
  { instance: { model }, phone, times }: Scene,
  marker: string,
  counts: boolean,
): Promise<void> {
  if (!model) throw new Error('there is no model');
  const first = shows(phone, 'the first words', (body) => body.includes('Word1'));
  const over = shows(phone, 'the whole answer', (body) => body.includes(`over ${marker}.`));
  model.mode = 'slow';
  await phone.say(`Tell me.\n!say Word1 comes first and some others follow it until it is over ${marker}.`);
  const { at } = await first;
  model.mode = 'ok';
  if (counts) times.text.push(at - model.wrote.word);
  await over;
}

async function account(instance: Instance, user: string): Promise<Account> {
  const password = randomBytes(16).toString('hex');
  await ensureAccount(instance.address, instance.secrets.homeserver.registration, {
    ...{ user, password, admin: false },
  });
  return { user, password };
}

const print = (f: ReturnType<typeof figure>) =>
  console.log(
    json
      ? JSON.stringify(f)
      : `${f.bench}: p50 ${f.p50} ms, p99 ${f.p99} ms, floor ${f.floor.p50} ms, ratio ${f.ratio} (n=${f.n})`,
  );

const scenes: Scene[] = [];
let floor: Floor | undefined;
try {
  note('starting two instances of its own');
  const [empty, full] = [await openScene(), await openScene()];
  scenes.push(empty, full);
  const accounts = [
    await account(empty.instance, 'floor-a'),
    await account(empty.instance, 'floor-b'),
  ] as const;
  floor = await startFloor({ homeserver: empty.instance.address, accounts });
  await fill(full);
  const under = { card: [] as number[], text: [] as number[] };
  for (let i = -warmUp; i < rounds; i++) {
    for (const scene of scenes) {
      await card(scene, `c${i + warmUp}`, i >= 0);
      await text(scene, `t${i + warmUp}`, i >= 0);
    }
    const low = { card: await floor.send(1), text: await floor.send(0) };
    if (i < 0) continue;
    under.card.push(low.card);
    under.text.push(low.text);
  }
  for (const what of ['card', 'text'] as const) {
    print(figure(`card.${what}`, empty.times[what], under[what]));
    print(figure(`card.${what}.full`, full.times[what], empty.times[what]));
  }
  const more = Math.round(spread(empty.times.text).p50 - spread(under.text).p50);
  console.log(JSON.stringify({ bench: 'card.text.more than the send', unit: 'ms', p50: more }));
  for (const [name, { times }] of Object.entries({ empty, full }))
    for (const [step, took] of Object.entries(times.steps))
      console.log(JSON.stringify({ bench: `card.${name}.step ${step}`, unit: 'ms', ...spread(took) }));
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await floor?.stop();
  for (const { phone, instance } of scenes) {
    await phone.close();
    await instance.destroy();
  }
}
process.exit();
