/** A day in two rooms, played by the phone with Element X's engine: what its owner read at the end stands in docs/room.md. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { checkout } from '../../console/instance/paths.ts';
import { until } from '../harness/wait.ts';
import { isOver, nextCard, type Poll, pollOf } from './cards.ts';
import { pageOf } from './day.ts';
import { closeStage, openStage, type Stage } from './stage.ts';
import { missing, story } from './story.ts';
import type { Room, Row } from './types.ts';

const greet = { script: 'printf \'echo "Hello, $1!"\\n\' > greet.sh; sh greet.sh Ann' };
const page = { path: 'index.html', content: '<h1>Hello</h1>\n' };
/** What the model does: `!plan`, a question, an interruption; and where a task is taken up again. */
const scripts = {
  'Greet people by name': [
    {
      say: 'There is nothing here yet.',
      call: { tool: 'plan', args: { words: '1. Write greet.sh.\n2. Try it.' } },
    },
    {
      say: 'Then so.',
      call: {
        tool: 'plan',
        args: { words: 'One command writes and tries it.', steps: [{ tool: 'bash', arguments: greet }] },
      },
    },
    { say: 'I begin.', call: { tool: 'bash', args: greet } },
    { say: 'greet.sh greets by name.' },
    { say: 'I look at it again.', call: { tool: 'read_file', args: { path: 'greet.sh' } } },
    { say: 'It takes the first argument alone: I would write "$*".' },
  ],
  'Give the release a number': [
    {
      say: 'There are two ways to count.',
      call: {
        tool: 'ask',
        args: { question: 'Which number does the release get?', options: ['1.0', '0.2'] },
      },
    },
    { say: 'I go on when I know.' },
    { say: 'So be it.', call: { tool: 'write_file', args: { path: 'VERSION', content: '0.2\n' } } },
    { say: 'The release is 0.2.' },
  ],
  'Make the page new': [
    { say: 'First the old one goes.', call: { tool: 'bash', args: { script: 'rm -rf old' } } },
    { say: 'The old one stays, then.', call: { tool: 'write_file', args: page } },
    { say: 'The page is there, beside the old one.' },
    { say: 'It stays for good.' },
  ],
};

let stage: Stage;
before(async () => {
  if (!missing) stage = await openStage({ scripts });
});
after(() => closeStage(stage));

const nextPoll = (room: Room, words: string): Promise<Poll> =>
  room.until(`a poll with ${words}`, (rows) =>
    rows.map(pollOf).findLast((poll) => poll?.text.includes(words)),
  );
/** The rows from this event on: what was before it, pairing and tour, is told elsewhere. */
async function since(room: Room, event: string): Promise<Row[]> {
  const rows = await room.rows(200);
  return rows.slice(rows.findIndex((row) => row.id === event));
}

story(
  'a day: one task planned, one with a question, one interrupted, all taken up again after restarts',
  async () => {
    const { room: main, instance, phone } = stage;
    /** The agent said it so often. */
    const answers = (room: Room, words: string, times = 1) =>
      room.until(`${times} of the agent’s: ${words}`, (rows) => {
        const own = rows.filter(
          (row) => !row.own && row.body?.startsWith('agent') && row.body.includes(`> ${words}`),
        );
        return own.length === times;
      });

    // The tour would say its lines between these.
    await main.say('!tour off');
    await main.sees('The tour is over');

    // A plan, talked over.
    const first = await main.say('!plan Greet people by name');
    await nextPoll(main, '1. Write greet.sh.');
    await answers(main, 'I wait for the owner.');
    await main.say('In one command, please.');
    const plan = await nextPoll(main, 'One command writes and tries it.');
    await answers(main, 'I wait for the owner.', 2);
    await main.vote(plan.id, [plan.approve]);
    await answers(main, 'greet.sh greets by name.');

    // A second task, with a question.
    await main.say('!new');
    await main.sees('New task 2.');
    await main.say('Give the release a number');
    const question = await main.until('the question', (rows) =>
      rows.find((row) => row.kind === 'poll' && row.id && row.body?.includes('Which number')),
    );
    await answers(main, 'I go on when I know.');
    await main.vote(question.id ?? '', [question.answers?.[1]?.id ?? '']);
    const version = await nextCard(main, 'VERSION');
    await main.tap(version.id, version.named);
    await answers(main, 'The release is 0.2.');

    // Meanwhile, in another room: something is said while it works, and it is interrupted.
    const added = await instance.run(['workspace', 'add', 'site', '--json']);
    const site = String(added.events.find(({ event }) => event === 'workspace')?.['room']);
    await phone.join(site);
    const other = await phone.open(site);
    const begun = await other.say('Make the page new');
    const gone = await nextCard(other, 'rm -rf old');
    const also = await other.say('Keep it small.');
    await other.until('the mark', (rows) => rows.find((row) => row.id === also && row.taps['👀']));
    await other.say('!now Leave the old one where it is');
    const written = await nextCard(other, 'index.html', 60);

    // Bot, brain and executor are started again, with a card open.
    for (const service of ['bot', 'brain', 'executor']) await stage.without(service, async () => {});
    await until('all to be up', async () => (await instance.run(['status'])).code === 0, {
      seconds: 120,
      every: 500,
    });
    await other.tap(written.id, written.named);
    await answers(other, 'The page is there, beside the old one.');
    await other.tap(gone.id, '❌');
    await answers(other, 'It stays for good.');
    await isOver(other, gone, 60);
    await main.say('!resume 1');
    await main.sees('What you say goes to task 1 now.', 60);
    await main.say('What does it do with two names?');
    const reads = await nextCard(main, 'greet.sh', 60);
    await main.tap(reads.id, reads.named);
    await answers(main, 'It takes the first argument alone');
    await isOver(main, reads, 60);

    const read = ['# main', pageOf(await since(main, first)), '# site', pageOf(await since(other, begun))];
    const page = read.join('\n\n');
    const stands =
      /^~~~\n([\s\S]*?)\n~~~$/m.exec(readFileSync(join(checkout, 'docs/room.md'), 'utf8'))?.[1] ?? '';
    const messages = (text: string): string[] => text.split('\n\n').sort();
    if (messages(page).join() !== messages(stands).join()) console.log(page);
    assert.deepEqual(messages(page), messages(stands), 'docs/room.md has to show what is printed above');
    // What the bot and the agent say at one moment may change places; what leads to a question comes before it.
    for (const [words, asks] of [
      ['There is nothing here yet.', '#1 ·'],
      ['Then so.', '#2 ·'],
      ['There are two ways to count.', '❓ agent asks'],
      ['So be it.', '#4 ·'],
      ['First the old one goes.', '#5 ·'],
      ['The old one stays, then.', '#6 ·'],
      ['I look at it again.', '#7 ·'],
    ] as const)
      assert.ok(page.indexOf(words) < page.indexOf(asks), `${words} comes before ${asks}`);
  },
);
