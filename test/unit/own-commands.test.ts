/** A command that is its own decision: what the ledger and the executor take as one, and from whom the relay does. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { idOf } from '@pocketcoder/ledger/rules/id.cjs';
import { safeName } from '../../bot/src/approval/sent.ts';
import type { Person } from '../../bot/src/approval/view.ts';
import { createRelay } from '../../bot/src/room/relay.ts';
import { createSentFiles } from '../../bot/src/room/sent.ts';
import type { Conversation } from '../../bot/src/tasks/conversation.ts';
import type { Evidence, Taken } from '../../bot/src/types.ts';
import { canonical } from '../../ledger/rules/canonical.cjs';
import { hashed } from '../../ledger/rules/judge.cjs';
import type { Policy } from '../../ledger/rules/policy.cjs';
import { type Action, type Asked, digestOf, makeAction, sha256 } from '../../ledger/src/action.ts';
import type { Entry } from '../../ledger/src/client.ts';
import { makeBook } from '../../sandbox/src/claim.ts';
import { log, room, startDesk, workspace } from '../harness/desk.ts';
import {
  aPolicy,
  controlWay,
  enrol,
  memoryLedger,
  owner,
  person,
  type Wanted,
} from '../harness/ledger-chain.ts';
import { until } from '../harness/wait.ts';

const event = '$command';
const list: Asked = {
  kind: 'list',
  args: { path: '.' },
  workspace: 'work',
  task: 'task',
  requester: '@owner:home',
};
const bash: Asked = { ...list, kind: 'bash', args: { script: 'true', cwd: '.', env: {}, timeout: 5 } };
const evidence = { user: owner.user, device: owner.device, event, form: 'command', session: 'S', index: 0 };
const frozen: Wanted = { author: 'operator', kind: 'frozen', body: {} };

type Forged = { asked?: Asked; id?: string; policy?: Policy; answer?: object; before?: Wanted[] };
/** What the bot writes for a command, as far as the ledger lets it. @returns the last refusal, or '' */
function command({ asked = list, id, policy = aPolicy(), answer = {}, before = [] }: Forged) {
  const memory = memoryLedger();
  memory.put({ author: 'operator', kind: 'policy.set', body: { policy } });
  for (const wanted of [enrol, ...before]) assert.equal(memory.put(wanted), '');
  const action = makeAction(asked, policy, undefined, id ?? idOf(event, sha256));
  const of = (kind: string, body: object): Wanted => ({
    ...{ author: 'bot', kind, action: action.id },
    body: { digest: digestOf(action), ...body },
  });
  assert.equal(memory.put({ author: 'bot', kind: 'requested', action: action.id, body: action }), '');
  assert.equal(memory.put(of('posted', { room: '!r', event, form: 'command' })), '');
  const approved = of('approved', { grade: 'signed', evidence, ...answer });
  return { memory, action, approved, code: memory.put(approved) };
}
const claim = (action: Action): Wanted => ({
  ...{ author: 'executor', kind: 'claimed', action: action.id },
  body: { digest: digestOf(action), executor: 'one' },
});

