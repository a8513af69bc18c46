/** One module writes approvals: all others are handed a ledger that takes none, and it takes nobody's word but the gatekeeper's. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Harmless, harmless, type NarrowLedger } from '../../bot/src/approval/narrow.ts';
import type { Cards } from '../../bot/src/approval/store.ts';
import { type Command, plainly } from '../../bot/src/approval/verdict.ts';
import type { Taken } from '../../bot/src/types.ts';
import { checkout } from '../../console/instance/paths.ts';
import type { Asked } from '../../ledger/src/action.ts';
import type { Ledger } from '../../ledger/src/client.ts';
import { asked, room, startDesk } from '../harness/desk.ts';
import { owner } from '../harness/ledger-chain.ts';

const tapOn = (event: string, key: string): Taken =>
  ({
    ...{ room, encrypted: false, type: 'm.reaction' },
    content: { 'm.relates_to': { rel_type: 'm.annotation', event_id: event, key } },
    wire: { type: 'm.reaction', event_id: '$tap', sender: owner.user, content: {}, origin_server_ts: 0 },
  }) as unknown as Taken;

test('the ledger that is handed around takes no approval, by type and at run time; a genuine tap is one', async () => {
  const d = startDesk();
  const { action } = await d.desk.ask(asked('echo'));
  const { digest = '', event = '', key = '' } = d.secrets.get(action) ?? {};
  const evidence = { user: owner.user, device: owner.device, event: '$made-up', form: 'poll' };
  const body = { digest, grade: 'signed', evidence };
  for (const kind of ['approved', 'endorsed'] as const) {
    // @ts-expect-error: it is none of the kinds that are handed around
    const passed: Harmless = kind;
    await assert.rejects(d.ledger.append({ kind: passed, action, body }), /is not written from here/);
  }
  let reads = 0;
  const shifty = {
    ...{ action, body: { digest, by: owner.user } },
    get kind() {
      return (reads++ === 0 ? 'stop' : 'approved') as 'stop';
    },
  };
  await d.ledger.append(shifty).catch(() => {});
  assert.deepEqual(d.kinds(action), ['requested', 'posted'], 'a kind is read once');
  assert.ok(!harmless.some((kind) => ['approved', 'endorsed'].includes(kind)));
  // @ts-expect-error: the whole ledger passes for no narrow one
  const wide: NarrowLedger = {} as Ledger;
  assert.ok(!('kinds' in wide));

  assert.equal(await d.desk.apply(await d.decide.take(tapOn(event, key))), '');
  assert.deepEqual(d.kinds(action), ['requested', 'posted', 'approved'], 'the genuine twin');
  d.stop();
});

test('the cards that are handed around hold no secret, by type and at run time, and none is opened again', async () => {
  const d = startDesk();
  const { action } = await d.desk.ask(asked('echo'));
  const own = d.secrets.get(action) ?? assert.fail();
  const { cards } = d;
  // @ts-expect-error: a card that is handed around has none
  const none = cards.get(action)?.key;
  assert.equal(none, undefined);
  // @ts-expect-error: the store of all secrets passes for no other one
  const wide: Cards = d.secrets;
  assert.ok('issued' in wide);
  const secrets = [own.key, own.decoy, own.nonce].map((secret) => secret.split(' ').at(-1) ?? '');
  const found = (what: unknown) => secrets.filter((secret) => JSON.stringify(what).includes(secret));
  assert.equal(found(own).length, 3, 'the twin: the store itself has them');
  const all = () => [
    cards.get(action),
    cards.byEvent(own.event),
    cards.byNumber(own.number),
    cards.open(),
    cards.unended(),
  ];
  assert.ok(all().every((some) => JSON.stringify(some).includes(action)));
  assert.deepEqual(found(all()), []);

  cards.set(action, { open: false, ended: true });
  const more = { open: true, ended: false, event: '$other', approval: '$made-up', key: 'x' };
  cards.set(action, more as unknown as { open: false });
  assert.deepEqual(d.secrets.get(action), { ...own, open: false, ended: true });

  const said = await d.decide.take(tapOn(own.event, own.key));
  assert.ok('card' in said && said.do === 'explain', 'what is left to do of an answer');
  const handed = plainly(said);
  assert.deepEqual([found(said).length, found(handed)], [3, []]);
  assert.deepEqual({ ...said, ...handed }, { ...said, card: cards.get(action) });
  const yes = { do: 'hear', text: 'yes', from: d.device, yesTo: own } as const;
  assert.deepEqual([plainly(yes).text, found(plainly(yes))], ['yes', []]);
  const intake = readFileSync(join(checkout, 'bot/src/main.ts'), 'utf8').match(/.*decide\.take.*/g);
  assert.deepEqual(
    intake?.map((line) => line.includes('plainly(await decide.take(taken))')),
    [true],
  );
  d.stop();
});

