/** Who reads and who is heard: real crypto on both sides, the bot's own code from the sync answer to the verdict. */
import assert from 'node:assert/strict';
import { after, before, type TestContext, test } from 'node:test';
import { wasm as W } from '@matrix-org/matrix-sdk-crypto-nodejs';
import type { Card } from '../../bot/src/approval/store.ts';
import type { Person } from '../../bot/src/approval/view.ts';
import { RefusedPlain } from '../../bot/src/proof/post.ts';
import { violated } from '../../bot/src/proof/rules.ts';
import type { Content, DeviceId, RoomId, UserId, WireEvent } from '../../bot/src/types.ts';
import { brief, forged, react, say, tap, vote } from '../adversary/small/answers.ts';
import type { Device } from '../adversary/small/device.ts';
import { type SmallWorld, smallWorld } from '../adversary/small/world.ts';
import { until } from '../harness/wait.ts';

let w: SmallWorld;
let mallory: Device;
before(async () => {
  w = await smallWorld();
  mallory = await w.device('@mallory:x', 'HERS');
  await mallory.newIdentity();
  await w.enrolledAs(mallory); // the bot knows her keys, as it knows those of any member it met
});
after(() => w.stop());

let cards = 0;
const card = (): Card => w.card(++cards);
const judged = async (...events: WireEvent[]): Promise<string> => brief(await w.serve(...events));
const approved = (c: Card): string => `approve ${c.action}`;

/** That nothing this device can send approves, though it knows every secret of the card. */
async function decidesNothing(from: Device, c: Card): Promise<void> {
  assert.equal(await judged(await say(from, c.code)), 'ignore');
  assert.equal(await judged(await vote(from, c)), 'ignore');
  assert.equal(await judged(await react(from, c.event, c.key)), 'ignore');
}
/** The genuine twin: the owner's own device, by a code, by a vote and by an encrypted reaction. */
async function twin(c: Card, from = w.owner): Promise<void> {
  assert.equal(await judged(await say(from, 'hello')), 'hear');
  assert.equal(await judged(await vote(from, c)), approved(c));
  assert.equal(await judged(await say(from, c.code)), approved(c));
  assert.equal(await judged(await react(from, c.event, c.key)), approved(c));
}
/** Enrols it for the length of a test, however that ends. */
function enrolFor(t: TestContext, device: Person): void {
  w.enrolled.push(device);
  t.after(() => void w.enrolled.splice(1));
}
/** Whether this device can open what the bot says now. The owner's phone can. */
async function reads(device: Device): Promise<boolean> {
  const said = await w.say('m.room.message', { body: 'for the enrolled' });
  await w.owner.receive();
  assert.equal((await w.owner.read(said))['body'], 'for the enrolled');
  await device.receive();
  return device.read(said).then(
    () => true,
    () => false,
  );
}

test('attack-02 a fresh device of the owner’s account, signed by nobody, reads nothing and decides nothing', async () => {
  const fresh = await w.device('@owner:x', 'FRESH');
  assert.equal(await reads(fresh), false);
  const c = card();
  await decidesNothing(fresh, c);
  assert.match(w.taken.at(-1)?.failed ?? '', /^UnsignedSenderDevice/, 'it is not even decrypted');
  await twin(c);
});

test('attack-03 a device signed with the stolen recovery key reads nothing and decides nothing until it is enrolled', async (t) => {
  const thief = await w.device('@owner:x', 'THIEF');
  t.after(() => w.directory.remove(thief));
  await thief.signWith(await w.owner.secrets());
  const device = await w.enrolledAs(thief);
  assert.equal(await reads(thief), false);
  const c = card();
  await decidesNothing(thief, c);
  await twin(c);
  enrolFor(t, device);
  assert.equal(await reads(thief), true);
  await twin(card(), thief);
  w.enrolled.pop();
  assert.equal(await reads(thief), false, 'and no more once it is removed');
});

