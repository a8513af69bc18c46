/** Pairing as people do it, with a phone that does what Element X does when it is asked, and nothing more. */
import assert from 'node:assert/strict';
import { after, afterEach, before } from 'node:test';
import { ensureAccount } from '../../console/instance/accounts.ts';
import type { Ledger } from '../../ledger/src/client.ts';
import { type Instance, ledgerOf, startInstance } from '../harness/instance.ts';
import { until } from '../harness/wait.ts';
import { openPhone } from './phone.ts';
import { devices } from './stories/devices.ts';
import { compares, enrolled, missing, type Operator, operator, path, story, takesUp } from './story.ts';
import type { Phone } from './types.ts';

let instance: Instance;
let ledger: Ledger;
let phone: Phone;
const phones: Phone[] = [];

before(async () => {
  if (missing) return;
  instance = await startInstance();
  ledger = await ledgerOf(instance);
});
// A phone is of one story, but for the first one, which is the owner's.
afterEach(async () => {
  for (const one of phones.splice(1)) await one.destroy();
});
after(async () => {
  await phones[0]?.destroy();
  await instance?.destroy();
});

const password = 'a password of this test alone';
/** Somebody with an account and the app, who was not invited yet. */
async function person(name: string): Promise<Phone> {
  await ensureAccount(instance.address, instance.secrets.homeserver.registration, {
    user: name,
    password,
    admin: false,
  });
  return signIn(name, password);
}
async function signIn(user: string, password: string): Promise<Phone> {
  const one = await openPhone(path, { homeserver: instance.address, user, password });
  phones.push(one);
  return one;
}
/** Accepts the invitation that the console makes the bot send. */
async function invited(one: Phone, console: Operator): Promise<void> {
  await console.hears('waiting');
  await one.join(instance.room);
}
const isEmoji = ({ event }: { event: string }): boolean => event === 'emoji';
/** Whether the app says that this one is over. */
const isEnded = (one: Phone, flow?: string): boolean =>
  one.told.some((line) => line.event === 'ended' && line.flow === flow);
/** The requests to this person that stand in the room, withdrawn ones too. */
async function requestsTo(user: string): Promise<string[]> {
  const url = `${instance.address}/_matrix/client/v3/rooms/${encodeURIComponent(instance.room)}/messages?dir=b&limit=100`;
  const answer = await fetch(url, { headers: { authorization: `Bearer ${phone.token}` } });
  type Event = { event_id: string; content: { msgtype?: string; to?: string } };
  const { chunk } = (await answer.json()) as { chunk: Event[] };
  return chunk
    .filter(({ content }) => content.msgtype === 'm.key.verification.request' && content.to === user)
    .map(({ event_id }) => event_id);
}
type Asked = { user: string; flow: string };
/** Waits for the app to ask this person whether they want to verify: it also shows what is meant for others in the room. */
const isAsked = (one: Phone): Promise<Asked> =>
  until<Asked>(
    `a request on ${one.device}`,
    async () => {
      const asked = one.take('asked');
      return asked !== undefined && (await requestsTo(one.user)).includes(asked.flow) && asked;
    },
    { seconds: again },
  );
/** Seconds of this. */
async function timed<T>(play: () => Promise<T>): Promise<{ took: number; is: T }> {
  const from = performance.now();
  const is = await play();
  return { took: (performance.now() - from) / 1000, is };
}
/** Seconds for a phone whose first request was lost, about 15 s later, on a busy machine. `bench pair` measures it. */
const again = 40;

story('the phone is in the room and the room is open: paired', async () => {
  const { user, password } = instance.owner;
  phone = await signIn(user, password);
  await until('the identity that the app makes as it signs in', phone.isVerified);
  await phone.join(instance.room);
  const room = await phone.open(instance.room);
  const { took, is: device } = await timed(() => compares(phone, operator(instance.home)));
  assert.equal(device, phone.device);
  assert.deepEqual(await enrolled(ledger), [phone.device]);
  assert.ok(took < again, `it took ${took} s`);
  await room.sees('Paired.');
});