/** Each: what is written, and the refusal. The first five are the genuine ones. */
const rows: [string, Forged, string][] = [
  ['a read', {}, ''],
  ['a whole file', { asked: { ...list, kind: 'get_file', args: { path: 'a' } } }, ''],
  ['what changed', { asked: { ...list, kind: 'diff', args: {} } }, ''],
  ['what changed, as a file', { asked: { ...list, kind: 'export', args: { as: 'patch' } } }, ''],
  [
    'a new file',
    { asked: { ...list, kind: 'put_file', args: { path: 'a', sha256: sha256(''), size: 0 } } },
    '',
  ],
  ['a script', { asked: bash }, 'command'],
  [
    'a file replaced',
    { asked: { ...list, kind: 'write_file', args: { path: 'a', content: '' } } },
    'command',
  ],
  ['a control action', { asked: { ...list, kind: 'thaw', args: {} }, before: [frozen] }, 'command'],
  ['what the agent asked for', { asked: { ...list, requester: 'brain' } }, 'command'],
  ['what somebody else asked for', { asked: { ...list, requester: '@bob:home' } }, 'command'],
  ['a second action by one event', { id: 'another00000000' }, 'command'],
  ['no event', { answer: { evidence: { ...evidence, event: null } } }, 'command'],
  ['grade sealed', { answer: { grade: 'sealed' } }, 'command'],
  ['another device', { answer: { evidence: { ...evidence, device: 'X' } } }, 'not_enrolled'],
  ['while frozen', { before: [frozen] }, 'frozen'],
  ['where a grace is asked for', { policy: aPolicy({ grade: 'signed', grace: 5 }) }, 'command'],
  ['where two people are', { policy: aPolicy({ grade: 'signed', approvers: 2 }) }, 'command'],
  ['where two devices are', { policy: aPolicy({ grade: 'signed', devices: 2 }) }, 'command'],
  ['where a card is asked each time', { policy: aPolicy({ mode: 'ask' }) }, ''],
];
for (const [what, forged, code] of rows)
  test(`${code === 'command' ? 'attack-45 ' : ''}a command decides on ${what}: ${code || 'allowed'}`, () => {
    const { memory, action, approved, code: was } = command(forged);
    assert.equal(was, code);
    assert.equal(memory.put(claim(action)), code && 'lifecycle');
    if (!code) return;
    // A ledger that had taken it all the same: the executor finds it, and claims nothing any more.
    const book = makeBook();
    for (const entry of memory.entries) assert.equal(book.add(entry), '');
    const head = memory.entries.at(-1) as Entry;
    const next = { ...head, ...approved, id: 'forged000000000', seq: head.seq + 1, prev: head.hash };
    const entry = { ...next, body: canonical(approved.body) } as Entry;
    assert.match(book.add({ ...entry, hash: sha256(hashed(entry)) }), /was not allowed here/);
    assert.equal(book.claimRefusal(action.id, claim(action).body, Date.now()), 'broken');
  });

test('attack-45 a command that decided does not run under a policy that has since asked for more', () => {
  const stricter = { ...aPolicy(), read: { ...aPolicy()['read'], grade: 'signed', grace: 5 } } as Policy;
  const asked: Asked = { ...list, kind: 'policy', args: { policy: stricter }, requester: owner.user as '@x' };
  for (const [changes, code] of [
    [[], ''],
    [controlWay(makeAction(asked, aPolicy())), 'command'],
  ] as const) {
    const { memory, action } = command({});
    for (const wanted of changes) assert.equal(memory.put(wanted), '');
    if (code) assert.equal(memory.put(claim(action)), 'grace');
    memory.clock.now += 5000; // that grace is over: nothing but the asking itself is against it now
    assert.equal(memory.put(claim(action)), code);
  }
});

