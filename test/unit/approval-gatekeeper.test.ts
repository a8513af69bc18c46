import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { judge } from '../../bot/src/approval/gatekeeper.ts';
import { leakIn } from '../../bot/src/approval/leaks.ts';
import { type Card, cardStore } from '../../bot/src/approval/store.ts';
import type { Gate } from '../../bot/src/approval/verdict.ts';
import type { Person } from '../../bot/src/approval/view.ts';
import { openDatabase } from '../../bot/src/database.ts';
import { pollAnswers } from '../../bot/src/show/card.ts';
import type { Enrolled, Matrix, Taken } from '../../bot/src/types.ts';

/**
 * The way from an event to a verdict, without a network: real card store, real judgement. The six rules on the crypto
 * state are tested on real clients elsewhere; here the machine answers as it would for a clean owner, or for nobody.
 */
const owner = '@owner:x' as Enrolled['user'];
const room = '!r:x' as Taken['room'];
const device = {
  user: owner,
  role: 'owner',
  master: 'M',
  device: 'PHONE',
  ed25519: 'E',
  curve25519: 'C',
} as Person;

function gate(over: Partial<Gate> = {}): Gate {
  const cards = cardStore(openDatabase(':memory:'), pollAnswers);
  const seen = new Map<string, string>();
  const matrix = {
    user: '@bot:x',
    forceQuery: async () => {},
    deviceNow: async () => ({ ...device, crossSigned: true, blacklisted: false, dehydrated: false }),
    identityNow: async () => ({ verified: true, violation: false, master: 'M' }),
    replay: (r: string, session: string, index: number, event: string) => {
      const key = `${r} ${session} ${index}`;
      if (!seen.has(key)) seen.set(key, event);
      return seen.get(key) === event;
    },
  } as unknown as Matrix;
  return {
    matrix,
    cards,
    people: () => [device],
    answeredBy: () => undefined,
    option: () => undefined,
    trouble: () => '',
    now: () => 1000,
    ...over,
  };
}
const card = (n: number, over: Partial<Card> = {}): Card => ({
  action: `action${n}`,
  number: n,
  room,
  digest: String(n).padStart(64, 'a'),
  form: 'chip',
  key: `🦊 4F7KQ2Z${n}`,
  decoy: `🌵 M2XT9QR${n}`,
  nonce: `NONCE${n}`,
  code: `AAAA-BBB${n}`,
  event: `$card${n}`,
  poll: `$poll${n}`,
  chips: '',
  decideBy: 5000,
  dropped: false,
  open: true,
  ended: false,
  approval: '',
  ...over,
});
let events = 0;
const event = (type: string, content: Record<string, unknown>, over: Partial<Taken> = {}): Taken =>
  ({
    room,
    encrypted: false,
    type,
    content,
    ...over,
    wire: {
      type: over.encrypted ? 'm.room.encrypted' : type,
      event_id: `$e${++events}`,
      sender: owner,
      content,
      origin_server_ts: 0,
      ...over.wire,
    },
  }) as Taken;
const tap = (on: string, key: string, over: Partial<Taken> = {}) =>
  event('m.reaction', { 'm.relates_to': { rel_type: 'm.annotation', event_id: on, key } }, over);
let index = 0;
const sealed = (type: string, content: Record<string, unknown>, over: Partial<Taken> = {}) =>
  event(type, content, {
    encrypted: true,
    evidence: {
      sender: owner,
      device: 'PHONE',
      claimedEd25519: 'E',
      curve25519: 'C',
      session: 'S',
      index: index++,
    } as NonNullable<Taken['evidence']>,
    ...over,
  });
const vote = (answers: unknown[], over: Partial<Taken> = {}) =>
  sealed('org.matrix.msc3381.poll.response', { 'org.matrix.msc3381.poll.response': { answers } }, over);
const text = (body: string, over: Partial<Taken> = {}) =>
  sealed('m.room.message', { msgtype: 'm.text', body }, over);
const verdict = async (t: Taken, g: Gate) => {
  const v = await judge(t, g);
  return 'card' in v ? `${v.do} ${v.card.action}` : v.do;
};

