/** What the relay makes of events besides decisions: on the real desk, book and cards, a ledger in memory, no network. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Card } from '../../bot/src/approval/store.ts';
import { quiet } from '../../bot/src/room/ignored.ts';
import { createRelay } from '../../bot/src/room/relay.ts';
import type { Tour } from '../../bot/src/room/tour.ts';
import { troubleStore } from '../../bot/src/room/troubles.ts';
import type { Context, Conversation } from '../../bot/src/tasks/conversation.ts';
import type { Evidence, Taken, WithMark } from '../../bot/src/types.ts';
import { type Append, LedgerError } from '../../ledger/src/client.ts';
import { makeBook } from '../../sandbox/src/claim.ts';
import { asked, log, room, startDesk, workspace } from '../harness/desk.ts';
import { enrol, owner } from '../harness/ledger-chain.ts';
import { until } from '../harness/wait.ts';

function scene() {
  const state = {
    off: '' as string | undefined,
    master: owner.master,
    downFor: '',
    told: [] as string[][],
    to: [] as string[],
  };
  const more = {
    heard: new Map<string, string>(),
    stories: new Map<string, object[]>(),
    amended: [] as string[][],
  };
  const interrupted: string[] = [];
  let troubled = () => '';
  const d = startDesk({ trouble: () => troubled() });
  const { append } = d.wide;
  d.wide.append = async (e: Append) => {
    if (e.kind === state.downFor) throw new LedgerError('unreachable', 0, 'down');
    return append(e);
  };
  Object.assign(d.matrix, {
    troubleNow: async () => state.off || undefined,
    identityNow: async () => ({ verified: true, violation: false, master: state.master }),
  });
  const conversation = {
    interrupt: async (workspace: string) => void interrupted.push(workspace),
    taskIn: (_: string, id = 'task') => ({ id }),
    amend: (...edit: string[]) => more.amended.push(edit) > 0,
    heardIn: (event: string) => more.heard.get(event),
    asking: () => [{ id: 't2', title: 'Paint' }],
    async hear(_: string, text: string, { about = '', line = '', task }: Context = {}) {
      state.told.push([line ? `${line}\n\n${text}` : text, about]);
      state.to.push(task?.id ?? '');
      return 'heard';
    },
  } as unknown as Conversation;
  const tour = { first() {}, did() {} } as unknown as Tour;
  /** As after a restart: what is on the disk stays. */
  const removed: string[] = [];
  const start = () => {
    const troubles = troubleStore(d.db);
    troubled = () => troubles.why(room);
    const board = { removed: (event: string) => void removed.push(event) };
    const parts = {
      ...d,
      ledger: { ...d.ledger, story: async (action: string) => more.stories.get(action) ?? [] } as never,
      conversation,
      troubles,
      tour,
      sentFiles: {} as never,
      dictation: {} as never,
      schedules: {} as never,
      agents: [],
      health: () => [],
      ...{ repository: () => assert.fail(), show: () => assert.fail(), board },
      log,
    };
    const relay = createRelay(parts);
    /** @param withMark what is to be written as soon as the event counts as taken: at once, unless a test holds it */
    async function take(t: Taken, withMark: WithMark = (write) => write()): Promise<void> {
      await relay.take(t, await d.decide.take(t), withMark);
      await new Promise(setImmediate); // what is answered without waiting for anything has its answer
    }
    return { ...relay, take };
  };
  let events = 0;
  const event = (over: Partial<Taken> = {}, device = owner.device): Taken => ({
    room,
    encrypted: true,
    type: 'm.room.message',
    content: { msgtype: 'm.text', body: 'hello' },
    evidence: {
      sender: owner.user,
      device,
      claimedEd25519: owner.ed25519,
      curve25519: owner.curve25519,
      session: 'S',
      index: events,
    } as Evidence,
    ...over,
    wire: {
      type: 'm.room.encrypted',
      event_id: `$${++events}`,
      sender: owner.user,
      content: {},
      origin_server_ts: 0,
      ...over.wire,
    } as Taken['wire'],
  });
  const say = (body: string) => event({ content: { msgtype: 'm.text', body } });
  const alarms = () =>
    d.memory.entries.filter((e) => e.kind === 'alarm').map((e) => JSON.parse(e.body) as { reason: string });
  return { ...d, ...more, state, interrupted, removed, relay: start(), start, event, say, alarms };
}
const replying = (to: string) => ({ 'm.relates_to': { 'm.in_reply_to': { event_id: to } } });
const clear = { encrypted: false, evidence: undefined } as Partial<Taken>;