const bob = person('bob');
function scene() {
  const d = startDesk();
  const files: unknown[] = [];
  const state = { keys: true, most: 0 };
  /** What a voice message is written down as, and what the agent was told of all but the hello at the end. */
  const voice = { as: '' };
  const spoken: string[] = [];
  Object.assign(d.matrix, {
    downloadEncrypted: async (file: unknown, most: number) => {
      files.push(file);
      state.most = most;
      return png;
    },
    async forceQuery() {
      if (!state.keys) throw new Error('no answer');
    },
  });
  const conversation = {
    taskIn: () => ({ id: 'task' }),
    heardIn: () => undefined,
    async hear(_: string, text: string) {
      if (text !== 'hello') spoken.push(text);
      return 'heard';
    },
    goOn() {},
  } as unknown as Conversation;
  const told: string[] = [];
  /** The tasks whose question words that came with a file answered. */
  const answered: string[] = [];
  const again = () =>
    createSentFiles({
      ...{ db: d.db, book: d.book, decide: d.decide, log },
      async tell(task, text) {
        told.push(`${task}: ${text}`);
        return '';
      },
      answered: (task) => void answered.push(task),
      say: async () => {},
    });
  const sentFiles = again();
  /** The executor's part, as its entries tell it. */
  function ends(action: string, kind: string, output: string): void {
    const digest = d.book.page(action)?.digest;
    for (const step of ['claimed', 'running', kind]) {
      const body =
        step === 'claimed' ? { digest, executor: 'one' } : { digest, ...(step === kind && { output }) };
      sentFiles.onEntry(d.put({ author: 'executor', kind: step, action, body }));
    }
  }
  const attached = new Map<string, Uint8Array>();
  const { append } = d.wide;
  d.wide.append = async (e) => {
    for (const bytes of (e.transcript?.() as Iterable<Uint8Array>) ?? []) attached.set(e.action ?? '', bytes);
    return append(e);
  };
  const heard = createRelay({
    ...d,
    conversation,
    sentFiles,
    schedules: {} as never,
    agents: [],
    dictation: { take: (_, __, ___, hear) => void hear(voice.as) },
    troubles: { why: () => '' } as never,
    tour: {} as never,
    health: () => [],
    ...{ repository: () => assert.fail(), show: () => assert.fail(), board: { removed() {} } },
    log,
  });
  const relay = {
    ...heard,
    take: async (t: Taken) => heard.take(t, await d.decide.take(t), (write) => write()),
  };
  let events = 0;
  const by = (who: Person | typeof bob, content: object, over: Partial<Taken> = {}): Taken => ({
    ...{ room, encrypted: true, type: 'm.room.message', content: content as Taken['content'] },
    evidence: {
      ...{ sender: who.user, device: who.device, claimedEd25519: who.ed25519, curve25519: who.curve25519 },
      ...{ session: 'S', index: events },
    } as Evidence,
    wire: {
      ...{ type: 'm.room.encrypted', event_id: `$own${++events}`, sender: who.user },
      ...{ content: {}, origin_server_ts: 0 },
    } as Taken['wire'],
    ...over,
  });
  const words = (body: string) => ({ msgtype: 'm.text', body });
  /** Takes it, and a message after it that is answered: by then it was handled. @returns the stories that began */
  async function taken(t: Taken): Promise<string[]> {
    const from = d.memory.entries.length;
    const said = d.said.length;
    await relay.take(t);
    await new Promise(setImmediate);
    await relay.take(by(owner, words('hello')));
    await until('all of it is handled', () => d.said.slice(said).includes('heard'));
    const asked = d.memory.entries.slice(from).filter((e) => e.kind === 'requested');
    return asked.map((e) => `${(JSON.parse(e.body) as Action).kind}: ${d.kinds(e.action).join(' ')}`);
  }
  return {
    ...d,
    relay,
    by,
    words,
    taken,
    files,
    state,
    told,
    answered,
    again,
    sentFiles,
    ends,
    attached,
    voice,
    spoken,
  };
}
const approved = 'requested posted approved';

test('attack-45 a command decides only where an enrolled device of an approver sent it, once and as it stands', async () => {
  const s = scene();
  Object.assign(s.matrix, {
    deviceNow: async (user: string) => ({
      ...(user === bob.user ? bob : owner),
      ...{ crossSigned: true, blacklisted: false, dehydrated: false },
    }),
    identityNow: async (user: string) => ({
      ...{ verified: true, violation: false, master: user === bob.user ? bob.master : owner.master },
    }),
  });
  const files = s.words('!files src');
  const edit = { 'm.new_content': files, 'm.relates_to': { rel_type: 'm.replace', event_id: '$x' } };
  assert.deepEqual(await s.taken(s.by({ ...owner, device: 'TABLET' }, files)), []);
  assert.deepEqual(await s.taken(s.by(owner, files, { encrypted: false, evidence: undefined as never })), []);
  assert.deepEqual(await s.taken(s.by(owner, { ...files, ...edit })), []);
  assert.deepEqual(await s.taken(s.by(bob, files)), [], 'nobody here');
  s.state.keys = false;
  assert.deepEqual(await s.taken(s.by(owner, files)), [], 'the homeserver does not state the keys');
  s.state.keys = true;
  s.matrix.replay = (_, __, index) => index !== 1000;
  const replayed = s.by(owner, files);
  (replayed.evidence as Evidence).index = 1000;
  assert.deepEqual(await s.taken(replayed), []);

  const genuine = s.by(owner, files);
  assert.deepEqual(await s.taken(genuine), [`list: ${approved}`]);
  const decided = s.memory.entries.findLast((e) => e.kind === 'approved');
  assert.deepEqual(JSON.parse(decided?.body ?? ''), {
    digest: s.book.page(decided?.action ?? '')?.digest,
    grade: 'signed',
    evidence: {
      ...{ user: owner.user, device: owner.device, event: genuine.wire.event_id, form: 'command' },
      ...{ session: 'S', index: genuine.evidence?.index },
    },
  });
  assert.deepEqual(await s.taken(genuine), [], 'served again it is no news');
  assert.deepEqual(
    await s.taken(s.by(owner, s.words('!run true'))),
    ['bash: requested posted'],
    'has a card',
  );
  assert.deepEqual(await s.taken(s.by(owner, s.words('!filesystem'))), []);

  s.put({ ...enrol, body: { ...bob, role: 'asks' } });
  assert.deepEqual(await s.taken(s.by(bob, files)), ['list: requested posted'], 'others decide');
  s.put({ author: 'operator', kind: 'frozen', body: {} });
  assert.deepEqual(await s.taken(s.by(owner, files)), ['list: requested posted'], 'frozen');
  const card = s.secrets.open().at(-1);
  assert.ok(card);
  const vote = { user: owner.user, device: owner.device, event: '$vote', form: 'poll' } as const;
  assert.match(
    await s.apply({ do: 'approve', card, grade: 'signed', evidence: vote }),
    /frozen: nothing was run/,
  );
  s.stop();
});

