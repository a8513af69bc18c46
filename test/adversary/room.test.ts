/** A running system whose homeserver changes the room: its encryption, its members, who may what, who may read. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { hears } from '../harness/answers.ts';
import { type Hostile, hostileHomeserver } from '../harness/hostile.ts';
import { type Rig, startRig } from '../harness/rig.ts';
import { until } from '../harness/wait.ts';
import { request } from '../phone/login.ts';
import { createPhone, type Phone } from '../phone/phone.ts';
import { addMember, stateAnew, stripEncryption } from './kit/state.ts';
import { allLeave, enrol, otherDevice, puppet } from './people.ts';
import {
  approve,
  coded,
  genuine,
  mark,
  pollOf,
  pollResponse,
  refused,
  requestsWith,
  stillRuns,
  waiting,
} from './scene.ts';

let rig: Rig;
/** Between a phone and the real homeserver. */
let liar: Hostile;
/** What the bot sent into rooms or joined since it was last emptied, as `PUT /rooms/!x/send/m.room.encrypted/…`. */
let asked: string[] = [];
before(async () => {
  rig = await startRig();
  liar = await hostileHomeserver(rig.homeserver.url);
  rig.hostile.onAnswer(({ method, path }) => {
    if (/\/(send|join|invite|createRoom)/.test(path)) asked.push(`${method} ${decodeURIComponent(path)}`);
  });
});
after(async () => {
  await allLeave();
  await liar?.stop();
  await rig?.stop();
});

const alarms = async (why: RegExp): Promise<number> =>
  (await rig.entries('alarm')).filter((e) => why.test(e.body)).length;

/** The bot's whole answer to a room that is not as it made it: void, one alarm, nothing asked, all of it encrypted. */
async function guarded(change: () => Promise<unknown>, why: RegExp): Promise<void> {
  const w = await waiting(rig, 'guarded');
  const before = await alarms(why);
  asked = [];
  await change();
  await rig.reached(w.action, 'void');
  await until('the alarm', async () => (await alarms(why)) === before + 1);
  await approve(rig.phone, w.card);
  const late = mark('while-guarded');
  await hears(rig.phone, late.command, 'Not asked');
  assert.equal(await requestsWith(rig, late.name), 0);
  assert.deepEqual(await rig.storyOf(w.action), ['requested', 'posted', 'void']);
  assert.equal(await alarms(why), before + 1, 'one alarm');
  await nothingInTheClear();
}
async function nothingInTheClear(): Promise<void> {
  const rooms = asked.filter((a) => !a.includes('/sendToDevice/') && !a.includes('/redact/'));
  assert.ok(rooms.length > 0, 'what the bot sends is looked at');
  const expected = new RegExp(`/rooms/\\${rig.room}/send/m\\.room\\.encrypted/`);
  for (const one of rooms) assert.match(one, expected);
}
/** The genuine twin: the room is as it was made, the owner says to go on, and the same owner's tap runs. */
async function twin(): Promise<void> {
  await hears(rig.phone, '!resume', 'This room is as it was made');
  await genuine(rig);
}

test('attack-12 the room’s encryption is emptied or changed in a running system: nothing more is asked, nothing said in the clear', async () => {
  for (const content of [{}, { algorithm: 'm.none' }]) {
    await guarded(
      () => stateAnew(rig.hostile, rig.room, rig.botUser, { type: 'm.room.encryption', content }),
      /m\.room\.encryption was changed/,
    );
    await twin();
  }
});

test('attack-12 a tombstone points to a plaintext room: the bot does not follow it', async () => {
  const { room_id } = await rig.phone.api('POST', '/createRoom', { preset: 'public_chat' });
  const content = { body: 'this room was upgraded', replacement_room: room_id };
  await guarded(
    () => stateAnew(rig.hostile, rig.room, rig.botUser, { type: 'm.room.tombstone', content }),
    /replaced by another/,
  );
  const { name, command } = mark('in-the-new-room');
  await rig.hostile.inject(String(room_id), {
    type: 'm.room.message',
    sender: rig.owner.user,
    content: { msgtype: 'm.text', body: command },
  });
  await twin();
  assert.equal(await requestsWith(rig, name), 0);
  assert.ok(!asked.some((a) => a.includes(String(room_id))), 'it has nothing to do with that room');
});