const listing = (path: string, requester = owner.user): Asked => ({
  ...{ kind: 'list', args: { path }, workspace: 'main', task: 'task', requester: requester as '@owner:home' },
});

test('a message decides the very act that its words name, by the gatekeeper’s word, whoever asks in its name', async () => {
  const d = startDesk();
  const made = async (command: Command, wish: Asked): Promise<string[]> => {
    const { action } = await d.desk.ask(wish, { command });
    return d.kinds(action);
  };
  const card = ['requested', 'posted'];
  const command = await d.commandOf('!files src', '$one');
  assert.deepEqual(await made({ ...command }, listing('src')), card, 'made up');
  assert.deepEqual(await made(await d.commandOf('!files src', '$two'), listing('.')), card, 'another act');
  const other = await d.commandOf('!files src', '$three');
  assert.deepEqual(await made(other, listing('src', '@ann:home')), card, 'somebody else’s wish');
  const changed = await d.commandOf('!files src', '$four');
  Object.assign(changed.act.args, { path: '.' });
  assert.deepEqual(await made(changed, listing('.')), card, 'its words were others');
  const late = await d.commandOf('!files src', '$five');
  Object.assign(late.evidence, { device: 'TABLET' });
  const { action } = await d.desk.ask(listing('src'), { command: late });
  const { body = '' } = d.memory.entries.findLast((e) => e.action === action && e.kind === 'approved') ?? {};
  assert.equal(JSON.parse(body).evidence.device, owner.device, 'the evidence is what it was');
  const genuine = await d.commandOf('!files src', '$six');
  assert.deepEqual(await made(genuine, listing('src')), [...card, 'approved'], 'the genuine twin');
  const file = { do: 'receive', sent: {}, from: d.device, evidence: genuine.evidence };
  await assert.rejects(d.decide.receive(file as never), /no file that the gatekeeper heard of/);
  d.stop();
});

test('the whole ledger is known by name where approvals are written and where it is opened, and nowhere else', () => {
  const files = globSync('bot/{src,crypto}/**/*.ts', { cwd: checkout });
  const text = (file: string) => readFileSync(join(checkout, file), 'utf8');
  const wide = /\b(?:Ledger|connectLedger|reachLedger)\b/;
  assert.deepEqual(
    files.filter((file) => wide.test(text(file).replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, ''))).sort(),
    [
      ...['bot/src/approval/decide.ts', 'bot/src/approval/narrow.ts', 'bot/src/chain.ts'],
      'bot/src/drilled.ts', // a program of its own, which reads a restored ledger as its auditor
    ],
  );
  const lines = (file: string) =>
    (text(file).match(/[^\n]*\bwhole\b[^\n]*/g) ?? []).map((line) => line.trim());
  assert.deepEqual(lines('bot/src/chain.ts').slice(-3), [
    'const whole: Ledger = {',
    'ledger: narrow(whole),',
    'return { chain, whole };',
  ]);
  assert.deepEqual(
    lines('bot/src/parts.ts').map((line) => /^.*?\bwhole\b/.exec(line)?.[0]),
    ['const { chain, whole', '...{ ledger: whole'],
    'handed to what decides',
  );
});