test('attack-05 another member’s ciphertext is served with the owner as its sender', async () => {
  const c = card();
  for (const made of [
    await say(mallory, c.code),
    await vote(mallory, c),
    await react(mallory, c.event, c.key),
    await say(mallory, '!run x'),
  ])
    assert.equal(await judged({ ...made, sender: w.owner.user } as WireEvent), 'ignore');
  const genuine = await vote(w.owner, c);
  const outside = { ...genuine, sender: mallory.user } as WireEvent;
  assert.equal(await judged(outside), 'ignore');
  // Where the library let it pass, the sender of the ciphertext still has to be the sender of the event.
  const said = await say(w.owner, 'mine');
  await w.serve(said);
  const taken = w.taken.at(-1);
  assert.ok(taken);
  const lied = { ...taken, wire: { ...taken.wire, sender: mallory.user } as WireEvent };
  assert.match((await violated(lied, w.enrolled, w.gate.matrix)) ?? '', /^5: sent as @mallory:x/);
  await twin(c);
});

test('attack-07 keys that were forwarded, exported or backed up open events and prove nothing', async () => {
  const c = card();
  const unshared = async (make: () => Promise<WireEvent>): Promise<WireEvent> => {
    await w.owner.machine.invalidateGroupSession(new W.RoomId(w.room));
    const event = await make();
    w.directory.take({ user: w.botUser, device: 'BOT' }); // the key that came with it is withheld
    return event;
  };
  const keys = async (): Promise<string> => w.owner.machine.exportRoomKeys(() => true);

  const imported = await unshared(() => vote(w.owner, c));
  await w.crypto.machine.importExportedRoomKeys(await keys(), () => {});
  assert.equal(await judged(imported), 'ignore');

  const backedUp = await unshared(() => say(w.owner, c.code));
  const sessions = (JSON.parse(await keys()) as { session_id: string }[]).map(
    (k) => [k.session_id, k] as const,
  );
  const backup = new Map([[new W.RoomId(w.room), new Map(sessions)]]);
  await w.crypto.machine.importBackedUpRoomKeys(backup, () => undefined, '1');
  assert.equal(await judged(backedUp), 'ignore');

  const asked = await unshared(() => vote(w.owner, c));
  const key = (JSON.parse(await keys()) as { session_id: string }[]).find(
    (k) => k.session_id === asked.content['session_id'],
  );
  const bots = await w.owner.machine.getDevice(new W.UserId(w.botUser), new W.DeviceId('BOT'));
  const content = { ...key, org_matrix: undefined };
  const sealed = (await bots?.encryptToDeviceEvent('m.forwarded_room_key', content)) as string;
  w.directory.sendToDevice(w.owner, 'm.room.encrypted', { [w.botUser]: { BOT: JSON.parse(sealed) } });
  assert.equal(await judged(asked), 'ignore');
  assert.match(w.taken.at(-1)?.failed ?? '', /^MissingRoomKey/, 'a key that nobody asked for is not taken');

  await w.owner.machine.invalidateGroupSession(new W.RoomId(w.room));
  // Where the library took such a key all the same, its evidence says so, and that is enough.
  await twin(c);
  const taken = w.taken.at(-1);
  assert.ok(taken?.evidence);
  const changed = (evidence: object) =>
    ({ ...taken, evidence: { ...taken.evidence, ...evidence } }) as typeof taken;
  const why = (evidence: object) => violated(changed(evidence), w.enrolled, w.gate.matrix);
  assert.equal(await why({}), undefined);
  assert.match((await why({ forwarder: '@owner:x' })) ?? '', /^1: its key was forwarded/);
  assert.match((await why({ shield: 'AuthenticityNotGuaranteed' })) ?? '', /^2:/);
});

test('attack-08 one ciphertext under two event ids counts once, and one event served twice is taken once', async () => {
  const c = card();
  const genuine = await vote(w.owner, c);
  assert.equal(await judged(genuine), approved(c));
  assert.equal(await judged({ ...genuine, event_id: '$again' } as WireEvent), 'ignore');
  const before = w.taken.length;
  await w.serve(genuine);
  assert.equal(w.taken.length, before, 'the second delivery is left out');
  await twin(c);
});

test('attack-12 nothing is said in a room that the bot did not make encrypted, and a code in the clear approves nothing', async () => {
  const c = card();
  const plain = '!plain:x' as RoomId;
  await assert.rejects(w.say('m.room.message', { body: 'x' }, {}, plain), RefusedPlain);
  assert.equal(await judged(forged('m.room.message', { msgtype: 'm.text', body: c.code })), 'ignore');
  assert.equal((await w.say('m.room.message', { body: 'x' })).type, 'm.room.encrypted');
  await twin(c);
});

