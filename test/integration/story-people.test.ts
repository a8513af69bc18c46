/** Several people and devices, leases, freezing and the policy's terms: from the phones to the sandbox and back. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { answerOf, approve, askAndSee, endsWith, hears, numberOf, sees } from '../harness/answers.ts';
import { type Rig, startRig } from '../harness/rig.ts';
import { until } from '../harness/wait.ts';
import { createPhone } from '../phone/phone.ts';
import type { Card, Phone } from '../phone/types.ts';

let rig: Rig;
let ann: Phone;
const open: Phone[] = [];

before(async () => {
  rig = await startRig();
});
after(async () => {
  for (const phone of open) await phone.close();
  await rig?.stop();
});

const actionOf = async (card: Card): Promise<string> =>
  (await rig.entries('requested'))[numberOf(card) - 1]?.action ?? '';
const vote = (phone: Phone, card: Card): Promise<string> => phone.vote(card.id, [answerOf(card, 'Approve')]);
const sameCard = (phone: Phone, card: Card): Promise<Card> =>
  phone.until('the same card', (p) => p.cards().find((c) => c.id === card.id));
const inForce = async (card: Card) => rig.reached(await actionOf(card), 'applied');
/** What is run without a card: its result entry, once there is one more of them. */
async function runs(phone: Phone, script: string): Promise<string> {
  const before = (await rig.entries('succeeded')).length;
  await phone.say(`!run ${script}`);
  const ended = await until('one more result', async () => (await rig.entries('succeeded'))[before]);
  return (await rig.storyOf(ended.action)).join(' ');
}

test('a lease runs exactly what it names without a card, so often, and each use shows in the room', async () => {
  const first = await askAndSee(rig.phone, '!run echo leased-$((1 + 1))');
  await approve(rig.phone, first);
  await endsWith(rig.phone, first, 'exit 0');
  const grant = await askAndSee(rig.phone, `!lease ${numberOf(first)} 2 10m`);
  assert.match(grant.text, /lease: without a card each time, 2 times at most, within 10 min/);
  assert.ok(grant.text.includes('echo leased-$((1 + 1))'), 'the card shows what it covers, whole');
  assert.equal(grant.chips.length, 0, 'leases take signed answers');
  await vote(rig.phone, grant);
  await inForce(grant);
  for (const use of [1, 2]) {
    assert.equal(
      await runs(rig.phone, 'echo leased-$((1 + 1))'),
      'requested leased claimed running succeeded',
    );
    await sees(rig.phone, `by #${numberOf(grant)}, use ${use}`);
  }
  assert.match(await hears(rig.phone, '!leases', 'plan'), /No lease and no plan stands/);
  const again = await askAndSee(rig.phone, '!run echo leased-$((1 + 1))');
  await rig.phone.tap(again.id, '❌');
});

test('another command is not covered, and a revoked lease covers nothing', async () => {
  const first = await askAndSee(rig.phone, '!run true');
  await approve(rig.phone, first);
  const grant = await askAndSee(rig.phone, `!lease ${numberOf(first)} 5`);
  await vote(rig.phone, grant);
  await inForce(grant);
  const other = await askAndSee(rig.phone, '!run true # and more');
  await rig.phone.tap(other.id, '❌');
  assert.match(await runs(rig.phone, 'true'), / leased /);
  await hears(rig.phone, `!revoke ${numberOf(grant)}`, 'is over');
  const asked = await askAndSee(rig.phone, '!run true');
  await rig.phone.tap(asked.id, '❌');
});

test('a command by the clock: a card like any; under a lease of exactly that it runs without one, in a task of its own, once, though the bot was started again', async () => {
  const { phone } = rig;
  const script = 'echo by-the-clock >> clock; cat clock';
  await hears(phone, `!cron 0 0 1 1 * !run ${script}`, '⏰ 1: first at');
  const first = await askAndSee(phone, '!cron now 1');
  await approve(phone, first);
  await endsWith(phone, first, 'exit 0');
  const grant = await askAndSee(phone, `!lease ${numberOf(first)} 5 10m`);
  await vote(phone, grant);
  await inForce(grant);
  const soon = new Date(Date.now() + 70_000).getMinutes();
  await hears(phone, `!cron ${soon} * * * * !run ${script}`, '⏰ 2: first at');
  await rig.bot.kill();
  await rig.bot.start();
  await sees(phone, '⏰ 2 · !run echo by-the-clock >> clo…: begun as task 3.', 90);
  await sees(phone, `by #${numberOf(grant)}, use 1`);
  const byTheClock = (await rig.entries('requested')).at(-1)?.action ?? '';
  await rig.reached(byTheClock, 'succeeded');
  const story = 'requested leased claimed running succeeded';
  assert.equal((await rig.storyOf(byTheClock)).join(' '), story);
  await sees(phone, 'by-the-clock\n| by-the-clock');
  await hears(phone, '!crons', '⏰ 2 · !run');
  await hears(phone, `!cron 0 0 1 1 * !if ${script}\nlook at it`, '⏰ 3: first at');
  await phone.say('!cron now 3');
  await sees(phone, '⏰ 3 · look at it: begun as task 4.');
  await hears(phone, '!cron off 3', 'is over');
  await hears(phone, '!cron off 1', 'is over');
  await hears(phone, '!cron off 2', 'is over');
  await hears(phone, '!crons', 'Nothing is scheduled here.');
});