test('attack-01 a plain approving reaction allows nothing; the sealed chip of this very card does', async () => {
  const g = gate();
  g.cards.add(card(1));
  for (const key of ['✅', '👍', '🦊', 'yes', '🦊 ', '✔️'])
    assert.equal(await verdict(tap('$card1', key), g), 'explain action1', key);
  for (const key of ['', '👀', '4F7KQ2Z1']) assert.equal(await verdict(tap('$card1', key), g), 'ignore', key);
  assert.equal(await verdict(tap('$card1', '🦊 4F7KQ2Z1'), g), 'approve action1');
});

test('attack-21 a guessed key drops the card to signed; a spent one only explains itself', async () => {
  const g = gate();
  g.cards.add(card(1));
  assert.equal(await verdict(tap('$card1', '🦊 00000000'), g), 'suspect action1');
  g.cards.set('action1', { dropped: true });
  assert.equal(await verdict(tap('$card1', '🦊 4F7KQ2Z1'), g), 'explain action1');
  const { ok } = pollAnswers(card(1));
  assert.equal(await verdict(vote([ok]), g), 'approve action1', 'a vote still counts');
  g.cards.set('action1', { open: false });
  assert.equal(await verdict(tap('$card1', '🦊 4F7KQ2Z1'), g), 'explain action1');
});

test('attack-46 a key tapped under another card does nothing; the decoy denies', async () => {
  const g = gate();
  g.cards.add(card(1));
  g.cards.add(card(2));
  assert.equal(await verdict(tap('$card2', '🦊 4F7KQ2Z1'), g), 'explain action1');
  assert.equal(await verdict(tap('$card1', '🌵 M2XT9QR1'), g), 'deny action1');
  assert.equal(await verdict(tap('$card2', '🦊 4F7KQ2Z2'), g), 'approve action2');
});

test('attack-09 a vote names its action inside; the relation outside decides nothing', async () => {
  const g = gate();
  g.cards.add(card(1));
  g.cards.add(card(2));
  const { ok, no } = pollAnswers(card(1));
  const grafted = vote([ok]);
  grafted.wire.content = { 'm.relates_to': { rel_type: 'm.reference', event_id: '$poll2' } };
  assert.equal(await verdict(grafted, g), 'approve action1');
  assert.equal(await verdict(vote([no]), g), 'deny action1');
  assert.equal(await verdict(vote([ok, no]), g), 'explain action1', 'two answers');
  assert.equal(await verdict(vote([]), g), 'ignore', 'no answer');
});

test('a vote or a code in the clear, undecrypted, or from an unenrolled device approves nothing', async () => {
  const g = gate();
  g.cards.add(card(1));
  const { ok } = pollAnswers(card(1));
  assert.equal(await verdict(vote([ok], { encrypted: false, evidence: undefined }), g), 'ignore');
  assert.equal(await verdict(vote([ok], { failed: 'no session', evidence: undefined }), g), 'ignore');
  const other = gate({ people: () => [{ ...device, ed25519: 'OTHER' }] });
  other.cards.add(card(1));
  assert.equal(await verdict(vote([ok]), other), 'ignore');
  assert.equal(await verdict(text('AAAA-BBB1'), other), 'ignore');
  assert.equal(await verdict(text('hello'), other), 'ignore');
  assert.equal(await verdict(text('AAAA-BBB1'), g), 'approve action1');
  assert.equal(await verdict(text('hello'), g), 'hear');
});

test('no answer from the homeserver for the owner’s keys: no signed approval', async () => {
  const g = gate();
  g.cards.add(card(1));
  const { ok } = pollAnswers(card(1));
  const dead = {
    ...g,
    matrix: {
      ...g.matrix,
      forceQuery: async () => {
        throw new Error('no keys');
      },
    } as unknown as Matrix,
  };
  assert.equal(await verdict(vote([ok]), dead), 'ignore');
  assert.equal(await verdict(vote([ok]), g), 'approve action1');
});

test('attack-19 the bot’s own events, and a stranger’s, never count', async () => {
  const g = gate();
  g.cards.add(card(1));
  const from = (sender: string) => tap('$card1', '🦊 4F7KQ2Z1', { wire: { sender } as Taken['wire'] });
  assert.equal(await verdict(from('@bot:x'), g), 'ignore');
  assert.equal(await verdict(from('@stranger:x'), g), 'ignore');
  assert.equal(await verdict(from(owner), g), 'approve action1');
});

