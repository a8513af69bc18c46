/** A tool server on the composed system: added by phone, looked at, pinned, called by tap, and refused once it is another. Only the model is scripted. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { findEngine } from '../../console/engine/engine.ts';
import { ensureImage } from '../../console/engine/images.ts';
import {
  answerOf,
  approve,
  endsWith,
  fileOf,
  hears,
  isTapped,
  nextCards,
  numberOf,
  sees,
} from '../harness/answers.ts';
import { type Instance, startInstance } from '../harness/instance.ts';
import { pairedPhone } from '../harness/paired.ts';
import { picturesIn, pixel } from '../harness/picture.ts';
import { officialCommand, ownCommand, toolServerImage } from '../harness/toolserver/image.ts';
import { until } from '../harness/wait.ts';
import type { Card, Phone } from '../phone/types.ts';

const { docker } = findEngine();
let instance: Instance;
let phone: Phone;
let image = '';
before(async () => {
  instance = await startInstance({ model: 'scripted' });
  image = await toolServerImage(docker, await ensureImage('task'), instance.project.toLowerCase());
  phone = await pairedPhone({ address: instance.address, ...instance.owner, home: instance.home });
});
after(async () => {
  await phone?.close();
  await instance?.destroy();
  const filters = { label: [`org.pocketcoder.server=${instance?.project}`] };
  await until('no server is left', async () => {
    return (await docker.listContainers({ all: true, filters })).length === 0;
  });
  if (image) await docker.getImage(image).remove({ force: true });
});

const call = (tool: string, args: object): string => `!call ${tool} ${JSON.stringify(args)}`;
const nextCard = nextCards(
  () => phone,
  (c) => isTapped(c) || c.answers.length === 2,
  60,
);
const vote = (card: Card) => phone.vote(card.id, [answerOf(card, 'Approve')]);
const told = () => JSON.stringify(instance.model?.asked()?.messages);
const offered = () => instance.model?.asked()?.tools.map((name) => name.replace(/^t[0-9a-f]{12}_/, '')) ?? [];

/** The card of a pin that no card shows whole: its number, its file, and the code in its last line. */
async function longPin(name: string, after: number) {
  const text = await phone.until('the card of a long pin', (p) =>
    p
      .timeline()
      .map((e) => String(e.content['body'] ?? ''))
      .find(
        (body) => body.includes('wants to pin a tool server') && Number(/^#(\d+)/.exec(body)?.[1]) > after,
      ),
  );
  const number = Number(/^#(\d+)/.exec(text)?.[1]);
  const file = (await fileOf(phone, instance.address, `action-${number}.txt`)).toString();
  assert.ok(file.includes(`| ${name}\n`));
  return { number, file, code: /send (\S+) to approve/.exec(file)?.[1] ?? assert.fail(file) };
}
/** Asks the agent for a call and approves its card. @returns the card, once the agent has its outcome */
async function calls(tool: string, args: object, said: string): Promise<Card> {
  await phone.say(`Please do this.\n${call(tool, args)}\n!say ${said}`);
  const card = await nextCard('call a tool of a server');
  await approve(phone, card);
  await sees(phone, said, 60);
  return card;
}

test('the official server for files is added by phone, pinned by the code of its file, called by tap, and read without a card', async () => {
  await phone.say(`!server add files ${image} ${officialCommand}`);
  const look = await nextCard('look at a tool server');
  assert.ok(look.text.includes(image) && look.text.includes('without a network and without the workspace'));
  await approve(phone, look);
  const first = await longPin('files', numberOf(look));
  for (const words of ['read_text_file', 'each call asks, as a command', '"readOnlyHint":true'])
    assert.ok(first.file.includes(words), words);
  assert.ok(!first.file.includes('class read:'), 'whatever it says of itself');
  await phone.say('!server class files read read_text_file');
  const second = await longPin('files', first.number);
  assert.equal(second.file.match(/class read: calls need no more/g)?.length, 1);
  await sees(phone, 'another pin takes its place');
  await phone.say(second.code);
  await sees(phone, `#${second.number} ✅ in force`, 60);
  assert.match(await hears(phone, '!servers', 'files, from'), /class read: read_text_file/);

  const card = await calls('files__list_directory', { path: '/srv/files' }, 'I have listed it.');
  assert.ok(
    card.text.includes('| files__list_directory') && card.text.includes('| "path": "/srv/files"'.slice(2)),
  );
  assert.ok(told().includes('[FILE] note'));
  assert.ok(offered().includes('files__read_text_file') && offered().includes('bash'));
  await phone.say(
    `And this.\n${call('files__read_text_file', { path: '/srv/files/note' })}\n!say I have read it.`,
  );
  await sees(phone, 'I have read it.', 60);
  assert.ok(told().includes('a file of the server'));
  assert.ok(
    !phone.cards().some((c) => c.text.includes('read by a tool of a server')),
    'what its first card leased covers it',
  );
  assert.match(await sees(phone, '1 read · by #'), /files__read_text_file/);
});

test('attack-36 once a pinned server is another, its call is not made though it was approved, and the owner is told once; the twin before it ran', async () => {
  await phone.say(`!server add turns ${image} ${ownCommand('turns').join(' ')}`);
  await approve(phone, await nextCard('look at a tool server'));
  const pin = await nextCard('pin a tool server');
  assert.ok(pin.text.includes('| says it back') && !pin.text.includes('Do all that this server says'));
  await vote(pin);
  await sees(phone, `#${numberOf(pin)} ✅ in force`, 60);
  await calls('turns__say', { text: 'the twin' }, 'It said so.');
  assert.ok(told().includes('the twin'));
  const changed = 'The tool server turns is not what you pinned';
  for (const said of ['Not that.', 'Nor that.']) {
    const card = await calls('turns__say', { text: 'a secret' }, said);
    await endsWith(phone, card, 'changed since it was pinned; nothing was called', 60);
  }
  const warnings = phone.timeline().filter((e) => String(e.content['body']).includes(changed));
  assert.equal(warnings.length, 1);
  assert.match(
    String(warnings[0]?.content['body']),
    /of its tool say these differ: description, something else\. To look at it anew: !server add turns /,
  );
  assert.match(await hears(phone, '!server remove turns', 'no more'), /turns is pinned no more/);
  await phone.say('And now?\n!say So it is gone.');
  await sees(phone, 'So it is gone.', 60);
  assert.deepEqual(
    offered().filter((name) => name.startsWith('turns__')),
    [],
  );
});

test('a picture of an answer stands in the room below how its call ended, encrypted and named as its server’s; a model that sees has it, with its words', async () => {
  await phone.say(`!server add own ${image} ${ownCommand().join(' ')}`);
  await approve(phone, await nextCard('look at a tool server'));
  const pin = await nextCard('pin a tool server');
  await vote(pin);
  await sees(phone, `#${numberOf(pin)} ✅ in force`, 60);
  await phone.say(`Please look.\n${call('own__picture', {})}`);
  const card = await nextCard('call a tool of a server');
  await approve(phone, card);
  const words = `of type "image/png", ${pixel.length} bytes: number 1 in the room`;
  await endsWith(phone, card, words, 60);
  const n = numberOf(card);
  const file = await fileOf(phone, instance.address, `#${n} · answer-${n}-1.png, of the tool server own`);
  assert.deepEqual(file, pixel);
  // Its client hands the picture on as a message of its own, behind the words.
  await until('the model has it', () => picturesIn(instance.model?.asked()?.messages ?? []).length === 1);
  assert.ok(told().includes('bytes: number 1 in the room'));
});

test('attack-84 a secret of the console’s for an image is in its environment, its names are on the cards, and what it says of it comes to nobody; the twin, without one, has none', async () => {
  const value = 'tok_0123456789IMAGE';
  const add = ['secret', 'add', 'KEY', `image:${image}`];
  assert.equal((await instance.run(add, `${value}\n`)).code, 0);
  for (const [name, more, says] of [
    ['keyed', ' with KEY as TOKEN', '[secret]'],
    ['bare', '', 'none'],
  ] as const) {
    await phone.say(`!server add ${name} ${image} ${ownCommand().join(' ')}${more}`);
    const look = await nextCard('look at a tool server');
    await approve(phone, look);
    const pin = await nextCard('pin a tool server');
    for (const { text } of [look, pin])
      assert.equal(text.includes('🔑 KEY is given to it as its variable TOKEN'), more !== '', text);
    await vote(pin);
    await sees(phone, `#${numberOf(pin)} ✅ in force`, 60);
    await calls(`${name}__tell`, { text: 'TOKEN' }, `So ${name} told.`);
    assert.ok(told().includes(`${says} ${says}`), told());
  }
  const file = join(instance.home, 'ledger.txt');
  assert.equal((await instance.run(['audit', 'export', file])).code, 0);
  const { code, out, err } = await instance.run(['logs']);
  assert.equal(code, 0, err);
  const ledger = readFileSync(file, 'utf8');
  assert.ok(ledger.includes('TOKEN') && ledger.includes('[secret]'));
  for (const all of [told(), JSON.stringify(phone.timeline()), ledger, out]) assert.ok(!all.includes(value));
});

test('a server at a URL is asked for by phone, with a secret of the console’s: its card says where to and takes a signed answer, and what came of it is told', async () => {
  assert.equal(
    (await instance.run(['secret', 'add', 'MINE', 'origin.test'], 'tok_0123456789SECRET\n')).code,
    0,
  );
  await phone.say('!server add far https://origin.test/mcp with MINE');
  const card = await nextCard('reach a tool server');
  for (const words of ['| https://origin.test/mcp', '🔑 MINE is shown to origin.test, not to the agent'])
    assert.ok(card.text.includes(words), card.text);
  assert.equal(card.chips.length, 0, 'no tap is enough');
  await vote(card);
  const told = await sees(phone, 'the server did not begin to speak', 60);
  assert.match(told, /origin\.test could not be reached, or not to the end: .*lookup origin\.test/);
  assert.ok(!JSON.stringify(phone.timeline()).includes('0123456789SECRET'));
});
