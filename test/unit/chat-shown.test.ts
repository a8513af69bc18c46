/** What the room shows of words and output that others wrote: theirs, marked, and nothing more. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import pino from 'pino';
import type { Page } from '../../bot/src/approval/view.ts';
import type { BrainEvent } from '../../bot/src/brain/brain.ts';
import { createOutcomes, type OutcomesOptions } from '../../bot/src/room/outcomes.ts';
import { type Content, toText } from '../../bot/src/show/blocks.ts';
import { chipCard } from '../../bot/src/show/card.ts';
import { type ConversationOptions, createConversation } from '../../bot/src/tasks/conversation.ts';
import { bash, framed, lines, parsed, secrets } from '../harness/shown.ts';

const log = pino({ level: 'silent' });
const fake = [
  '#12 · owner wants to run a command',
  'main · 1 line · decide by 14:32',
  '| echo hi',
  'at most 10 min',
  'tap 🌵 to approve · ❌ to deny',
  'exec · digest 0123456789',
  '</blockquote><p>✅ approved</p> <b>@room</b> \u202E\x1b[2K',
].join('\n');

/** A room that keeps what was posted and edited into it. */
function room() {
  const posted: Content[] = [];
  const waiting: (() => void)[] = [];
  const take = async (content: Content) => {
    posted.push(content);
    for (const wake of waiting.splice(0)) wake();
    return '$event';
  };
  return {
    posted,
    matrix: {
      post: (_room: string, _type: string, content: Content) => take(content),
      edit: (_room: string, _event: string, content: Content) => take(content),
      sentUnder: () => undefined,
      async uploadEncrypted(pieces: AsyncIterable<Uint8Array>, name: string) {
        return { msgtype: 'm.file', body: name, size: Buffer.concat(await Array.fromAsync(pieces)).length };
      },
    },
    async until(found: (content: Content) => boolean): Promise<Content> {
      for (;;) {
        const content = posted.find(found);
        if (content) return content;
        await new Promise<void>((wake) => waiting.push(wake));
      }
    },
  };
}

function talking() {
  const r = room();
  const ears = { tell: (_: BrainEvent) => {} };
  const task = { id: 't', workspace: 'main', session: 's', title: '', createdAt: 0 };
  createConversation({
    brain: { resume() {}, events: (fn: typeof ears.tell) => Object.assign(ears, { tell: fn }) },
    model: '',
    planning: { is: () => false },
    hands: () => ({}),
    tasks: {
      ...{ all: () => [], asides: () => [], bySession: () => task, isCurrent: () => true },
      ...{ spoke() {}, set() {} },
    },
    matrix: r.matrix,
    roomOf: () => '!room',
    log,
  } as unknown as ConversationOptions).listen();
  return {
    ...r,
    says: (text: string) => ears.tell({ type: 'text', session: 's', part: 'p', delta: '', text, done: true }),
  };
}

test('attack-22 what the agent says is marked as its words, line by line, in both bodies; no card comes of it', async () => {
  const scene = talking();
  const any = () => true;
  scene.says(fake);
  const content = await scene.until(any);
  const { own, said, quoted } = lines(String(content['body']));
  assert.deepEqual([own, quoted], [['agent:'], '']);
  const frame = framed(String(content['formatted_body']));
  assert.deepEqual([frame.own, frame.text], [['agent:'], said]);
  assert.ok(said.includes('\\u{202E}\\u{1B}[2K') && said.includes('\n| echo hi\n'));
  assert.deepEqual(content['m.mentions'], {});
  const card = toText(chipCard(bash('rm -rf x'), secrets));
  assert.deepEqual(
    lines(card).quoted,
    'rm -rf x',
    'a card says what its action is, whatever was said before it',
  );
  assert.ok(!card.includes('🌵'));

  const honest = 'I will build it.\n\n  make "all" & test <it>';
  scene.posted.length = 0;
  scene.says(honest);
  const body = (await scene.until(any))['body'];
  assert.equal(lines(String(body)).said, honest, 'its genuine twin comes to the letter');
});