test('attack-13 a ghost member whom the homeserver added gets no key of what the bot says', async () => {
  const ghost = await w.device('@ghost:x', 'GHOST');
  await ghost.newIdentity();
  await w.serve(
    forged('m.room.member', { membership: 'join' }, { state_key: '@ghost:x' }),
    await say(ghost, 'hello'),
  );
  assert.equal(await reads(ghost), false);
  const c = card();
  await decidesNothing(ghost, c);
  await twin(c);
});

test('attack-10 what could not be read is heard once its key comes, once, and by all the rules; what was removed is not', async (t) => {
  w.waits.forKeys = true;
  t.after(() => {
    w.waits.forKeys = false;
  });
  const mail: ReturnType<typeof w.directory.take> = [];
  const bot = { user: w.botUser, device: 'BOT' };
  /** Something of the owner's under a room key of its own, which is held back. */
  const unread = async (make: () => Promise<WireEvent>): Promise<WireEvent> => {
    await w.owner.machine.invalidateGroupSession(new W.RoomId(w.room));
    const event = await make();
    mail.push(...w.directory.take(bot));
    return event;
  };
  const [c, late] = [card(), card()];
  const words = await unread(() => say(w.owner, 'hello'));
  const yes = await unread(() => vote(w.owner, c));
  const tooLate = await unread(() => vote(w.owner, late));
  const removed = await unread(() => say(w.owner, '!run x'));
  const events = [words, yes, tooLate, removed];
  const verdicts = (): string[] =>
    w.taken.flatMap((t) =>
      events.some((e) => e.event_id === t.wire.event_id) ? [`${t.late} ${t.failed?.slice(0, 14)}`] : [],
    );
  await w.serve(...events, await say(w.owner, 'no key came with this one either'));
  assert.deepEqual(verdicts(), Array(4).fill('undefined MissingRoomKey'));
  await w.deliver([forged('m.room.redaction', { redacts: removed.event_id })]);
  w.gate.cards.set(late.action, { open: false });
  w.directory.put(bot, mail);
  await w.deliver([]);
  await until('what could be read now was taken', () => verdicts().length === 7);
  assert.deepEqual(verdicts().slice(4), Array(3).fill('true undefined'), 'all but the one that was removed');
  for (const [event, means] of [
    [words, 'hear'],
    [yes, approved(c)],
    [tooLate, `explain ${late.action}`],
  ] as const)
    assert.equal(brief(w.verdict(event)), means);
  await w.deliver([words, yes]);
  assert.equal(verdicts().length, 7, 'served again they are no news');
  await twin(card());
});

test('attack-17 an edit of the owner’s approves nothing', async () => {
  const c = card();
  const edit = { 'm.relates_to': { rel_type: 'm.replace', event_id: '$before' } };
  const inner = { 'm.new_content': { msgtype: 'm.text', body: c.code } };
  for (const more of [edit, inner, { ...edit, ...inner }]) {
    assert.equal(await judged(await say(w.owner, c.code, more)), 'tell');
    assert.equal(await judged(await vote(w.owner, c, more)), 'tell');
  }
  await twin(c);
});

test('attack-09 an encrypted reaction counts for what stands inside it, whatever relation stands beside it', async () => {
  const [c, other] = [card(), card()];
  const on = (of: Card, key: string) => ({ rel_type: 'm.annotation', event_id: of.event, key });
  for (const outer of [
    undefined,
    { rel_type: 'm.reference', event_id: c.event },
    on(c, c.key),
    on(other, other.key),
  ]) {
    const verdict = await w.serve(await react(w.owner, c.event, c.key, outer));
    assert.ok(verdict.do === 'approve' && verdict.card.action === c.action && verdict.grade === 'signed');
    assert.deepEqual([verdict.evidence.form, verdict.evidence.device], ['chip', w.owner.device]);
  }
  // One without a relation inside, onto which the homeserver put a key that it saw: no better than what it makes up itself.
  const empty = await w.owner.send('m.reaction', {}, [w.botUser]);
  assert.equal(await judged({ ...empty, event_id: '$bare' } as WireEvent), 'ignore');
  const grafted = await w.owner.send('m.reaction', {}, [w.botUser]);
  grafted.content['m.relates_to'] = on(other, other.key);
  const verdict = await w.serve(grafted);
  assert.ok(verdict.do === 'approve' && verdict.grade === 'sealed' && !verdict.evidence.device);
  assert.equal(await judged(await react(w.owner, c.event, '❌')), `deny ${c.action}`);
  assert.equal(await judged(await react(w.owner, c.event, '🛑')), 'stop');
});