test('attack-04 a reset identity approves nothing, by a tap as by a vote, until it is paired again', async () => {
  for (const identity of [
    undefined,
    { verified: false, violation: true, master: 'OTHER' },
    { verified: true, violation: false, master: 'OTHER' },
  ]) {
    const g = gate();
    g.cards.add(card(1));
    const reset = { ...g, matrix: { ...g.matrix, identityNow: async () => identity } as unknown as Matrix };
    assert.equal(await verdict(tap('$card1', '🦊 4F7KQ2Z1'), reset), 'explain action1');
    assert.equal(await verdict(vote([pollAnswers(card(1)).ok]), reset), 'ignore');
    assert.equal(await verdict(tap('$card1', '🦊 4F7KQ2Z1'), g), 'approve action1', 'the pinned one does');
  }
});

test('who reads is not heard, who asks is heard and decides nothing, who approves decides', async () => {
  const { ok, no } = pollAnswers(card(1));
  const deciding: [() => Taken, string][] = [
    [() => tap('$card1', '🦊 4F7KQ2Z1'), 'approve action1'],
    [() => vote([ok]), 'approve action1'],
    [() => text('AAAA-BBB1'), 'approve action1'],
    [() => vote([no]), 'deny action1'],
    [() => tap('$card1', '🌵 M2XT9QR1'), 'deny action1'],
    [() => tap('$card1', '❌'), 'deny action1'],
    [() => tap('$card1', '🛑'), 'stop'],
    [() => tap('$card1', '🦊 00000000'), 'suspect action1'],
    [() => event('m.room.redaction', { redacts: '$card1' }), 'deny action1'],
  ];
  for (const role of ['none', 'reads', 'asks', 'approves', 'owner'] as const) {
    const g = gate({ people: () => [{ ...device, role }] });
    g.cards.add(card(1));
    const decides = role === 'approves' || role === 'owner';
    for (const [answer, means] of deciding)
      assert.equal(await verdict(answer(), g), decides ? means : 'ignore', `${role}: ${means}`);
    assert.equal(await verdict(text('hello'), g), decides || role === 'asks' ? 'hear' : 'ignore', role);
  }
});

test('an answer in another room than its card’s counts for nothing there', async () => {
  const g = gate();
  g.cards.add(card(1, { room: '!other:x' as Card['room'] }));
  const { ok, no } = pollAnswers(card(1));
  for (const answer of [
    tap('$card1', '🦊 4F7KQ2Z1'),
    tap('$card1', '🌵 M2XT9QR1'),
    tap('$card1', '❌'),
    vote([ok]),
    vote([no]),
    text('AAAA-BBB1'),
  ])
    assert.equal(await verdict(answer, g), 'ignore');
  const there = { room: '!other:x' as Taken['room'] };
  assert.equal(await verdict(tap('$card1', '🦊 4F7KQ2Z1', there), g), 'approve action1');
  assert.equal(await verdict(vote([ok], there), g), 'approve action1');
  assert.equal(await verdict(text('AAAA-BBB1', there), g), 'approve action1');
});

test('what is no plain text, a state event, or approved already, decides nothing', async () => {
  const g = gate();
  g.cards.add(card(1));
  for (const msgtype of ['m.notice', undefined])
    assert.equal(await verdict(sealed('m.room.message', { msgtype, body: 'AAAA-BBB1' }), g), 'ignore');
  for (const msgtype of ['m.file', 'm.emote'])
    assert.equal(await verdict(sealed('m.room.message', { msgtype, body: 'AAAA-BBB1' }), g), 'tell');
  const state = tap('$card1', '🦊 4F7KQ2Z1', { wire: { state_key: '' } as Taken['wire'] });
  assert.equal(await verdict(state, g), 'ignore');
  const again = tap('$card1', '🦊 4F7KQ2Z1');
  g.cards.set('action1', { approval: again.wire.event_id });
  assert.equal(await verdict(again, g), 'ignore');
  assert.equal(await verdict(text('AAAA-BBB1'), g), 'approve action1');
});

test('late, decided or in a troubled room: nothing is approved, and it is explained', async () => {
  for (const over of [{ now: () => 5001 }, { trouble: () => 'somebody joined' }] as Partial<Gate>[]) {
    const g = gate(over);
    g.cards.add(card(1));
    assert.equal(await verdict(tap('$card1', '🦊 4F7KQ2Z1'), g), 'explain action1');
    assert.equal(await verdict(vote([pollAnswers(card(1)).ok]), g), 'explain action1');
    assert.equal(await verdict(text('AAAA-BBB1'), g), 'explain action1');
  }
});