test('a command’s message takes a ❌ and its removal until it is claimed, and no approval by anything', async () => {
  for (const gone of ['tap', 'removal'] as const) {
    const s = scene();
    const genuine = s.by(owner, s.words('!get a.txt'));
    await s.taken(genuine);
    const card = s.cards.byEvent(genuine.wire.event_id);
    assert.ok(card && card.form === 'command' && !card.open);
    const on = genuine.wire.event_id;
    const no =
      gone === 'tap'
        ? {
            type: 'm.reaction',
            content: { 'm.relates_to': { rel_type: 'm.annotation', event_id: on, key: '❌' } },
          }
        : { type: 'm.room.redaction', content: { redacts: on } };
    await s.relay.take({ ...s.by(owner, {}), ...no, encrypted: false });
    assert.deepEqual(s.kinds(card.action), ['requested', 'posted', 'approved', 'denied']);
    s.stop();
  }
});

const anImage = {
  msgtype: 'm.image',
  body: 'look',
  filename: '../../.ssh/a b$(id).png',
  file: { url: 'mxc://x/y' },
  info: { size: 4 },
};
const png = Buffer.from([0x89, 0x50, 0x4e, 0x47]);

test('attack-45 a file counts only from an enrolled device’s own message, and nothing of another one is fetched', async () => {
  const s = scene();
  assert.deepEqual(await s.taken(s.by({ ...owner, device: 'TABLET' }, anImage)), []);
  assert.deepEqual(
    await s.taken(s.by(owner, anImage, { encrypted: false, evidence: undefined as never })),
    [],
  );
  assert.deepEqual(s.files, []);
  assert.deepEqual(await s.taken(s.by(owner, anImage)), [`put_file: ${approved}`]);
  s.stop();
});

test('a file that is sent is put beside what is there, under a name that is only a name, bound by its hash', async () => {
  const s = scene();
  assert.deepEqual(await s.taken(s.by(owner, { ...anImage, info: { size: 33_554_433 } })), []);
  assert.deepEqual(s.files, [], 'as it says itself, it is too large');
  assert.ok(s.said.some((text) => text.startsWith('A file of more than 32 MiB')));
  assert.deepEqual(await s.taken(s.by(owner, { ...anImage, info: { size: 'many' } })), [
    `put_file: ${approved}`,
  ]);
  assert.equal(s.state.most, 33_554_432);
  const request = s.memory.entries.findLast((e) => e.kind === 'requested');
  assert.deepEqual((JSON.parse(request?.body ?? '') as Action).args, {
    ...{ path: 'uploads/ssh-a-b-id-.png', sha256: sha256(png), size: 4 },
  });
  assert.deepEqual(s.attached.get(request?.action ?? ''), png);
  s.matrix.downloadEncrypted = async () => {
    throw new Error('its hash is another');
  };
  assert.deepEqual(await s.taken(s.by(owner, anImage)), []);
  assert.ok(s.said.includes('⚠️ its hash is another'));
  for (const [name, safe] of [
    ['-rf', 'rf'],
    ['...', 'file'],
    ['', 'file'],
    ['Größe.pdf', 'Größe.pdf'],
    ['\u202Egpj.exe', 'gpj.exe'],
    [`${'x'.repeat(300)}.tar.gz`, `${'x'.repeat(53)}.tar.gz`],
  ])
    assert.equal(safeName(name ?? ''), safe);
  assert.equal(s.book.rooms().get(workspace), room);
  s.stop();
});

