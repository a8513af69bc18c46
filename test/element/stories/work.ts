/** What a person does about work that is under way: asks aside, tries, gets a file, brings in what was done apart. */
import assert from 'node:assert/strict';
import { asksFor, isOver, nextCard } from '../cards.ts';
import { ran, refused, type Stage } from '../stage.ts';
import { story } from '../story.ts';
import type { Row } from '../types.ts';

const pixel =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABpfZFQAAAAABJRU5ErkJggg==';

export function work(on: () => Stage): void {
  const reaches = async (number: number, kind: string): Promise<string[]> =>
    (await on().reaches(number, kind)).filter((one) => one !== 'lease.granted');

  story('a question aside is answered below itself, and the card that waits goes on waiting', async () => {
    const { room } = on();
    await room.say('Please.\n!call bash {"script":"echo while-asked > aside"}\n!say Not written then.');
    const card = await nextCard(room, 'while-asked');
    const question = await room.say('!btw what is that file for?\n!say It is for nothing but a test.');
    const answer = await room.sees('agent, asked aside:');
    assert.match(answer.body ?? '', /> It is for nothing but a test\.$/);
    assert.equal(answer.reply_to, question);
    await room.tap(card.id, '❌');
    assert.deepEqual(await reaches(card.number, 'denied'), refused);
    await room.sees('Not written then.');
  });

  story('what a waiting action would change is tried and shown, and nothing of it stays', async () => {
    const { room, claims } = on();
    const card = await asksFor(room, 'echo tried > would-be-there');
    const before = await claims();
    await room.say(`!try ${card.number}`);
    await room.sees('adds: would-be-there', 30);
    assert.equal(await claims(), before + 1, 'the try alone');
    await room.tap(card.id, '❌');
    assert.deepEqual(await reaches(card.number, 'denied'), refused);
    const gone = await asksFor(room, 'ls would-be-there');
    await room.tap(gone.id, gone.named);
    await reaches(gone.number, 'failed');
    assert.match(await isOver(room, gone), /No such file/);
  });

  story('a picture that the agent sends stands in the room as one, under its own name', async () => {
    const { room } = on();
    const draws = await asksFor(room, `echo ${pixel} | base64 -d > plot.png`);
    await room.tap(draws.id, draws.named);
    await reaches(draws.number, 'succeeded');
    await room.say('Please.\n!call get_file {"path":"plot.png"}\n!say There it is.');
    const card = await nextCard(room, 'send the file here');
    await room.tap(card.id, card.named);
    assert.deepEqual(await reaches(card.number, 'succeeded'), ran);
    const name = `#${card.number} · plot.png, a file of the workspace`;
    const isPicture = (row: Row) => row.type === 'm.image' && row.body === name;
    await room.until('the picture', (rows) => rows.find(isPicture));
  });

  story('what a task did apart comes in by a card that names every file', async () => {
    const { room } = on();
    await room.say('!new --apart another way');
    const begun = await room.sees('New task');
    const number = Number(/New task (\d+), apart/.exec(begun.body ?? '')?.[1]);
    assert.ok(number > 1, begun.body);
    const card = await asksFor(room, 'echo apart > from-apart');
    assert.match(card.text, /⑂ apart: in this task’s own copy of the workspace/);
    await room.tap(card.id, card.named);
    assert.deepEqual(await reaches(card.number, 'succeeded'), ran);
    await room.say(`!merge ${number}`);
    const merge = await nextCard(room, 'adds: from-apart');
    await room.tap(merge.id, merge.named);
    assert.deepEqual(await reaches(merge.number, 'succeeded'), ran);
    await room.say('!task 1');
    await room.sees('goes to task 1 now');
    const there = await asksFor(room, 'cat from-apart; echo it-came-in');
    await room.tap(there.id, there.named);
    assert.match(await isOver(room, there), /\| apart\n\| it-came-in/);
  });
}