test('❌ denies, 🛑 stops, a removed tap or card denies', async () => {
  const g = gate();
  g.cards.add(card(1));
  g.cards.set('action1', { approval: '$tap' });
  for (const key of [
    ...[
      '❌',
      '👎',
      '⛔',
      '⛔️',
      '❎',
      '✖️',
      '✖',
      '✗',
      '✘',
      '🚫',
      '🙅',
      '🙅🏿‍♀️',
      '✋🏻',
      'no',
      'No.',
      '×',
      ' ❌',
    ],
    ...['🏻', '🏼', '🏽', '🏾', '🏿'].map((tone) => `👎${tone}`),
  ])
    assert.equal(await verdict(tap('$card1', key), g), 'deny action1', key);
  assert.equal(await verdict(tap('$anything', '🛑'), g), 'stop');
  assert.equal(await verdict(event('m.room.redaction', { redacts: '$tap' }), g), 'deny action1');
  assert.equal(await verdict(event('m.room.redaction', { redacts: '$card1' }), g), 'deny action1');
  assert.equal(await verdict(event('m.room.redaction', { redacts: '$else' }), g), 'ignore');
});

test('a text that is made to take long takes no time', async () => {
  const g = gate();
  g.cards.add(card(1, { form: 'code', key: '', decoy: '' }));
  const many = 1_000_000;
  const start = performance.now();
  for (const piece of ['.', ' ', '!', '`', '~', '\\', '\\u{', '> <@a:b>', '\n> ', '👎\uFE0F', '\u200B', '-'])
    for (const body of [piece.repeat(many), `no${piece.repeat(many)}x`, `\`\`\`${piece.repeat(many)}x`]) {
      assert.notEqual(await verdict(tap('$card1', body), g), 'deny action1');
      await verdict(text(body), g);
      leakIn(g.cards, body);
    }
  const ms = performance.now() - start;
  assert.ok(ms < 60_000, `${ms}`); // hours, by the square
});

test('whatever an event holds, judging it neither throws nor approves', async () => {
  const g = gate();
  g.cards.add(card(1));
  const types = ['m.reaction', 'm.room.redaction', 'm.room.message', 'org.matrix.msc3381.poll.response', 'x'];
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...types),
      fc.dictionary(
        fc.constantFrom('m.relates_to', 'redacts', 'body', 'msgtype', 'org.matrix.msc3381.poll.response'),
        fc.jsonValue(),
      ),
      fc.boolean(),
      async (type, content, encrypted) => {
        const v = await judge((encrypted ? sealed : event)(type, content), g);
        assert.notEqual(v.do, 'approve');
      },
    ),
    { numRuns: 2000 },
  );
});

test('what looks like a yes approves nothing and is told what counts, on an open card alone', async () => {
  const g = gate();
  g.cards.add(card(1));
  const yes = [
    '👍',
    '👍🏽',
    '👍🏿',
    '✅',
    '✔️',
    '✔',
    '☑️',
    '👌🏻',
    '💯',
    '🦊',
    '🦊\uFE0F',
    'yes',
    'OK',
    'Approve!',
  ];
  for (const key of yes) {
    const told = await judge(tap('$card1', key), g);
    assert.ok(told.do === 'explain' && told.why.includes('names: it carries a key'), key);
    assert.ok(!told.why.includes('🦊'), 'which chip it is the card alone says');
    const heard = await judge(text(key), g);
    assert.ok(heard.do === 'hear' && heard.yesTo?.action === 'action1', key);
  }
  for (const words of ['yes, and add a README', 'which one?', '🐙', 'no'])
    assert.equal(((await judge(text(words), g)) as { yesTo?: Card }).yesTo, undefined, words);
  const elsewhere = text('yes', { room: '!other:x' as Taken['room'] });
  assert.equal(((await judge(elsewhere, g)) as { yesTo?: Card }).yesTo, undefined, 'no card of another room');
  const asks = { ...g, people: () => [{ ...device, role: 'asks' as const }] };
  assert.equal(
    ((await judge(text('yes'), asks)) as { yesTo?: Card }).yesTo,
    undefined,
    'theirs is no answer',
  );
  g.cards.set('action1', { open: false });
  for (const key of yes) {
    assert.equal(await verdict(tap('$card1', key), g), 'ignore', key);
    const heard = await judge(text(key), g);
    assert.ok(heard.do === 'hear' && !heard.yesTo, `${key} is for the agent`);
  }
  for (const [form, says] of [
    ['poll', /its poll/],
    ['code', /its file/],
  ] as const) {
    const other = gate();
    other.cards.add(card(2, { form, key: '', decoy: '' }));
    const told = await judge(tap('$card2', '👍'), other);
    assert.ok(told.do === 'explain' && says.test(told.why), form);
  }
});

