/** An app, or the bot, that was away. */
import assert from 'node:assert/strict';
import { asksFor, asksForPoll, isOver, nextCard } from '../cards.ts';
import { ran, type Stage } from '../stage.ts';
import { story } from '../story.ts';

export function absence(on: () => Stage): void {
  story('an app that is started again shows the open card with its chips, and a tap counts', async () => {
    const card = await asksFor(on().room, 'echo after-the-restart');
    await on().restart();
    const again = await nextCard(on().room, 'after-the-restart');
    assert.deepEqual(again, card);
    await on().room.tap(again.id, again.named);
    assert.deepEqual(await on().reaches(card.number, 'succeeded'), ran);
  });

  story(
    'offline for a hundred messages: what became of the card before them shows, and the one after',
    async () => {
      const { room, phone } = on();
      const before = await asksFor(room, 'echo before-it-went-offline');
      await phone.offline();
      await room.queue('!stop');
      for (let i = 0; i < 50; i++) await room.queue('!pending');
      await room.queue('!run echo after-it-was-offline');
      await on().reaches(before.number, 'denied');
      await on().reaches(before.number + 1, 'posted');
      await phone.online();
      const after = await nextCard(room, 'after-it-was-offline');
      await isOver(room, before);
      await room.tap(after.id, after.named);
      assert.deepEqual(await on().reaches(after.number, 'succeeded'), ran);
    },
  );

  story(
    'said while the bot was away, with a new room key and past a limited sync: heard when it is back',
    async () => {
      const { room, phone } = on();
      await on().without('bot', async () => {
        for (let i = 0; i < 15; i++) await room.queue('!pending');
        await phone.newRoomKey(room.room);
        for (let i = 0; i < 15; i++) await room.queue('!pending');
        await room.say('!run echo said-while-it-was-away');
      });
      const card = await nextCard(room, 'said-while-it-was-away', 60);
      await room.tap(card.id, card.named);
      assert.deepEqual(await on().reaches(card.number, 'succeeded'), ran);
    },
  );

  story('a new room key while the bot is there changes nothing', async () => {
    const { room, phone } = on();
    await phone.newRoomKey(room.room);
    const card = await asksFor(room, 'echo with-a-new-key');
    const poll = await asksForPoll(room, card);
    await phone.newRoomKey(room.room);
    await room.vote(poll.id, [poll.approve]);
    assert.deepEqual(await on().reaches(card.number, 'succeeded'), ran);
  });
}