test('attack-12 after a restart the server shows a room that was never encrypted: the bot says it, encrypted', async () => {
  const end = stripEncryption(rig.hostile, rig.room);
  await guarded(async () => {
    await rig.bot.kill();
    await rig.bot.start();
  }, /m\.room\.encryption is gone/);
  end();
  await twin();
});

test('attack-12 a phone that is told the room is not encrypted speaks in the clear, and is not heard', async () => {
  const end = stripEncryption(liar, rig.room);
  const deceived = await otherDevice(rig, { signed: true, homeserver: liar.url });
  await enrol(rig, deceived);
  const w = await waiting(rig, 'deceived');
  const { poll, ok } = await pollOf(rig, w);
  const long = await coded(rig, 'deceived-code');
  const { name, command } = mark('deceived-asks');
  const said = [
    await deceived.say(command),
    await deceived.say(long.code),
    await deceived.send(pollResponse, { [pollResponse]: { answers: [ok] } }),
  ];
  await refused(rig, w);
  await refused(rig, long);
  for (const event of said) {
    const wire = await until('it passed', () => rig.hostile.passed().get(event));
    assert.notEqual(wire.type, 'm.room.encrypted', 'the lie is complete');
  }
  assert.equal(await requestsWith(rig, name), 0);
  end();
  await stillRuns(rig, w, () => rig.phone.vote(poll, [ok]));
  await stillRuns(rig, long, () => rig.phone.say(long.code));
});

test('attack-13 history is really opened and power really given away: nothing more is asked until it is taken back', async () => {
  const bot = await puppet(rig, rig.botUser);
  const path = (type: string) => `/rooms/${encodeURIComponent(rig.room)}/state/${type}/`;
  const get = (type: string) => request(rig.homeserver.url, bot, 'GET', path(type));
  const set = (type: string, content: object) => request(rig.homeserver.url, bot, 'PUT', path(type), content);
  const changes: [string, object][] = [
    ['m.room.history_visibility', { history_visibility: 'world_readable' }],
    ['m.room.power_levels', { users: { [rig.botUser]: 100, [rig.owner.user]: 50 } }],
    ['m.room.join_rules', { join_rule: 'public' }],
  ];
  for (const [type, change] of changes) {
    const made = await get(type);
    await guarded(() => set(type, { ...made, ...change }), new RegExp(`${type} was changed`));
    await set(type, made);
    await twin();
  }
});

test('attack-13 a ghost joins: it reads nothing of what is said, and nothing more is asked', async () => {
  await guarded(
    () => addMember(rig.hostile, rig.room, '@ghost:pocket.test'),
    /@ghost:pocket\.test, whom nobody/,
  );
  await twin();
  const account = await rig.homeserver.register('ghost');
  const bot = await puppet(rig, rig.botUser);
  const membership = (what: string) =>
    request(rig.homeserver.url, bot, 'POST', `/rooms/${encodeURIComponent(rig.room)}/${what}`, {
      user_id: account.user,
    });
  const ghost: Phone = await createPhone({ homeserver: rig.homeserver.url, ...account });
  await ghost.setUpCrossSigning();
  await guarded(() => membership('invite'), /@ghost:pocket\.test, whom nobody expects, is there \(invite\)/);
  await ghost.until('the room', (p) => p.rooms().includes(rig.room));
  const warned = await hears(rig.phone, '!status', 'whom nobody expects');
  assert.match(warned, /ghost/);
  await ghost.until('what it cannot read', (p) =>
    p.timeline().some((e) => e.sender === rig.botUser && e.failed),
  );
  const read = ghost.timeline().filter((e) => e.sender === rig.botUser && e.encrypted && !e.failed);
  assert.deepEqual(read, []);
  await membership('kick');
  await ghost.close();
  await twin();
});