test('frozen in the room: the right chip runs nothing and leases are over; an owner thaws it by a vote', async () => {
  const first = await askAndSee(rig.phone, '!run echo x');
  await approve(rig.phone, first);
  const grant = await askAndSee(rig.phone, `!lease ${numberOf(first)} 5`);
  await vote(rig.phone, grant);
  await inForce(grant);
  await hears(rig.phone, '!freeze', 'Frozen');
  const card = await askAndSee(rig.phone, '!run echo x');
  await approve(rig.phone, card);
  await sees(rig.phone, 'everything is frozen');
  assert.deepEqual(await rig.storyOf(await actionOf(card)), ['requested', 'posted']);
  const thaw = await askAndSee(rig.phone, '!thaw');
  await vote(rig.phone, thaw);
  await inForce(thaw);
  const after = await askAndSee(rig.phone, '!run echo x');
  await approve(rig.phone, after);
  await endsWith(rig.phone, after, 'exit 0');
});

test('a further device of the owner is enrolled from the first one, by its fingerprint, and then decides', async () => {
  const tablet = await createPhone({ homeserver: rig.homeserver.url, ...rig.owner });
  open.push(tablet);
  await tablet.until('the room', (p) => p.rooms().includes(rig.room));
  await tablet.restore(rig.recoveryKey);
  await until('the bot to know the device', async () =>
    (await hears(rig.phone, '!people', rig.owner.user)).includes(`not enrolled: ${tablet.device}`),
  );
  const ask = await askAndSee(rig.phone, `!device ${tablet.device}`);
  assert.ok(ask.text.includes('enrol a further device') && ask.text.includes(tablet.device));
  await vote(rig.phone, ask);
  await inForce(ask);
  const card = await askAndSee(rig.phone, '!run echo by-tablet');
  await approve(tablet, await sameCard(tablet, card));
  await endsWith(rig.phone, card, 'exit 0');
  await hears(rig.phone, `!revoke ${tablet.device}`, 'decides nothing');
  const next = await askAndSee(rig.phone, '!run echo unread');
  await tablet.until('the next card, unread', (p) => p.timeline().some((e) => e.id === next.id && e.failed));
  await approve(rig.phone, next);
  await endsWith(rig.phone, next, 'exit 0');
});

test('a second person who only asks reads and asks; nobody’s chips count while they read, and they decide nothing', async () => {
  const account = await rig.homeserver.register('ann');
  ann = await createPhone({ homeserver: rig.homeserver.url, ...account });
  open.push(ann);
  await ann.setUpCrossSigning();
  await rig.pair(ann, 'asks');
  const card = await askAndSee(ann, '!run echo asked-by-ann');
  assert.equal(card.chips.length, 0, 'a poll: whoever reads the room would know the chips');
  assert.ok(card.text.includes('ann wants to run a command'));
  await vote(ann, card);
  await ann.tap(card.id, '✅');
  const mine = await sameCard(rig.phone, card);
  assert.deepEqual(await rig.storyOf(await actionOf(card)), ['requested', 'posted']);
  await vote(rig.phone, mine);
  await rig.reached(await actionOf(card), 'succeeded');
  await hears(ann, '!freeze', 'your role here is asks');
});

test('two persons: the first vote waits for the second, who may not be the one who asked', async () => {
  const role = await askAndSee(rig.phone, `!role ${ann.user} approves`);
  await vote(rig.phone, role);
  await inForce(role);
  const other = await startRig({ classes: { exec: { grade: 'signed', approvers: 2 } } });
  try {
    const account = await other.homeserver.register('bob');
    const bob = await createPhone({ homeserver: other.homeserver.url, ...account });
    open.push(bob);
    await bob.setUpCrossSigning();
    await other.pair(bob, 'approves');
    const card = await askAndSee(other.phone, '!run echo both');
    assert.match(card.text, /needs 2 people/);
    const action = (await other.entries('requested')).at(-1)?.action ?? '';
    await vote(other.phone, card);
    await sees(other.phone, 'you asked for it, so others have to approve it');
    await vote(bob, await sameCard(bob, card));
    await sees(other.phone, '👍 yes from bob · still needs 1 more person');
    assert.deepEqual(await other.storyOf(action), ['requested', 'posted', 'endorsed']);
    const third = await createPhone({
      homeserver: other.homeserver.url,
      ...(await other.homeserver.register('eve')),
    });
    open.push(third);
    await third.setUpCrossSigning();
    await other.pair(third, 'approves');
    const card2 = await askAndSee(other.phone, '!run echo both');
    const action2 = (await other.entries('requested')).at(-1)?.action ?? '';
    for (const phone of [bob, third]) await vote(phone, await sameCard(phone, card2));
    const end = await other.reached(action2, 'succeeded');
    assert.ok(end.body.includes('both'));
  } finally {
    await other.stop();
  }
});
