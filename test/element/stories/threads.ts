/** With the app's setting "threads" on: a threaded message is hidden in the room and stands in its thread. */
import assert from 'node:assert/strict';
import { asksFor, nextCard } from '../cards.ts';
import { ran, type Stage } from '../stage.ts';
import { story } from '../story.ts';

export function threads(on: () => Stage): void {
  story('with threads on, a card in the room has its chips, and a tap counts', async () => {
    await on().restart({ threads: true });
    const { room } = on();
    const card = await asksFor(room, 'echo with-threads-on');
    await room.tap(card.id, card.named);
    assert.deepEqual(await on().reaches(card.number, 'succeeded'), ran);
    await room.sees('| with-threads-on');
  });

  story('what is said in a thread is heard, and its card can be answered', async () => {
    const { room, phone } = on();
    const root = await room.say('!pending');
    const thread = await phone.open(room.room, root);
    await thread.say('!run echo said-in-a-thread');
    const card = await nextCard(room, 'said-in-a-thread');
    await room.tap(card.id, card.named);
    assert.deepEqual(await on().reaches(card.number, 'succeeded'), ran);
  });

  story('with threads off again the same messages stand in the room', async () => {
    await on().restart({ threads: false });
    const { room } = on();
    await room.until('the threaded message', (rows) =>
      rows.find((row) => row.own && row.body === '!run echo said-in-a-thread'),
    );
  });
}
