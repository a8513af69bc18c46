/** Fewer cards, on the composed system: reads that a task's first card leases besides, and one card for calls of one turn. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Entry, Ledger } from '../../ledger/src/client.ts';
import {
  answerOf,
  approve,
  askAndSee,
  endsWith,
  hears,
  nextCards,
  numberOf,
  sees,
} from '../harness/answers.ts';
import { type Instance, ledgerOf, startInstance } from '../harness/instance.ts';
import { lifeOf } from '../harness/life.ts';
import { pairedPhone } from '../harness/paired.ts';
import type { Card, Phone } from '../phone/types.ts';

let instance: Instance;
let phone: Phone;
let ledger: Ledger;

before(async () => {
  instance = await startInstance({ model: 'scripted' });
  phone = await pairedPhone({ address: instance.address, ...instance.owner, home: instance.home });
  ledger = await ledgerOf(instance);
  const files = 'mkdir src; for f in a b c; do echo "text of $f" > src/$f; done; ln -s a src/link';
  const card = await askAndSee(phone, `!run ${files}`);
  assert.ok(!card.text.includes('also, for the rest'), 'what a person asks for leases nothing');
  await approve(phone, card);
  await endsWith(phone, card, 'exit 0', 30);
});
after(async () => {
  await phone?.close();
  await instance?.destroy();
});

const nextCard = nextCards(
  () => phone,
  (c) => c.chips.length + c.answers.length > 1,
  30,
);
const read = (path: string): string => `read_file ${JSON.stringify({ path })}`;
const edit = (path: string, old: string): string =>
  `edit_file ${JSON.stringify({ path, old, new: `${old}, edited` })}`;
const ask = (...lines: string[]): Promise<string> => phone.say(['Please do this.', ...lines].join('\n'));
const offer =
  'also, for the rest of this task: the agent may list, search and read files of this workspace, see its terminals, and call tools pinned as read,';
/** The stories of the newest actions, without what runs beside an action's life. */
async function lastStories(count: number): Promise<string[]> {
  const requested = (await ledger.since(0)).filter((e) => e.kind === 'requested').slice(-count);
  const stories = await Promise.all(requested.map((e) => ledger.story(e.action)));
  return stories.map((story) =>
    lifeOf(story)
      .filter((kind) => kind !== 'lease.granted')
      .join(' '),
  );
}
const asked = 'requested posted approved claimed running succeeded';
const leased = 'requested leased claimed running succeeded';
const granted = async (): Promise<Entry[]> =>
  (await ledger.since(0)).filter((e) => e.kind === 'lease.granted');
let first: Card;

test('the first card of a task leases its reads: the other calls of its turn, and later ones, need none', async () => {
  await ask(`!call ${read('src/a')}`, `!with ${read('src/b')}`, `!with ${read('src/c')}`, '!say All read.');
  first = await nextCard('| src/a');
  assert.ok(first.text.includes(`${offer} without asking, 100 times at most, within 1 h`), first.text);
  await approve(phone, first);
  await sees(phone, 'All read.', 30);
  await sees(phone, `2 reads · by #${numberOf(first)}`);
  assert.deepEqual(await lastStories(3), [asked, leased, leased]);
  const [grant, ...more] = await granted();
  assert.deepEqual([grant?.author, more.length], ['executor', 0]);
  const told = JSON.stringify(instance.model?.asked()?.messages ?? []);
  for (const file of ['a', 'b', 'c']) assert.ok(told.includes(`text of ${file}`), file);
  await ask(`!call ${read('./src//b')}`, '!say Once more.');
  await sees(phone, 'Once more.', 30);
  assert.deepEqual(await lastStories(1), [leased]);
  const used = `#${numberOf(first)} reads of this workspace in its task: 3 of 100 used`;
  await hears(phone, '!leases', used);
});

test('they follow no symbolic link, and spare no card to what writes or runs', async () => {
  await ask(`!call ${read('src/link')}`, '!say Tried.');
  await sees(phone, 'Tried.', 30);
  assert.deepEqual(await lastStories(1), ['requested leased claimed running failed']);
  await ask('!call bash {"script":"cat src/a"}', '!say Run.');
  const card = await nextCard('cat src/a');
  assert.ok(!card.text.includes(offer), 'while they stand they are not offered again');
  await approve(phone, card);
  await sees(phone, 'Run.', 30);
  assert.deepEqual(await lastStories(1), [asked]);
});

test('writing calls of one turn are a list on one card, with one vote; each is answered with its own outcome', async () => {
  const files = ['a', 'b', 'c'];
  const [first = '', ...more] = files.map((f) => edit(`src/${f}`, `text of ${f}`));
  await ask(`!call ${first}`, ...more.map((line) => `!with ${line}`), '!say All edited.');
  const done = sees(phone, 'All edited.', 30).then(() => undefined);
  const cards: Card[] = [];
  // Where this machine is slow one call may come after the others were shown: then it has a card of its own.
  for (;;) {
    const card = await Promise.race([done, nextCard(', edited').catch(() => undefined)]);
    if (!card) break;
    cards.push(card);
    const { answers, id } = card;
    await (answers.length > 0 ? phone.vote(id, [answerOf(card, 'Approve')]) : approve(phone, card));
  }
  assert.ok(cards.length <= 2, `${cards.length} cards`);
  const list = cards.find((card) => /^1 of [23] · edit_file$/m.test(card.text));
  assert.ok(list && list.answers.length === 2, 'one of them is a list, and is voted on');
  assert.ok((await lastStories(4)).includes('requested posted approved applied'));
  const told = JSON.stringify(instance.model?.asked()?.messages ?? []);
  for (const file of files) assert.ok(told.includes(`edited /workspace/src/${file}`), file);
});

test('!revoke ends them: the next read asks, and its card offers none', async () => {
  await hears(phone, `!revoke ${numberOf(first)}`, 'is over: what it covered is asked for again');
  await ask(`!call ${read('src/c')}`, '!say That too.');
  const card = await nextCard('| src/c');
  assert.ok(!card.text.includes(offer));
  await approve(phone, card);
  await sees(phone, 'That too.', 30);
  assert.deepEqual(await lastStories(1), [asked]);
});

test('a new task has a first card of its own; denied, nothing is leased or offered again', async () => {
  await hears(phone, '!new', 'New task');
  await ask(`!call ${read('src/b')}`, '!say Not then.');
  const card = await nextCard('| src/b');
  assert.ok(card.text.includes(offer));
  await phone.tap(card.id, '❌');
  await sees(phone, 'Not then.', 30);
  assert.deepEqual(await lastStories(1), ['requested posted denied']);
  await ask(`!call ${read('src/c')}`, '!say Then this.');
  const next = await nextCard('| src/c');
  assert.ok(!next.text.includes(offer));
  await approve(phone, next);
  await sees(phone, 'Then this.', 30);
  assert.equal((await granted()).length, 1);
});

test('!stop of their task ends them, and !new does not', async () => {
  await hears(phone, '!new', 'New task');
  await ask(`!call ${read('src/a')}`, '!say Here.');
  await approve(phone, await nextCard('| src/a'));
  await sees(phone, 'Here.', 30);
  assert.equal((await granted()).length, 2);
  await hears(phone, '!new', 'New task 4');
  await hears(phone, '!leases', 'reads of this workspace in its task: 0 of 100 used');
  await hears(phone, '!stop 3', 'Stopped in task 3: 1.');
  await hears(phone, '!leases', 'No lease and no plan stands');
});

test('the ledger of all this audits clean', async () => {
  const audit = await instance.run(['audit', '--json']);
  assert.equal(audit.code, 0, audit.out + audit.err);
});