test('attack-45 what is not heard is told once a kind and device, with what to do; what is usual is not', async () => {
  const s = scene();
  const strange: [Taken, string][] = [
    [s.event({}, 'TABLET'), 'not paired (TABLET)'],
    [s.event({ content: { msgtype: 'm.file', body: 'x' } }, 'LAPTOP'), 'not paired (LAPTOP)'],
    [s.event({ failed: 'UnsignedSenderDevice: x', evidence: undefined }), 'not paired. Only'],
    [s.event(clear), 'not encrypted'],
    [s.event({ failed: 'MissingRoomKey: x', evidence: undefined }), 'its key has not come here'],
    [s.event({ failed: 'Unknown: x', evidence: undefined }), 'could not be decrypted'],
    [s.event({ failed: 'MismatchedSender: x', evidence: undefined }), 'did not make'],
  ];
  for (const [t, says] of strange) {
    for (let i = 0; i < 50; i++)
      await s.relay.take({ ...t, wire: { ...t.wire, event_id: `$x${i}` as never } });
    assert.ok(s.said.at(-1)?.includes(says), `${says}: ${s.said.at(-1)}`);
  }
  assert.equal(s.said.length, strange.length);
  assert.equal(s.alarms().length, strange.length);
  s.matrix.replay = () => false;
  await s.relay.take(s.event());
  assert.ok(s.said.at(-1)?.includes('an old message of yours'));
  s.matrix.replay = () => true;
  const before = [s.said.length, s.alarms().length];
  await s.relay.take(s.event({ ...clear, type: 'm.reaction', content: { 'm.relates_to': { key: '👍' } } }));
  await s.relay.take(s.event({ content: { msgtype: 'm.notice', body: 'x' } }));
  await s.relay.take(s.event({ ...clear, wire: { sender: '@stranger:x' } as Taken['wire'] }));
  assert.deepEqual([s.said.length, s.alarms().length], before);
  await s.relay.take(s.event());
  await new Promise(setImmediate);
  assert.equal(s.said.at(-1), 'heard', 'the genuine twin is');
  s.stop();
});

test('attack-45 however many devices somebody signs, the room and the ledger get a handful of alarms', async () => {
  const s = scene();
  for (let i = 0; i < 100; i++) await s.relay.take(s.event({}, `D${i}\u202e\n`));
  assert.equal(s.alarms().length, quiet.most);
  assert.ok(s.said[0]?.includes('(D0\\u{202E}'), s.said[0]);
  s.stop();
});

test('what cannot be read is told below it, once a room key, and a flood of it uses up nothing of the other alarms', async () => {
  const s = scene();
  const sealed = (session_id: unknown) =>
    s.event({
      failed: 'MissingRoomKey: x',
      evidence: undefined,
      wire: { content: { session_id } } as unknown as Taken['wire'],
    });
  const [first, second] = [sealed('A'), sealed('B')];
  for (const t of [first, sealed('A'), second, sealed('B')]) await s.relay.take(t);
  assert.deepEqual(
    s.posted.map(({ content }) => content['m.relates_to']),
    [first, second].map((t) => replying(t.wire.event_id)['m.relates_to']),
  );
  for (let i = 0; i < 100; i++) await s.relay.take(sealed(`C${i}`));
  for (const odd of [undefined, null, {}, 'x'.repeat(1000)]) await s.relay.take(sealed(odd));
  assert.equal(s.alarms().length, quiet.most);
  await s.relay.take(s.event({}, 'TABLET'));
  assert.match(s.said.at(-1) ?? '', /not paired \(TABLET\)/, 'its genuine twin is told');
  await s.relay.take({ ...s.say('hello'), late: true });
  await new Promise(setImmediate);
  assert.deepEqual(s.said.slice(-2), ['🔑 Its key came: this is heard now.', 'heard']);
  s.stop();
});

