/** What the homeserver can make of the bot's own ciphertexts, and what it can read in them. */
import assert from 'node:assert/strict';
import { createDecipheriv, createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { chipsOf, hears, sees, approve as tapNamed } from '../harness/answers.ts';
import { type Hostile, hostileHomeserver, type WireEvent } from '../harness/hostile.ts';
import { type Rig, startRig } from '../harness/rig.ts';
import { until } from '../harness/wait.ts';
import type { Phone, Shown } from '../phone/phone.ts';
import { serveAs } from './kit/ciphertexts.ts';
import { allLeave, enrol, otherDevice } from './people.ts';
import {
  actionOf,
  answersOf,
  approve,
  coded,
  genuine,
  mark,
  numberOf,
  pollOf,
  ranBy,
  reaction,
  refused,
  stillRuns,
  waiting,
} from './scene.ts';

let rig: Rig;
/** Between the deceived phone and the real homeserver. */
let liar: Hostile;
let deceived: Phone;
before(async () => {
  rig = await startRig();
  liar = await hostileHomeserver(rig.homeserver.url);
  deceived = await otherDevice(rig, { signed: true, homeserver: liar.url });
  await enrol(rig, deceived);
  await genuine(rig, deceived);
});
after(async () => {
  await allLeave();
  await liar?.stop();
  await rig?.stop();
});

/** The next message of the bot's that starts something, a card or a poll, gets this ciphertext on the deceived phone. */
async function served(ciphertext: WireEvent): Promise<{ event: Promise<string> }> {
  const known = (p: Phone) => p.timeline().some((e) => e.id === ciphertext.event_id && !e.failed);
  await deceived.until('the genuine one first', known);
  const starts = (e: WireEvent) =>
    e.sender === rig.botUser && e.type === 'm.room.encrypted' && !e.content['m.relates_to'];
  return { event: serveAs(liar, starts, ciphertext) };
}
/** An event as the homeserver had it, once it came back to the bot. */
const wireOf = (event: string): Promise<WireEvent> =>
  until(`${event} on the wire`, () => rig.hostile.passed().get(event));

test('attack-46 a harmless card’s ciphertext is served under a harmful card’s id: its taps do not approve that one', async () => {
  const harmless = await waiting(rig, 'harmless');
  const swapped = await served(await wireOf(harmless.card.id));
  const harmful = await waiting(rig, 'harmful');
  assert.equal(await swapped.event, harmful.card.id);
  const shown = await deceived.until('the swapped card with its chips', (p) =>
    p.cards().find((c) => c.id === harmful.card.id && c.chips.length === 3),
  );
  assert.ok(shown.text.includes(harmless.name) && !shown.text.includes(harmful.name), 'the lie is complete');
  assert.throws(() => chipsOf(shown), 'no chip below it fits its text');
  const { named, decoy } = chipsOf(harmless.card);
  // All that the text in front of the deceived person could make them send:
  for (const key of [named.split(' ')[0] ?? '', named, decoy, '✅']) await deceived.tap(shown.id, key);
  await refused(rig, harmful);
  assert.deepEqual(await rig.storyOf(harmless.action), ['requested', 'posted']);
  await stillRuns(rig, harmless, () => tapNamed(deceived, harmless.card));
  await stillRuns(rig, harmful, () => approve(rig.phone, harmful.card));
});

test('attack-46 a poll’s ciphertext under another poll’s id: the vote approves what was shown, never the other', async () => {
  const harmless = await waiting(rig, 'poll-harmless');
  const harmful = await waiting(rig, 'poll-harmful');
  const first = await pollOf(rig, harmless);
  const swapped = await served(await wireOf(first.poll));
  const second = await pollOf(rig, harmful);
  assert.equal(await swapped.event, second.poll);
  const shown = await deceived.until('the swapped poll', (p) => p.cards().find((c) => c.id === second.poll));
  assert.ok(shown.text.includes(harmless.name) && !shown.text.includes(harmful.name), 'the lie is complete');
  await stillRuns(rig, harmless, () => deceived.vote(shown.id, [answersOf(shown).ok]));
  await refused(rig, harmful);
  await stillRuns(rig, harmful, () => rig.phone.vote(second.poll, [second.ok]));
});

test('attack-46 the homeserver gives a new card the event id of an open one: taps decide what their text shows', async () => {
  const harmless = await waiting(rig, 'id-harmless');
  const { name, command } = mark('id-harmful');
  let lied = false;
  const end = rig.hostile.onAnswer((e) => {
    if (lied || e.method !== 'PUT' || !/\/send\/m\.room\.encrypted\/card-/.test(e.path)) return;
    lied = true;
    e.response = { event_id: harmless.card.id };
  });
  await rig.phone.say(command);
  const five = await rig.phone.until('both cards’ chips below the harmless text', (p) =>
    p.cards().find((c) => c.id === harmless.card.id && c.chips.length === 6),
  );
  end();
  assert.ok(five.text.includes(harmless.name));
  const tap = await rig.phone.tap(five.id, chipsOf(harmless.card).named);
  const lines = await genuine(rig);
  assert.ok(!lines.includes(name), 'the harmful action did not run');
  const approved = (await rig.entries('approved')).find((e) => e.body.includes(tap));
  assert.ok(!approved || approved.action === harmless.action);
});

/** Everything that left the bot: to the homeserver, to the ledger, to its own log and the executor's. */
async function everythingWritten(requests: readonly string[]): Promise<string> {
  const wire = JSON.stringify([...rig.hostile.passed().values()]);
  const ledger = JSON.stringify(await rig.audit.since(0));
  return [wire, ledger, JSON.stringify(rig.bot.log), JSON.stringify(rig.executor.log), ...requests].join(
    '\n',
  );
}

test('attack-49 open tokens, nonces and codes stand nowhere in the clear, and no message has a code', async () => {
  const requests: string[] = [];
  const end = rig.hostile.onAnswer((e) => requests.push(e.path + JSON.stringify(e.request ?? '')));
  const w = await waiting(rig, 'secret');
  const { ok, no } = await pollOf(rig, w);
  const long = await coded(rig, 'secret-code');
  const { code } = long;
  const { named, decoy } = chipsOf(w.card);
  // Said by the owner where it does not belong, it goes no further.
  const holds = `it holds a secret of #${numberOf(long.card)}`;
  await hears(rig.phone, `!run echo ${code}`, `Nothing was recorded: ${holds}`);
  const words = 'words that no log may hold';
  await hears(rig.phone, words, 'No model is configured');
  await refused(rig, w);
  const logs = JSON.stringify([rig.bot.log, rig.executor.log]);
  for (const text of [words, w.name, w.card.text.split('\n')[0] ?? ''])
    assert.ok(!logs.includes(text), `${text} was logged`);
  const written = await everythingWritten(requests);
  assert.ok(
    requests.some((r) => r.includes('m.room.encrypted')),
    'what the bot sends is looked at',
  );
  const secrets = [named, decoy].map((key) => key.split(' ')[1] ?? '');
  for (const secret of [...secrets, ...[ok, no].map((id) => id.split('.')[2] ?? ''), code]) {
    assert.ok(secret.length >= 8);
    assert.ok(!written.includes(secret), `${secret} was written somewhere`);
  }
  const kept = (name: string) =>
    readdirSync(dirname(rig.pins.bot))
      .filter((file) => file.startsWith(name))
      .map((file) => readFileSync(join(dirname(rig.pins.bot), file), 'latin1'))
      .join('');
  for (const secret of [...secrets, code]) {
    assert.ok(kept('deciding.sqlite').includes(secret), 'the twin: what decides keeps it');
    assert.ok(!kept('bot.sqlite').includes(secret), 'what all the rest of the bot keeps has none');
  }
  for (const emoji of [named, decoy].map((key) => key.split(' ')[0] ?? ''))
    assert.ok(!written.includes(emoji), 'which chip is named is not told either');
  const withCode = rig.phone
    .timeline()
    .filter((e) => e.sender === rig.botUser && JSON.stringify(e.content).includes(code));
  assert.deepEqual(withCode, [], 'the code is in its file alone');
  end();
  await stillRuns(rig, w, () => approve(rig.phone, w.card));
  await stillRuns(rig, long, () => rig.phone.say(code));
});

test('attack-49 neither the order nor the transaction ids of the chips tell which one is named', async () => {
  const places = new Set<number>();
  for (let i = 0; i < 24 && places.size < 2; i++) {
    const w = await waiting(rig, 'order');
    places.add(w.card.chips.findIndex((c) => c.key === chipsOf(w.card).named));
    await rig.phone.tap(w.card.id, '❌');
  }
  assert.deepEqual([...places].sort(), [0, 1]);
});

type EncryptedFile = { url: string; key: { k: string }; iv: string; hashes: { sha256: string } };

/** Downloads an attachment and opens it, as the phone does. */
async function read(phone: Phone, e: Shown): Promise<string> {
  const file = e.content['file'] as EncryptedFile;
  const url = file.url.replace('mxc://', `${rig.homeserver.url}/_matrix/client/v1/media/download/`);
  const response = await fetch(url, { headers: { authorization: `Bearer ${phone.token}` } });
  const sealed = Buffer.from(await response.arrayBuffer());
  assert.equal(createHash('sha256').update(sealed).digest('base64').replace(/=+$/, ''), file.hashes.sha256);
  const key = Buffer.from(file.key.k, 'base64url');
  const open = createDecipheriv('aes-256-ctr', key, Buffer.from(file.iv, 'base64'));
  return Buffer.concat([open.update(sealed), open.final()]).toString();
}

test('attack-23 an action too long for a card takes no tap and no poll: only the code in the last line of its file', async () => {
  const { name } = mark('long');
  const padding = Array.from({ length: 400 }, (_, i) => `: line ${i} ${'.'.repeat(40)}`).join('\n');
  await rig.phone.say(`!run ${padding}\n: the harmful middle\n${padding}\necho ${name} | tee -a marks`);
  const card = await rig.phone.until('the long card', (p) =>
    p.timeline().find((e) => {
      const body = String(e.content['body']);
      return body.includes('too long for a card') && body.includes(name);
    }),
  );
  const text = String(card.content['body']);
  const w = { card: { ...card, text, chips: [], answers: [] }, name, action: await actionOf(rig, card.id) };
  const number = numberOf(w.card);
  const sent = await rig.phone.until('its file', (p) =>
    p.timeline().find((e) => e.content['body'] === `action-${number}.txt`),
  );
  assert.ok(!text.includes('the harmful middle') && text.includes(name));
  await rig.phone.say(`!poll ${number}`);
  await sees(rig.phone, `#${number} is too long for a poll`);
  for (const key of ['✅', '👍']) await rig.phone.tap(card.id, key);
  await rig.hostile.inject(rig.room, {
    type: 'm.reaction',
    sender: rig.owner.user,
    content: reaction(card.id, 'ok'),
  });
  await rig.phone.reply(card.id, 'yes');
  await rig.phone.reply(card.id, '0000-0000');
  assert.ok(!rig.phone.cards().some((c) => c.id === card.id && c.chips.length > 0), 'it has no chips');
  await refused(rig, w);
  const whole = await read(rig.phone, sent);
  assert.ok(whole.includes('the harmful middle'), 'the file shows all of it');
  const code = /^send (\S+) to approve #(\d+)$/.exec(whole.trimEnd().split('\n').at(-1) ?? '');
  assert.equal(Number(code?.[2]), number);
  assert.ok(
    !JSON.stringify(rig.phone.timeline()).includes(String(code?.[1])),
    'the code is in the file alone',
  );
  assert.equal((await ranBy(rig, w.action, await rig.phone.say(String(code?.[1])))).trim(), name);
});