const replying = (to: string, more: object = {}) => ({
  'm.relates_to': { 'm.in_reply_to': { event_id: to }, ...more },
});
const reply = (body: string, to: string, more?: object) =>
  sealed('m.room.message', { msgtype: 'm.text', body, ...replying(to, more) });

test('a no in reply to an open card denies it; a yes to what is no card, and a no to nobody, are words', async () => {
  const g = gate();
  g.cards.add(card(1));
  g.cards.add(card(2));
  for (const no of ['no', 'No.', 'NO!', '👎🏽', '> <@bot:x> tap 🦊\n\nno'])
    assert.equal(await verdict(reply(no, '$card1'), g), 'deny action1', no);
  assert.equal(await verdict(text('no'), g), 'hear');
  assert.equal(await verdict(reply('no, use yarn', '$card1'), g), 'hear');
  const first = await judge(reply('yes', '$card1'), g);
  assert.ok(first.do === 'hear' && first.yesTo?.action === 'action1', 'the card that it replies to');
  const last = await judge(text('yes'), g);
  assert.ok(last.do === 'hear' && last.yesTo?.action === 'action2', 'else the latest');
  const agents = await judge(reply('yes', '$said-by-the-agent'), g);
  assert.ok(agents.do === 'hear' && !agents.yesTo && agents.replyTo === '$said-by-the-agent');
  const threaded = { rel_type: 'm.thread', event_id: '$t', is_falling_back: true };
  const falling = await judge(reply('why?', '$card1', threaded), g);
  assert.ok(falling.do === 'hear' && falling.replyTo === undefined, 'a thread is no reply');
  const asks = { ...g, people: () => [{ ...device, role: 'asks' as const }] };
  assert.equal(await verdict(reply('no', '$card1'), asks), 'hear');
});

test('an edit decides nothing and is told once, whatever it makes of its message; the message itself counts', async () => {
  const g = gate();
  g.cards.add(card(1));
  const { ok } = pollAnswers(card(1));
  const edited = (body: string, more: object = {}) => ({
    ...{ msgtype: 'm.text', body: `* ${body}`, 'm.new_content': { msgtype: 'm.text', body }, ...more },
    'm.relates_to': { rel_type: 'm.replace', event_id: '$first' },
  });
  const answer = { answers: [ok] };
  const response = 'org.matrix.msc3381.poll.response';
  for (const t of [
    ...['do NOT delete old/', '!stop', '!get a', 'AAAA-BBB1', '', 'yes'].map((b) =>
      sealed('m.room.message', edited(b)),
    ),
    sealed('m.room.message', { ...edited('a file'), msgtype: 'm.file', file: {} }),
    sealed(response, { ...edited(''), [response]: answer }),
  ]) {
    const told = await judge(t, g);
    assert.ok(told.do === 'tell' && told.below === '$first' && told.about === 'edit of $first', told.do);
    assert.match(told.why, /^✏️ Edits are not heard/);
  }
  const new_content = { msgtype: 'm.text', body: 'x', 'm.new_content': {} };
  const alone = await judge(sealed('m.room.message', new_content), g);
  assert.ok(
    alone.do === 'tell' && alone.below.startsWith('$e'),
    'below itself where it does not say of what',
  );
  const strange = sealed('m.room.message', edited('!stop'), {
    evidence: { ...sealed('', {}).evidence, device: 'TABLET' } as NonNullable<Taken['evidence']>,
  });
  assert.equal(await verdict(strange, g), 'ignore', 'nobody else is answered');
  assert.equal(await verdict(text('AAAA-BBB1'), g), 'approve action1');
});