test('an alarm that the ledger did not take makes the event come again', async () => {
  const s = scene();
  s.state.downFor = 'alarm';
  const t = s.event(clear);
  await assert.rejects(s.relay.take(t), /down/);
  s.state.downFor = '';
  await s.relay.take(t);
  assert.equal(s.alarms().length, 1);
  s.stop();
});

test('!stop counts as taken only once it is done; !run does not hold up what comes after it', async () => {
  const s = scene();
  const { action } = await s.desk.ask(asked('echo'));
  s.state.downFor = 'denied';
  const stop = s.say('!stop');
  await assert.rejects(s.relay.take(stop), /down/);
  s.state.downFor = '';
  await s.relay.take(stop);
  assert.deepEqual(s.kinds(action), ['requested', 'posted', 'denied']);
  assert.equal(s.said.at(-1), 'Stopped: 1.');
  const asking = Promise.withResolvers<never>();
  s.desk.ask = () => asking.promise;
  await s.relay.take(s.say('!run echo'));
  asking.reject(new Error('over'));
  s.stop();
});

test('attack-42 a command that a crash cut off before its card is told below it once, after a restart; the twin, done by then, is not', async () => {
  const s = scene();
  const { ask } = s.desk;
  await s.relay.take(s.say('!run echo twin'));
  await until('its card', () => s.said.some((text) => text.includes('echo twin')));
  s.desk.ask = () => new Promise(() => {}); // the crash: nothing comes of it any more
  const lost = s.say('!run echo lost');
  await s.relay.take(lost);
  s.desk.ask = ask;
  const told = () => s.posted.filter(({ content }) => String(content['body']).includes('I was restarted'));
  await s.start().resume();
  assert.deepEqual(
    told().map(({ content }) => content['m.relates_to']),
    [{ 'm.in_reply_to': { event_id: lost.wire.event_id } }],
  );
  await s.start().resume();
  assert.equal(told().length, 1);
  s.stop();
});

test('what this run has begun and not ended yet is not said to be cut off', async () => {
  const s = scene();
  s.desk.ask = () => new Promise(() => {});
  const relay = s.start();
  await relay.take(s.say('!run echo slow'));
  await relay.resume();
  assert.ok(!s.posted.some(({ content }) => String(content['body']).includes('I was restarted')));
  s.stop();
});

test('words are handed to the agent with the mark that they were taken, and not before: a crash in between tells nothing twice', async () => {
  const s = scene();
  const writes: (() => void)[] = [];
  await s.relay.take(s.say('Do it.'), (write) => void writes.push(write));
  assert.deepEqual(s.state.told, []);
  for (const write of writes) write();
  assert.deepEqual(s.state.told, [['Do it.', '']]);
  s.stop();
});