test('attack-20 a stranger’s verification is not taken up, and what the operator did not confirm enrols nobody', async () => {
  const dora = await w.device('@dora:x', 'DORA');
  await dora.newIdentity();
  const from = (sender: string, type: string, content: Content) =>
    forged(type, content, { sender } as Partial<WireEvent>);
  const request = {
    ...{ msgtype: 'm.key.verification.request', body: 'verify me', methods: ['m.sas.v1'] },
    ...{ from_device: mallory.device, to: w.botUser },
  };
  const asked = from(mallory.user, 'm.room.message', request);
  const started = from(mallory.user, 'm.key.verification.start', {
    ...{ from_device: mallory.device, method: 'm.sas.v1', hashes: ['sha256'] },
    ...{ key_agreement_protocols: ['curve25519-hkdf-sha256'], short_authentication_string: ['emoji'] },
    message_authentication_codes: ['hkdf-hmac-sha256.v2'],
    'm.relates_to': { rel_type: 'm.reference', event_id: asked.event_id },
  });
  const before = w.sent.length;
  await w.serve(asked, started);
  assert.equal(w.sent.length, before, 'the bot says nothing to it');

  const verified = async () => (await w.gate.matrix.identityNow(dora.user as UserId))?.verified;
  await assert.rejects(w.pair(dora, { answer: () => false }), /not confirmed.*nobody enrolled/);
  assert.equal(await verified(), false);
  // The twin, while the stranger tries to take the flow over or to end it.
  const meanwhile = (flow: string) => {
    const related = { 'm.relates_to': { rel_type: 'm.reference', event_id: flow } };
    const ready = { from_device: mallory.device, methods: ['m.sas.v1'], ...related };
    return [
      from(mallory.user, 'm.key.verification.ready', ready),
      from(mallory.user, 'm.key.verification.cancel', { code: 'm.user', reason: 'no', ...related }),
    ];
  };
  const enrolled = await w.pair(dora, {
    answer: (bots, phones) => bots === phones && bots.split(' ').length === 7,
    meanwhile,
  });
  assert.deepEqual({ ...enrolled, role: 'owner' }, await w.enrolledAs(dora));
  assert.equal(await verified(), true);
});

test('attack-45 chat and commands in the clear, from an unenrolled device, or replayed, are not heard', async (t) => {
  const command = { msgtype: 'm.text', body: '!run x' };
  assert.equal(await judged(forged('m.room.message', command)), 'ignore');
  const other = await w.device('@owner:x', 'OTHER');
  t.after(() => w.directory.remove(other));
  assert.equal(await judged(await say(other, '!run x')), 'ignore');
  await other.signWith(await w.owner.secrets());
  assert.equal(await judged(await say(other, '!run x')), 'ignore');
  const genuine = await say(w.owner, '!run x');
  assert.equal(await judged(genuine), 'hear');
  assert.equal(await judged({ ...genuine, event_id: '$replayed' } as WireEvent), 'ignore');
  for (const more of [{ 'm.new_content': {} }, { 'm.relates_to': { rel_type: 'm.replace' } }])
    assert.equal(await judged(await say(w.owner, '!run x', more)), 'tell', 'an edit');
});

test('attack-47 a device hidden from the bot that reads the cards from the key backup can sign nothing', async (t) => {
  const hidden = await w.device('@owner:x', 'HIDDEN');
  t.after(() => w.directory.remove(hidden));
  await hidden.signWith(await w.owner.secrets());
  const end = w.directory.tamper((answer) => void delete answer.device_keys['@owner:x']?.['HIDDEN']);
  const c = card();
  const shown = await w.say('m.room.message', { body: `the card and its code ${c.code}` });
  await w.owner.receive();
  await hidden.machine.importExportedRoomKeys(await w.owner.machine.exportRoomKeys(() => true), () => {});
  assert.match(String((await hidden.read(shown))['body']), new RegExp(c.code), 'it reads the card');
  await decidesNothing(hidden, c);
  end();
  await decidesNothing(hidden, c);
  await twin(c);
});

