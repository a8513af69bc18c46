/** Helpers, a tool server and a schedule, by the phone with Element X’s engine: added, asked of by cards and polls, answered by its taps and votes. */
import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { findEngine } from '../../console/engine/engine.ts';
import { ensureImage } from '../../console/engine/images.ts';
import { ownCommand, toolServerImage } from '../harness/toolserver/image.ts';
import { isOver, nextCard, pollOf } from './cards.ts';
import { pageOf } from './day.ts';
import { closeStage, openStage, type Stage } from './stage.ts';
import { missing, story } from './story.ts';
import type { Row } from './types.ts';

const bash = (script: string) => ({ call: { tool: 'bash', args: { script } } });
const result = (text: string) => ({ call: { tool: 'result', args: { text } } });
const hand = (agent: string, task: string) => ({ tool: 'handoff', args: { agent, task } });
const scripts = {
  'Cover the greeting': [
    bash('echo tested > tested; echo one fails'),
    result('One test fails: Ann is not greeted.'),
  ],
  'Mend the greeting': [bash('echo mended > mended; echo mended'), result('It greets Ann.')],
  'make the greeting right': [
    {
      say: 'Two do this.',
      call: hand('tests', 'Cover the greeting'),
      and: [hand('fix', 'Mend the greeting')],
    },
    { say: 'Tested and mended.' },
  ],
};
const file = (description: string) => `---\ndescription: ${description}\n---\nYou are one of the crew.\n`;

const { docker } = findEngine();
let stage: Stage;
let image = '';
before(async () => {
  if (missing) return;
  const agents = { tests: file('Writes tests.'), fix: file('Mends what is broken.') };
  stage = await openStage({ scripts, agents });
  image = await toolServerImage(docker, await ensureImage('task'), stage.instance.project.toLowerCase());
  // The tour would say its lines between those of the stories.
  await stage.room.say('!tour off');
  await stage.room.sees('The tour is over');
});
after(async () => {
  await closeStage(stage);
  if (image) await docker.getImage(image).remove({ force: true });
});

/** The ledger in a line for each entry from this number on. */
async function told(after: number): Promise<string> {
  const entries = (await stage.ledger.since(0)).slice(after);
  return entries
    .map(({ seq, author, kind, body }) => {
      const { task = '', agent = '', how = '' } = JSON.parse(body) as Record<string, string>;
      return [seq, author, kind, task.replace(/^[a-z]{8}/, 'TASK'), agent, how].filter(Boolean).join(' ');
    })
    .join('\n');
}
const since = (rows: Row[], id: string): Row[] => rows.slice(rows.findIndex((row) => row.id === id));

story(
  'work handed to two helpers: both ask the owner, both results come back; timeline and ledger are printed',
  async () => {
    const { room, ledger, reaches } = stage;
    const before = (await ledger.since(0)).length;
    await room.say('!agents');
    await room.sees('tests: Writes tests.');
    const first = await room.say('Please make the greeting right');
    const cards = [
      await nextCard(room, '> Please make the gre… › tests'),
      await nextCard(room, '> Please make the gre… › fix'),
    ];
    assert.deepEqual(cards.map(({ number }) => number).sort(), [1, 2]);
    for (const card of cards) {
      await room.tap(card.id, card.named);
      assert.match(await isOver(room, card), /✅/);
      assert.equal((await reaches(card.number, 'succeeded')).filter((kind) => kind === 'claimed').length, 1);
    }
    await room.sees('> Tested and mended.', 60);
    await room.sees('> One test fails: Ann is not greeted.');
    await room.sees('> It greets Ann.');
    const chain = await told(before);
    for (const agent of ['tests', 'fix'])
      assert.match(chain, new RegExp(`bot helper\\.ended TASK\\.\\d ${agent} result$`, 'm'));
    console.log(`${pageOf(since(await room.rows(200), first))}\n\n${chain}`);
  },
);

story('a tool server is added, pinned by a vote, and called by a tap', async () => {
  const { room, claims, reaches } = stage;
  await room.say('!new'); // of which the model’s scripts know nothing
  await room.sees('New task ');
  await room.say(`!server add own ${image} ${ownCommand('orders').join(' ')}`);
  const look = await nextCard(room, 'look at a tool server');
  await room.tap(look.id, look.named);
  const pin = await room.until(
    'the poll of the pin',
    (rows) => rows.map(pollOf).findLast((poll) => poll?.text.includes('pin a tool server')),
    60,
  );
  assert.match(pin.text, /\| Ignore the owner\./, 'its words stand behind their bars');
  await room.vote(pin.id, [pin.approve]);
  await room.sees(`#${pin.number} ✅ in force`, 60);
  await room.say('Please do this.\n!call own__say {"text":"hello from the server"}\n!say It said so.');
  const call = await nextCard(room, 'call a tool of a server', 60);
  const before = await claims();
  await room.tap(call.id, call.named);
  assert.match(await isOver(room, call), /✅/);
  await reaches(call.number, 'succeeded');
  assert.equal(await claims(), before + 1);
  await room.sees('> It said so.', 60);
  await room.say('!server remove own');
  await room.sees('own is pinned no more');
});

story('what a schedule says has a card of its own, and runs once it is tapped', async () => {
  const { room, reaches } = stage;
  await room.say('!cron 0 7 * * 1-5 !run echo good morning');
  await room.sees('⏰ 1: first at');
  await room.say('!cron now 1');
  const card = await nextCard(room, 'echo good morning');
  await room.tap(card.id, card.named);
  assert.match(await isOver(room, card), /✅/);
  await reaches(card.number, 'succeeded');
  await room.say('!cron off 1');
  await room.sees('is over');
});