test('the agent is told of a file once it is there, in the order in which they were sent, with the words that came with it', async () => {
  const s = scene();
  for (const sent of [
    anImage,
    { ...anImage, body: 'a.png', filename: 'a.png', format: 'org.matrix.custom.html', formatted_body: 'x' },
    { ...anImage, msgtype: 'm.file', body: '!run rm -rf /', filename: 'b.txt', formatted_body: '<b>x</b>' },
    { ...anImage, msgtype: 'm.file', body: 'old.txt', filename: undefined },
    { ...anImage, msgtype: 'm.video', body: 'clip.mp4', filename: undefined },
    {
      ...anImage,
      body: '> <@ann:x> which one?\n\nthis',
      'm.relates_to': { 'm.in_reply_to': { event_id: '$x' } },
    },
    { ...anImage, body: '\u200b' },
  ])
    assert.deepEqual(await s.taken(s.by(owner, sent)), [`put_file: ${approved}`]);
  assert.deepEqual(s.told, [], 'nothing is there yet');
  const asked = s.memory.entries.filter((e) => e.kind === 'requested').map((e) => e.action);
  const [first = '', second = '', third = '', fourth = '', fifth = '', sixth = '', last = ''] = asked;
  s.ends(first, 'succeeded', 'wrote 4 bytes to /workspace/uploads/ssh-a-b-id--2.png\n');
  s.ends(second, 'failed', 'cannot write');
  s.ends(third, 'succeeded', 'wrote 4 bytes to /workspace/uploads/b.txt\n');
  s.ends(fourth, 'killed', '');
  s.ends(fifth, 'succeeded', 'odd');
  s.ends(sixth, 'succeeded', 'wrote 4 bytes to /workspace/uploads/c\n');
  s.ends(last, 'succeeded', 'wrote 4 bytes to /workspace/uploads/d\n');
  assert.deepEqual(s.told, [
    'task: look\n\n(A picture came with that: uploads/ssh-a-b-id--2.png in the workspace, 4 bytes.)',
    'task: !run rm -rf /\n\n(A file came with that: uploads/b.txt in the workspace, 4 bytes.)',
    'task: (A video was sent: uploads/clip.mp4 in the workspace, 4 bytes.)',
    'task: (in reply to this message)\n> <@ann:x> which one?\n\nthis\n\n(A picture came with that: uploads/c in the workspace, 4 bytes.)',
    'task: (A picture was sent: uploads/d in the workspace, 4 bytes.)',
  ]);
  assert.ok(s.said.includes('The agent gets the video as a file: it cannot watch it.'));
  s.sentFiles.resume();
  assert.equal(s.told.length, 5, 'each once');
  assert.deepEqual(s.answered, ['task', 'task', 'task'], 'by those that came with words');
  s.stop();
});

test('a file that came to be there while the bot was away is told of when it is back; one that was denied never', async () => {
  const s = scene();
  await s.taken(s.by(owner, anImage));
  await s.taken(s.by(owner, anImage));
  const [there = '', denied = ''] = s.memory.entries
    .filter((e) => e.kind === 'requested')
    .map((e) => e.action);
  s.sentFiles.onEntry = () => {};
  s.ends(there, 'succeeded', 'wrote 4 bytes to /workspace/uploads/x.png\n');
  await s.relay.take({
    ...s.by(owner, {}),
    ...{ type: 'm.room.redaction', encrypted: false },
    content: { redacts: s.cards.get(denied)?.event },
  });
  assert.ok(s.kinds(denied).includes('denied'));
  const back = s.again();
  back.resume();
  back.resume();
  assert.equal(s.told.length, 1);
  assert.match(s.told[0] ?? '', /uploads\/x\.png/);
  s.stop();
});