test('attack-13 a trouble is told once, stands over restarts, and is lifted only when a person asks and all is well', async () => {
  const s = scene();
  const { action } = await s.desk.ask(asked('echo'));
  s.state.off = '@ghost:x is there';
  s.state.downFor = 'alarm';
  await assert.rejects(s.relay.trouble(room, '@ghost:x is there'), /down/);
  s.state.downFor = '';
  // Killed here: it is noted, but nobody was told.
  const relay = s.start();
  for (let i = 0; i < 3; i++) await relay.trouble(room, i === 0 ? '@ghost:x is there' : 'something else');
  assert.deepEqual(s.kinds(action), ['requested', 'posted', 'void']);
  assert.deepEqual(
    s.alarms().map((a) => a.reason),
    ['@ghost:x is there'],
  );
  assert.equal(s.said.filter((text) => text.includes('and you say !resume')).length, 1);
  await assert.rejects(s.desk.ask(asked('echo')), /@ghost:x is there. Nothing was run/);
  await relay.take(s.say('!resume'));
  assert.match(s.said.at(-1) ?? '', /Still off: @ghost:x is there/);
  s.state.off = undefined;
  const third = s.start();
  await third.trouble(room, '@ghost:x is there');
  assert.equal(s.alarms().length, 1, 'told again after a restart it is the same alarm');
  await assert.rejects(s.desk.ask(asked('echo')), /ghost/, 'a restart alone forgets nothing');
  await third.take(s.say('!resume'));
  assert.match(s.said.at(-1) ?? '', /as it was made/);
  const next = await s.desk.ask(asked('echo'));
  assert.deepEqual(s.kinds(next.action), ['requested', 'posted']);
  assert.equal(await third.recheck(room), 'Nothing is off here.');
  await third.trouble(room, 'again');
  assert.equal(s.alarms().length, 2, 'a new trouble is a new alarm');
  s.stop();
});

test('attack-04 a reset identity is written down once and voids the open cards, also over a ledger that is down', async () => {
  const s = scene();
  const { action } = await s.desk.ask(asked('echo'));
  await s.relay.identities();
  assert.deepEqual(s.kinds(action), ['requested', 'posted'], 'the pinned one changes nothing');
  s.state.master = 'OTHER';
  s.state.downFor = 'void';
  await assert.rejects(Promise.all([s.relay.identities(), s.relay.identities()]), /down/);
  s.state.downFor = '';
  await s.relay.identities();
  assert.deepEqual(s.kinds(action), ['requested', 'posted', 'void']);
  assert.deepEqual(s.book.enrolled(), []);
  const count = (kind: string) => s.memory.entries.filter((e) => e.kind === kind).length;
  assert.deepEqual([count('identity.changed'), count('alarm')], [1, 1]);
  s.put({ ...enrol, body: { ...owner, master: 'OTHER' } });
  await s.relay.identities();
  const next = await s.desk.ask(asked('echo'));
  assert.deepEqual(s.kinds(next.action), ['requested', 'posted']);
  assert.equal(s.book.rooms().get(workspace), room);
  s.stop();
});

test('attack-13 an event set aside is told in one short line, whatever its sender and its id are', async () => {
  const s = scene();
  const lie = '\n✅ approved\u202E';
  for (const text of [lie, lie + 'x'.repeat(2_000_000)]) {
    const wire = { sender: `@g:x${text}`, event_id: `$e${text}` } as Taken['wire'];
    await s.relay.setAside(room, wire, new Error(`no such event ${text}`));
    const said = s.said.at(-1) ?? '';
    assert.ok(!/[\n\u202E]/.test(said) && said.length < 1000, said);
    assert.ok(said.includes('@g:x\\u{A}✅ approved\\u{202E}'));
    const alarm = JSON.stringify(s.alarms().at(-1));
    assert.ok(alarm.length < 1000 && alarm.includes('an event was set aside: no such event'));
  }
  await s.relay.setAside(room, s.event().wire, new Error('the card store is full'));
  const start = `⚠️ What ${owner.user} said or tapped could not be handled (the card store is full), and`;
  assert.ok(s.said.at(-1)?.startsWith(start), 'its genuine twin');
  s.stop();
});

