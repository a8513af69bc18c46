/** What the app is given when a push names an event: that makes the lock screen. */
import assert from 'node:assert/strict';
import { until } from '../../harness/wait.ts';
import { asksFor, asksForPoll, isOver } from '../cards.ts';
import type { Stage } from '../stage.ts';
import { story } from '../story.ts';
import type { Notified } from '../types.ts';

type Event = {
  event_id: string;
  sender: string;
  content: { 'm.relates_to'?: { rel_type?: string; event_id?: string } };
};

export function notifications(on: () => Stage): void {
  const given = (event: string): Promise<Notified> => on().phone.notification(on().room.room, event);

  /** The bot's newest events that relate to this one in that way: no rows of their own. */
  async function related(to: string, how: string): Promise<string[]> {
    const { instance, phone, room } = on();
    const url = `${instance.address}/_matrix/client/v3/rooms/${encodeURIComponent(room.room)}/messages?dir=b&limit=50`;
    const answer = await fetch(url, { headers: { authorization: `Bearer ${phone.token}` } });
    const { chunk } = (await answer.json()) as { chunk: Event[] };
    return chunk
      .filter(
        ({ content }) => content['m.relates_to']?.event_id === to && content['m.relates_to'].rel_type === how,
      )
      .filter(({ sender }) => sender === instance.bot)
      .map(({ event_id }) => event_id);
  }

  story(
    'a card and a poll notify, with the action and without any key; chips and live edits do not',
    async () => {
      const { room } = on();
      const card = await asksFor(room, 'echo on-the-lock-screen');
      const shown = await given(card.id);
      assert.equal(shown.status, 'shown');
      const text = JSON.stringify(shown.event?.content);
      assert.ok(text.includes('echo on-the-lock-screen'));
      for (const key of [card.named, card.decoy])
        assert.ok(!text.includes(key), 'a chip’s key is in its chip alone');
      const chips = await related(card.id, 'm.reference');
      assert.equal(chips.length, 3);
      for (const chip of chips) assert.notEqual((await given(chip)).status, 'shown');

      const poll = await asksForPoll(room, card);
      const asked = await given(poll.id);
      assert.equal(asked.status, 'shown');
      assert.equal(asked.event?.type, 'org.matrix.msc3381.poll.start');
      await room.vote(poll.id, [poll.approve]);
      await isOver(room, card);
      const edits = await until('the edits of the card', async () => {
        const all = await related(card.id, 'm.replace');
        return all.length > 0 && all;
      });
      for (const edit of edits) assert.notEqual((await given(edit)).status, 'shown');
    },
  );

  story('the agent’s answer notifies as it begins', async () => {
    const { room } = on();
    await room.say('Please say something for the lock screen.');
    const answer = await room.sees('You said: Please say something for the lock screen.', 30);
    const shown = await given(answer.id ?? '');
    assert.equal(shown.status, 'shown');
    assert.match(JSON.stringify(shown.event?.content), /"body":"agent:\\n> /);
  });
}