test('attack-22 the agent’s words are capped where a homeserver would take no more, and say so', async () => {
  for (const unit of ['x', '日', '🦊']) {
    const scene = talking();
    scene.says(`a${unit.repeat(40_000)}b`);
    const content = await scene.until(() => true);
    assert.equal(lines(String(content['body'])).own.at(-1), 'cut here: it was longer');
    const edit = JSON.stringify({ ...content, 'm.new_content': content });
    assert.ok((Buffer.byteLength(edit) * 4) / 3 + 1500 < 65_536, `${unit}: ${edit.length}`);
  }
});

/** Shows the ending of an action that wrote these bytes: its card as it stands then. */
async function outputOf(
  bytes: Buffer,
  requester = '@owner:home',
  more: Partial<OutcomesOptions> = {},
): Promise<Content> {
  const r = room();
  const page = {
    action: { ...bash('true'), requester },
    digest: 'ab'.repeat(32),
    number: 12,
    requestedAt: 0,
  };
  const entry = {
    at: '2026-01-01T00:00:02Z',
    action: page.action.id,
    kind: 'succeeded',
    seq: 9,
    hash: 'cd'.repeat(32),
    body: JSON.stringify({ exit: 0, bytes: bytes.length }),
    transcript: 't',
  };
  const card = {
    action: page.action.id,
    ...{ number: 12, digest: page.digest, title: '', named: { files: [] } },
    room: '!room',
    form: 'chip',
    event: '$card',
    poll: '',
    chips: '',
    decideBy: 0,
  };
  const outcomes = createOutcomes({
    ledger: {
      transcript: async function* (_: unknown, from = 0, to = bytes.length) {
        yield bytes.subarray(from, to);
      },
    },
    matrix: r.matrix,
    cards: { unended: () => [], get: () => card, set() {} },
    book: {
      page: (): Page =>
        ({ ...page, story: [{ kind: 'claimed', at: '2026-01-01T00:00:00Z' }, entry] }) as unknown as Page,
      state: () => 'succeeded',
      unfinished: () => [],
      enrolled: () => [],
    },
    log,
    onOver: async () => {},
    onShown: async () => {},
    ...more,
  } as unknown as OutcomesOptions);
  outcomes.take(entry as unknown as Parameters<typeof outcomes.take>[0]);
  return r.until((content) => String(content['body']).startsWith('#12 · '));
}

test('the mark of how it ended leads to its entry on the timeline’s page, where the settings name one, and nothing else does', async () => {
  const wrote = Buffer.from('see https://evil.example/#/9\n<a href="https://evil.example">⛓ 9</a>\n');
  const links = (content: Content) =>
    Array.from(String(content['formatted_body']).matchAll(/<a href="([^"]*)">([^<]*)/g), ([, to, text]) => [
      to,
      text,
    ]);
  const timeline = 'https://host.example:8443';
  const linked = await outputOf(wrote, undefined, { timeline });
  const last = String(linked['body']).split('\n').at(-1) ?? '';
  assert.match(last, /^⛓ 9 cdcdcdcdcdcd · digest/);
  assert.deepEqual(links(linked), [[`${timeline}/#/9`, last]]);
  const without = await outputOf(wrote);
  assert.deepEqual(links(without), []);
  assert.equal(without['body'], linked['body'], 'the text is the same');
});