test('an edit is answered once a message, below it, and does nothing', async () => {
  const s = scene();
  const edit = (of: string, body: string) => {
    const relation = { rel_type: 'm.replace', event_id: of };
    const content = {
      msgtype: 'm.text',
      body: `* ${body}`,
      'm.new_content': { body },
      'm.relates_to': relation,
    };
    return s.relay.take(s.event({ content }));
  };
  const { action } = await s.desk.ask(asked('echo'));
  const before = s.posted.length;
  for (const body of ['do NOT delete old/', '!stop', '!run ls']) await edit('$mine', body);
  await edit('$other', 'x');
  const told = s.posted.slice(before);
  assert.deepEqual(
    told.map(({ content }) => content['m.relates_to']),
    ['$mine', '$other'].map((to) => replying(to)['m.relates_to']),
  );
  for (const { content } of told) assert.match(String(content['body']), /^✏️ Edits are not heard/);
  assert.deepEqual(s.kinds(action), ['requested', 'posted']);
  assert.deepEqual([s.state.told, s.alarms()], [[], []]);
  s.stop();
});

test('attack-45 an edit of words that wait reaches them as words alone, from an enrolled device; else it is answered', async () => {
  const s = scene();
  const edit = (body: string, more: object = {}, device = owner.device) => {
    const now = { msgtype: 'm.text', body, ...more };
    const relation = { rel_type: 'm.replace', event_id: '$waits' };
    const content = { ...now, body: `* ${body}`, 'm.new_content': now, 'm.relates_to': relation };
    return s.relay.take(s.event({ content }, device));
  };
  const sent = { file: { url: 'mxc://x/y' }, info: { size: 3 } };
  await edit('rm', {}, 'TABLET');
  for (const body of ['!stop', '!run ls', '！run ls', '  ', 'ABCD-1234']) await edit(body);
  await edit('x', { msgtype: 'm.notice' });
  await edit('x.txt', { msgtype: 'm.file', ...sent });
  assert.deepEqual(s.amended, []);
  assert.match(s.said.join(), /not paired \(TABLET\)[\s\S]*Edits are not heard/);
  const before = s.said.length;
  await edit('mend that');
  assert.deepEqual(s.amended, [['$waits', 'mend that', `${owner.user} ${owner.device}`]], 'the genuine twin');
  assert.equal(s.said.length, before);
  s.stop();
});

test('what looks like a yes gets one line below its card; said again in words it goes to the agent', async () => {
  const s = scene();
  const { action } = await s.desk.ask(asked('echo'));
  const card = s.cards.get(action)?.event ?? '';
  const react = (key: string) => {
    const content = { 'm.relates_to': { rel_type: 'm.annotation', event_id: card, key } };
    return s.relay.take(s.event({ ...clear, type: 'm.reaction', content }));
  };
  const before = s.posted.length;
  for (const key of ['👍', '✅', '👍🏽', '💯']) await react(key);
  await s.relay.take(s.say('yes'));
  assert.deepEqual(s.state.told, []);
  assert.deepEqual(
    s.posted
      .slice(before)
      .map(({ content }) => [content['m.relates_to'], /not approved by that/.test(String(content['body']))]),
    [
      [replying(card)['m.relates_to'], true],
      [replying(card)['m.relates_to'], true],
    ],
    'one for the reactions, one that says what became of the words',
  );
  assert.match(s.said.at(-1) ?? '', /send it again\.$/);
  await s.relay.take(s.say('yes'));
  assert.deepEqual(s.state.told, [['yes', '']]);
  await react('👎🏿');
  assert.deepEqual(s.kinds(action), ['requested', 'posted', 'denied']);
  await s.relay.take(s.say('Yes!'));
  assert.deepEqual(s.state.told.at(-1), ['Yes!', ''], 'no card waits');
  s.stop();
});