test('attack-48 the enrolled device’s id comes back with new keys, signed by the thief of the signing keys', async (t) => {
  const phone = await w.device('@owner:x', 'TABLET');
  await phone.signWith(await w.owner.secrets());
  const was = await w.enrolledAs(phone);
  enrolFor(t, was);
  await twin(card(), phone);
  w.directory.remove(phone);
  await w.gate.matrix.forceQuery(w.owner.user as UserId); // the bot sees it gone
  const impostor = await w.device('@owner:x', 'TABLET');
  t.after(() => w.directory.remove(impostor));
  await impostor.signWith(await w.owner.secrets());
  await w.enrolledAs(impostor); // the bot sees the new keys
  const now = await w.gate.matrix.deviceNow(w.owner.user as UserId, 'TABLET' as DeviceId);
  assert.ok(now?.crossSigned && now.ed25519 !== was.ed25519, 'and that they are signed');
  assert.equal(await reads(impostor), false);
  const c = card();
  await decidesNothing(impostor, c);
  await twin(c);
});

test('attack-45 a command opens in the room where it was said and in no other', async () => {
  const command = await say(w.owner, '!get secrets.txt');
  const verdict = await w.serve(command); // its key came with it
  const open = async (room: string) =>
    JSON.parse((await w.crypto.decrypt(room as RoomId, { ...command, room_id: room })).event) as {
      content: Content;
    };
  await assert.rejects(
    open('!other:x'),
    (error: W.MegolmDecryptionError) => error.code === W.DecryptionErrorCode.MissingRoomKey,
  );
  assert.equal((await open(w.room)).content['body'], '!get secrets.txt');
  assert.ok(verdict.do === 'ask');
  const { act, evidence } = verdict.command;
  assert.deepEqual(act, { kind: 'get_file', args: { path: 'secrets.txt' } });
  assert.deepEqual(
    [evidence.form, evidence.device, evidence.event],
    ['command', w.owner.device, command.event_id],
  );
});

test('attack-49 the key of a sealed chip stands nowhere outside its ciphertext', async () => {
  const key = '🦊 4F7KQ2ZD';
  const inner = { 'm.relates_to': { rel_type: 'm.annotation', event_id: '$card', key } };
  const outer = { rel_type: 'm.reference', event_id: '$card' };
  const chip = await w.say('m.reaction', inner, { outerRelation: outer });
  assert.ok(!JSON.stringify(chip).includes('4F7KQ2ZD') && !JSON.stringify(chip).includes('🦊'));
  assert.deepEqual(chip.content['m.relates_to'], outer);
  await w.owner.receive();
  assert.deepEqual((await w.owner.read(chip))['m.relates_to'], inner['m.relates_to'], 'inside it is whole');
});

test('attack-51 a member with an identity of their own who is no approver reads nothing and decides nothing', async () => {
  const c = card();
  assert.equal(await reads(mallory), false);
  await decidesNothing(mallory, c);
  const hers = { sender: mallory.user } as Partial<WireEvent>;
  for (const key of [c.key, '❌', '🛑']) assert.equal(await judged(tap(c.event, key, hers)), 'ignore', key);
  assert.equal(await judged(forged('m.room.redaction', { redacts: c.event }, hers)), 'ignore');
  assert.equal(await judged(tap(c.event, c.key)), approved(c));
  await twin(c);
});

test('attack-79 what a stranger sends to the bot’s device, or the server in a stranger’s name, is not written down', async (t) => {
  const stranger = await w.device('@stranger:x', 'THEIRS');
  await stranger.newIdentity();
  w.strangers.add(stranger.user);
  t.after(() => w.strangers.delete(stranger.user));
  const sessions = async () => (await w.crypto.machine.roomKeyCounts()).total;
  const before = await sessions();
  const event = await say(stranger, 'hello');
  assert.equal(await judged(event), 'ignore');
  assert.match(w.taken.at(-1)?.failed ?? '', /^MissingRoomKey/);
  assert.equal(await sessions(), before, 'their key is not there');
  // The twin: the same person where they belong, whose keys come, though they decide nothing.
  const person = await w.device('@person:x', 'THEIRS');
  await person.newIdentity();
  await w.enrolledAs(person);
  assert.equal(await judged(await say(person, 'hello')), 'ignore');
  assert.equal(w.taken.at(-1)?.failed, undefined);
  assert.equal(await sessions(), before + 1);
});