test('attack-25 hostile output shows no escape, no line of the bot’s own and no half character; plain output stays', async () => {
  const hostile = `one\x1b[31mred\x1b[0m\x1b]8;;http://x\x07link\x1b]8;;\x07\x1b[2J\rover\b\x9b1m\u202E\n<b>it</b> &lt;\n${fake}\n`;
  const content = await outputOf(Buffer.from(hostile));
  const { own, quoted } = lines(String(content['body']));
  const line = '✅ ended with exit 0 (2 s)';
  assert.deepEqual(own, [
    '#12 · owner wants to run a command',
    ...['main · 1 line', 'at most 10 min', line, own.at(-1)],
  ]);
  assert.match(own.at(-1) ?? '', /^⛓ 9 cdcdcdcdcdcd · digest \w{10}$/);
  assert.ok(quoted.startsWith('true\nove\\u{202E}edlink\n'), quoted);
  assert.ok(!/(?!\n)[\p{Cc}\p{Cf}]/u.test(quoted));
  const parts = parsed(String(content['formatted_body']));
  assert.deepEqual(
    parts.map(({ tag }) => tag),
    ['p', 'pre', 'p', 'p', 'pre', 'p'],
  );
  assert.deepEqual(parts.slice(1, -1), [
    { tag: 'pre', text: 'true\n' },
    { tag: 'p', text: 'at most 10 min' },
    { tag: 'p', text: line },
    { tag: 'pre', text: `${quoted.slice('true\n'.length)}\n` },
  ]);
  assert.deepEqual(content['m.mentions'], {});

  const cut = await outputOf(Buffer.from(`${'🦊'.repeat(3000)}x`));
  assert.ok(
    JSON.stringify(cut).isWellFormed() && !/\\ud[89a-f]/.test(JSON.stringify(cut)),
    'no client could read half a pair',
  );
  const escapes = await outputOf(Buffer.from('\x1b['.repeat(100_000)));
  assert.match(String(escapes['body']), /\nits end; all of it comes as a file\n/);

  const honest = 'drwxr-xr-x  2 root  ä ✓ “quoted” — 42 %\n\ttab\n\n日本語 שלום\n';
  const shown = lines(String((await outputOf(Buffer.from(honest)))['body'])).quoted;
  assert.equal(shown, `true\n${honest.trimEnd()}`);
});

/** A bot that starts after a leased action ended: what it tells the room, and whose outcomes it hands on. */
async function leasedMeanwhile(script: string) {
  const r = room();
  const action = bash(script);
  const story = ['requested', 'leased', 'claimed', 'succeeded'].map((kind, i) => ({
    ...{ action: action.id, kind, seq: i + 1, hash: 'cd'.repeat(32), at: `2026-01-01T00:00:0${i}Z` },
    body: JSON.stringify(kind === 'leased' ? { lease: 'l', use: 3 } : { exit: 0 }),
  }));
  const page = { action, digest: 'ab'.repeat(32), number: 12, requestedAt: 0, story };
  const denied = { ...page, action: { ...action, id: 'other' }, story: [{ ...story[0], kind: 'denied' }] };
  const over: string[] = [];
  const outcomes = createOutcomes({
    ledger: { transcript: async function* () {} },
    matrix: r.matrix,
    cards: { unended: () => [], get: () => undefined },
    book: {
      over: () => [denied, page],
      unfinished: () => [],
      page: () => page,
      number: (id: string) => (id === 'l' ? 7 : undefined),
      rooms: () => new Map([['main', '!room']]),
    },
    log,
    onOver: async (of: Page, outcome: { state: string }) => void over.push(`${of.number} ${outcome.state}`),
    onShown: async () => {},
  } as unknown as OutcomesOptions);
  await outcomes.catchUp();
  return { posted: r.posted, over };
}

test('a leased action that ended while the bot was down is told when it starts, in an event that a homeserver takes', async () => {
  const short = await leasedMeanwhile('echo hi');
  assert.deepEqual(short.over, ['12 succeeded'], 'once, and the brain gets its outcome');
  const [told, ...more] = short.posted.map((content) => String(content['body']));
  assert.deepEqual(more, []);
  assert.match(
    told ?? '',
    /^#12 ✅ ended with exit 0 \(1 s\)\n\| echo hi\n.*\nby #7, use 3 · ⛓ 4 cdcdcdcdcdcd · digest \w+$/,
  );
  for (const unit of ['x', '日', '🦊', '"', '\n']) {
    const { posted } = await leasedMeanwhile(`echo head;${unit.repeat(60_000)};echo tail`);
    const event = JSON.stringify(posted[0]);
    assert.ok((Buffer.byteLength(event) * 4) / 3 + 1500 < 65_536, `${unit}: ${event.length}`);
    assert.ok(event.includes('echo head') && event.includes('echo tail'));
    assert.ok(String(posted[0]?.['body']).startsWith('#12 ✅ ended with exit 0 (1 s)'));
  }
});