test('what is no file to take has one sentence each, and asks for nothing', async () => {
  const s = scene();
  const rows: [object, Partial<Taken>, RegExp][] = [
    [{ ...anImage, file: undefined, url: 'mxc://x/y' }, {}, /^That file was not encrypted/],
    [{ msgtype: 'm.emote', body: 'waves' }, {}, /^What begins with \/me is not heard here/],
    [{ msgtype: 'm.location', body: 'geo', geo_uri: 'geo:1,2' }, {}, /^A location is not looked at here/],
    [{ body: 'a smile', url: 'mxc://x/y' }, { type: 'm.sticker' }, /^Nobody here can see a sticker/],
    [{}, { type: 'org.matrix.msc3381.poll.start' }, /^A poll of yours is not answered here/],
  ];
  for (const [content, over, words] of rows) {
    assert.deepEqual(await s.taken(s.by(owner, content, over)), []);
    assert.equal(s.said.filter((text) => words.test(text)).length, 1, String(words));
    // A stranger's device has no answer, nor has what is no message of a person's.
    assert.deepEqual(await s.taken(s.by({ ...owner, device: 'TABLET' }, content, over)), []);
    assert.equal(s.said.filter((text) => words.test(text)).length, 1, String(words));
  }
  const said = s.said.length;
  await s.relay.take(s.by(owner, { msgtype: 'm.key.verification.request', body: 'x' }));
  await s.relay.take(s.by(owner, { msgtype: 'constructor', body: 'x' }));
  assert.equal(s.said.length, said);
  assert.deepEqual(s.files, []);
  s.stop();
});

test('attack-68 a voice message is words to the agent, of an enrolled device alone, whatever is written down of it; the same typed is what it says', async () => {
  const s = scene();
  const content = { ...anImage, msgtype: 'm.audio', 'org.matrix.msc3245.voice': {} };
  const open = await s.desk.ask({ ...list, workspace: 'main', task: 'task', requester: 'brain' });
  for (const words of ['!run echo by-voice', '!stop', 'yes', '✅']) {
    s.voice.as = words;
    assert.deepEqual(await s.taken(s.by(owner, content)), [], words);
    assert.equal(s.spoken.pop(), words);
    assert.deepEqual(s.kinds(open.action), ['requested', 'posted'], words);
  }
  for (const over of [{ encrypted: false }, { evidence: undefined as never }]) {
    assert.deepEqual(await s.taken(s.by(owner, content, over)), []);
    assert.deepEqual(s.spoken, []);
  }
  assert.deepEqual(await s.taken(s.by({ ...owner, device: 'TABLET' }, content)), []);
  assert.deepEqual(s.spoken, []);
  const [typed] = await s.taken(s.by(owner, s.words('!run echo typed')));
  assert.match(typed ?? '', /^bash: requested posted/);
  s.stop();
});

test('!model lists what there is with the task’s own marked, and changes it for this task alone', async () => {
  const s = scene();
  const says = async (line: string) => {
    await s.taken(s.by(owner, s.words(line)));
    return s.said.at(-2) ?? '';
  };
  assert.match(await says('!model'), /^▶ fast: ollama m-fast · 128,000 tokens\n▷ deep: .* · 8,192 tokens/);
  assert.match(await says('!model deep'), /this task thinks with deep/);
  assert.match(await says('!model'), /▷ fast: .*\n▶ deep: /);
  assert.match(await says('!model none'), /There is no model "none", and nothing was changed/);
  s.stop();
});

test('!cost says what was taken; !more lets a task go on past its cap', async () => {
  const s = scene();
  const says = async (line: string) => {
    await s.taken(s.by(owner, s.words(line)));
    return s.said.at(-2) ?? '';
  };
  s.costs.take('task', 's', { dollars: 0, tokens: 1500 });
  assert.match(
    await says('!cost'),
    /^This task: 1,500 tokens\nToday: 1,500 tokens\n[\s\S]*⏸ This task has used/,
  );
  assert.notEqual(s.costs.paused('task'), '');
  await says('!more');
  assert.equal(s.costs.paused('task'), '');
  assert.match(await says('!more'), /No cap holds this task, and nothing was done/);
  s.stop();
});