test('the agent is told what words reply to: an action by any message on it, else the quote', async () => {
  const s = scene();
  const { action } = await s.desk.ask(asked('npm test\necho "done"'));
  const card = s.cards.get(action)?.event ?? '';
  const output = await s.matrix.post(room, 'm.room.message', {}, { txn: `output-${action}` });
  const end = await s.matrix.post(room, 'm.room.message', {}, { txn: `end-${action}` });
  const words = (body: string, to: string) =>
    s.relay.take(s.event({ content: { msgtype: 'm.text', body, ...replying(to) } }));
  for (const to of [card, output, end]) {
    await words('why?', to);
    const line = '(in reply to #1, bash “npm test …”, posted)';
    assert.deepEqual(s.state.told.at(-1), [`${line}\n\nwhy?`, action]);
  }
  await words('> <@bot:x> agent:\n> > it works\n\nreally?', '$agent');
  assert.deepEqual(s.state.told.at(-1), [
    '(in reply to this message)\n> <@bot:x> agent:\n> > it works\n\nreally?',
    '',
  ]);
  const said = await s.matrix.post(room, 'm.room.message', { body: `I\u202Ee ${'x'.repeat(400)}` });
  await words('why so?', said);
  const quote = `> I\\u{202E}e ${'x'.repeat(289)}…`;
  assert.deepEqual(s.state.told.at(-1), [`(in reply to this message)\n${quote}\n\nwhy so?`, '']);
  await words('and this?', '$unknown');
  assert.deepEqual(s.state.told.at(-1), ['and this?', '']);
  await words('> <@bot:x> x\n\n!pending', card);
  assert.match(s.said.at(-1) ?? '', /^#1 run a command[\s\S]*\n❓ Paint · asks you something$/);
  assert.deepEqual(s.state.told.length, 6);
  s.stop();
});

test('words go to the task of what they reply to or of their thread, else the current one; attack-45 an unverified device’s reply to none', async () => {
  const s = scene();
  const { action } = await s.desk.ask({ ...asked('make'), task: 'second' });
  const card = s.cards.get(action)?.event ?? '';
  const post = (txn: string) => s.matrix.post(room, 'm.room.message', { body: 'x' }, { txn });
  const output = await post(`output-${action}`);
  const words = await post('task-third-0e4c5d0e-4c5d-4c5d-8c5d-0e4c5d0e4c5d');
  s.heard.set('$mine', 'fourth');
  const old = await post('output-gone');
  s.stories.set('gone', [{ kind: 'requested', body: JSON.stringify({ task: 'fifth' }) }]);
  const threaded = (root: string, to?: string) => ({
    'm.relates_to': {
      ...{ rel_type: 'm.thread', event_id: root, is_falling_back: to === undefined },
      'm.in_reply_to': { event_id: to ?? '$last' },
    },
  });
  const cases: [task: string, relation: object][] = [
    ['task', {}],
    ['second', replying(card)],
    ['second', replying(output)],
    ['third', replying(words)],
    ['fourth', replying('$mine')],
    ['fifth', replying(old)],
    ['task', replying('$unknown')],
    ['second', threaded(card)],
    ['fourth', threaded('$mine')],
    ['third', threaded(card, words)],
    ['task', threaded('$unknown')],
  ];
  for (const [task, relation] of cases) {
    const content = { msgtype: 'm.text', body: 'go on', ...relation };
    await s.relay.take(s.event({ content }, 'TABLET'));
    await s.relay.take(s.event({ content }));
    assert.equal(s.state.to.at(-1), task, JSON.stringify(relation));
  }
  assert.equal(s.state.to.length, cases.length, 'the tablet is not enrolled');
  await s.relay.take(s.event({ content: { msgtype: 'm.text', body: '!run ls', ...replying(words) } }));
  assert.equal(s.book.unfinished().at(-1)?.action.task, 'third', 'as does what is asked for');
  s.stop();
});

test('a command that is none is not done and not told to the agent; the nearest one is named', async () => {
  const s = scene();
  const { action } = await s.desk.ask(asked('echo'));
  for (const [typo, meant] of [
    ['!stpo', 'stop'],
    ['!Satus', 'status'],
    ['!runn ls', 'run'],
    ['!run,ls', 'run'],
    ['！hlep', 'help'],
    ['!people2', 'people'],
  ]) {
    await s.relay.take(s.say(typo as string));
    assert.match(
      s.said.at(-1) ?? '',
      new RegExp(`^There is no !.*nothing was done\\. Did you mean !${meant}\\?`),
      typo,
    );
  }
  for (const other of ['!', '!!!', '!somethingelse', '!ls', `!${'x'.repeat(10_000)}`]) {
    await s.relay.take(s.say(other));
    assert.match(s.said.at(-1) ?? '', /^There is no !.{0,40}, and nothing was done\. !help/, other);
  }
  assert.deepEqual([s.kinds(action), s.state.told], [['requested', 'posted'], []]);
  await s.relay.take(s.say('!poll 1.'));
  assert.equal(s.posted.at(-1)?.txn, `poll-${action}`);
  await s.relay.take(s.say('```\n!run echo a.  b.\n```'));
  const request = s.memory.entries.findLast((e) => e.kind === 'requested');
  assert.deepEqual(JSON.parse(request?.body ?? '').args.script, 'echo a.  b.');
  await s.relay.take(s.say(' ！Stop.'));
  assert.match(s.said.at(-1) ?? '', /^Stopped: 2/);
  s.stop();
});

test('MSC4392: an encrypted reaction with the card’s key is approved as signed, by ledger and executor too', async () => {
  const s = scene();
  const { action } = await s.desk.ask(asked('echo'));
  const { event, key } = s.secrets.get(action) as Card;
  const content = { 'm.relates_to': { rel_type: 'm.annotation', event_id: event, key } };
  await s.relay.take(s.event({ type: 'm.reaction', content }, 'TABLET'));
  assert.deepEqual(s.kinds(action), ['requested', 'posted'], 'not from a device that is not enrolled');
  assert.match(s.said.at(-1) ?? '', /not paired \(TABLET\)/);
  const tap = s.event({ type: 'm.reaction', content });
  await s.relay.take(tap);
  assert.deepEqual(s.kinds(action), ['requested', 'posted', 'approved']);
  const approved = JSON.parse(s.memory.entries.at(-1)?.body ?? '');
  const { device, session, index } = tap.evidence as Evidence;
  assert.deepEqual(
    [approved.grade, approved.evidence],
    ['signed', { user: owner.user, device, event: tap.wire.event_id, form: 'chip', session, index }],
  );
  const book = makeBook();
  for (const entry of s.memory.entries) assert.equal(book.add(entry), '');
  const claim = { digest: approved.digest, executor: 'one' };
  assert.equal(book.claimRefusal(action, claim, Date.now()), '');
  await s.relay.take(
    s.event({ ...clear, type: 'm.room.redaction', content: { redacts: tap.wire.event_id } }),
  );
  assert.deepEqual(s.kinds(action), ['requested', 'posted', 'approved', 'denied'], 'taken back');
  s.stop();
});

test('whoever removes a message, the room’s pinned one may be it', async () => {
  const s = scene();
  const server = { sender: '@server:home' } as Taken['wire'];
  await s.relay.take(
    s.event({ ...clear, type: 'm.room.redaction', content: { redacts: '$b' }, wire: server }),
  );
  await s.relay.take(s.say('hello'));
  assert.deepEqual(s.removed, ['$b']);
});

test('a freeze at the console interrupts every agent, as one in the room does; a thaw none', () => {
  const s = scene();
  s.relay.onEntry(s.put({ author: 'operator', kind: 'frozen', body: { by: 'operator' } }));
  assert.deepEqual(s.interrupted, [...s.book.rooms().keys()]);
  s.relay.onEntry(s.put({ author: 'operator', kind: 'thawed', body: { by: 'operator' } }));
  assert.equal(s.interrupted.length, 1);
  s.stop();
});