test('what shows nothing is nothing, and what is no text neither', async () => {
  const g = gate();
  const blank = [
    '',
    ' ',
    '\n\t ',
    '\u200B',
    '\uFEFF',
    '\u00AD',
    '\u2800',
    '\u3164',
    '\u{E0041}',
    '\uFE0F',
    '\uD800',
  ];
  for (const body of [...blank, ...blank.map((b) => `> <@bot:x> quoted\n> more\n\n${b}`)])
    assert.equal(await verdict(text(body), g), 'ignore', JSON.stringify(body));
  for (const body of [undefined, null, 5, {}, ['x'], true])
    assert.equal(await verdict(sealed('m.room.message', { msgtype: 'm.text', body }), g), 'ignore');
  for (const body of ['.', '0', '?', '🐙', 'ا', '！'])
    assert.equal(await verdict(text(body), g), 'hear', body);
});

test('a code is the whole message, whatever stands around it; one that is none is not passed on', async () => {
  const g = gate();
  g.cards.add(card(1, { form: 'code', key: '', decoy: '' }));
  g.cards.add(card(2));
  for (const [body, means] of [
    ['AAAA-BBB1.', 'approve action1'],
    ['aaaabbb1', 'approve action1'],
    ['AAAA–BBB1 .', 'approve action1'],
    ['AAAA-BBB1 build', 'hear'],
    ['AAAA-BBB3', 'tell'],
    ['AAAA-BBBB2', 'hear'],
    ['deadline', 'hear'],
  ])
    assert.equal(await verdict(text(body as string), g), means, body);
  g.cards.set('action1', { open: false });
  assert.equal(await verdict(text('AAAA-BBB3'), g), 'hear', 'where none waits it is words');
});

test('MSC4392: an encrypted reaction with the right key is signed where it passes the rules, and no yes where it does not', async () => {
  const g = gate();
  const react = (n: number, key: string, over: Partial<Taken> = {}) =>
    sealed('m.reaction', { 'm.relates_to': { rel_type: 'm.annotation', event_id: `$card${n}`, key } }, over);
  const from = (device: string) => ({
    evidence: { ...sealed('', {}).evidence, device } as NonNullable<Taken['evidence']>,
  });
  g.cards.add(card(1));
  const good = await judge(react(1, '🦊 4F7KQ2Z1'), g);
  assert.ok(good.do === 'approve' && good.grade === 'signed');
  const { form, device: of, session, index: at } = good.evidence;
  assert.deepEqual([form, of, session, typeof at], ['chip', 'PHONE', 'S', 'number']);

  let asked = 0;
  const dead = {
    ...g.matrix,
    forceQuery: () => Promise.reject(new Error(`${++asked}`)),
  } as unknown as Matrix;
  const off: [string, Taken, Gate][] = [
    ['another device', react(1, '🦊 4F7KQ2Z1', from('TABLET')), g],
    ['no keys stated', react(1, '🦊 4F7KQ2Z1'), { ...g, matrix: dead }],
    [
      'replayed',
      react(1, '🦊 4F7KQ2Z1', { evidence: text('').evidence as never }),
      { ...g, matrix: { ...g.matrix, replay: () => false } as unknown as Matrix },
    ],
    ['not decrypted', event('m.room.encrypted', {}, { encrypted: true, failed: 'no key' }), g],
  ];
  for (const [what, t, to] of off) assert.equal(await verdict(t, to), 'ignore', what);
  assert.equal(asked, 1);
  assert.equal(await verdict(react(2, '🦊 4F7KQ2Z1'), g), 'explain action1', 'on another card');
  assert.equal(await verdict(react(1, '🦊 00000000'), g), 'suspect action1');
  for (const key of ['👎🏽', '❌', '🌵 M2XT9QR1'])
    for (const over of [{}, from('TABLET')])
      assert.equal(await verdict(react(1, key, over), g), 'deny action1', 'a no takes no rules');
  assert.equal(await verdict(react(1, '🛑', from('TABLET')), g), 'stop');
  assert.equal(await verdict(react(1, '🦊'), g), 'explain action1');
  g.cards.set('action1', { dropped: true });
  assert.equal(await verdict(tap('$card1', '🦊 4F7KQ2Z1'), g), 'explain action1', 'taps no longer count');
  assert.equal(await verdict(react(1, '🦊 4F7KQ2Z1'), g), 'approve action1', 'a signed answer does');
  g.cards.set('action1', { open: false });
  assert.equal(await verdict(react(1, '🦊 4F7KQ2Z1'), g), 'explain action1', 'decided');
});