story(
  'the console comes first: the invitation is accepted after it began, and the room is never opened',
  async () => {
    const ann = await person('ann');
    const console = operator(instance.home, ann.user, 'approves');
    await console.hears('waiting');
    await invited(ann, console);
    assert.equal(await compares(ann, console), ann.device);
    assert.deepEqual(await enrolled(ledger), [phone.device, ann.device]);
  },
);

story('a first request that the app never saw is asked again, once the room is opened', async () => {
  const bea = await person('bea');
  const console = operator(instance.home, bea.user, 'approves');
  await invited(bea, console);
  const { took, is: device } = await timed(async () => {
    await until('the first request', () => bea.take('lost') !== undefined || bea.take('asked') !== undefined);
    await bea.open(instance.room);
    return compares(bea, console);
  });
  assert.equal(device, bea.device);
  assert.ok(took < again, `it took ${took} s`);
});

story('an app in the background is asked when it comes back', async () => {
  const carl = await person('carl');
  const console = operator(instance.home, carl.user, 'approves');
  await invited(carl, console);
  await carl.open(instance.room);
  await isAsked(carl);
  await carl.offline();
  const { length } = await requestsTo(carl.user);
  const next = async () => (await requestsTo(carl.user)).length > length;
  await until('the next request', next, { seconds: again, every: 1000 });
  await carl.online();
  assert.equal(await compares(carl, console), carl.device);
});

story('of two phones the one that compares is enrolled, and the other one is not', async () => {
  const dora = await person('dora');
  const key = await dora.setUpRecovery();
  const other = await signIn('dora', password);
  assert.equal(await other.isVerified(), false);
  await other.recover(key);
  const console = operator(instance.home, dora.user, 'approves');
  await invited(dora, console);
  await Promise.all([dora.open(instance.room), other.open(instance.room)]);
  await isAsked(dora);
  assert.equal(await compares(other, console), other.device);
  assert.ok(!(await enrolled(ledger)).includes(dora.device));
});

story(
  'somebody else in the room takes up what is not for them: the right one is enrolled all the same',
  async () => {
    const erik = await person('erik');
    const console = operator(instance.home, erik.user, 'approves');
    await invited(erik, console);
    await erik.open(instance.room);
    // The engine shows it to everybody in the room, whoever it names.
    const asked = await isAsked(erik);
    await phone.accept(asked);
    await erik.accept(asked).catch(() => {}); // a next one comes where this one is over by that
    assert.equal(await compares(erik, console), erik.device);
    assert.equal(phone.take('emoji'), undefined);
    assert.ok(!(await enrolled(ledger)).slice(1).includes(phone.device));
  },
);

for (const who of ['phone', 'console'] as const)
  story(`emoji refused at the ${who}: nobody is enrolled, and it can be begun anew`, async () => {
    const fay = await person(`fay-${who}`);
    const before = await enrolled(ledger);
    const console = operator(instance.home, fay.user, 'approves');
    await invited(fay, console);
    await fay.open(instance.room);
    await takesUp(fay);
    await console.hears('emoji');
    if (who === 'phone') await fay.refuse();
    else console.answer('no');
    assert.notEqual((await console.ended()).code, 0);
    await until('the phone to say that it ended', () => isEnded(fay, fay.told.find(isEmoji)?.flow));
    assert.deepEqual(await enrolled(ledger), before);
    assert.equal(await compares(fay, operator(instance.home, fay.user, 'approves')), fay.device);
  });

story('a console that is closed withdraws the request, and the next one pairs', async () => {
  const gil = await person('gil');
  const console = operator(instance.home, gil.user, 'approves');
  await invited(gil, console);
  await gil.open(instance.room);
  const asked = await isAsked(gil);
  await console.leave();
  await until('the request to be withdrawn', () => isEnded(gil, asked.flow));
  assert.equal(await compares(gil, operator(instance.home, gil.user, 'approves')), gil.device);
});

devices({
  instance: () => instance,
  ledger: () => ledger,
  phone: () => phone,
  signIn: () => openPhone(path, { homeserver: instance.address, ...instance.owner }),
});
