/** The cards that are no script's: as the app shows their text, and answered from there. */
import assert from 'node:assert/strict';
import { connectLedger } from '../../../ledger/src/client.ts';
import { asksFor, isOver, nextCard, pollOf } from '../cards.ts';
import { ran, type Stage } from '../stage.ts';
import { story } from '../story.ts';
import type { Room } from '../types.ts';

const open = ran.slice(0, -1);
const call = (tool: string, args: object): string =>
  `Please.\n!call ${tool} ${JSON.stringify(args)}\n!say Done.`;

/** Waits for the poll whose question has all of these words. */
const nextPoll = (room: Room, ...words: string[]) =>
  room.until(
    `a poll with ${words}`,
    (rows) => rows.map(pollOf).findLast((poll) => poll && words.every((word) => poll.text.includes(word))),
    60,
  );

export function kinds(on: () => Stage): void {
  /** As `reaches`, without what its card leases of reading besides. */
  const reaches = async (number: number, kind: string): Promise<string[]> =>
    (await on().reaches(number, kind)).filter((one) => one !== 'lease.granted');

  story(
    'a terminal, and what is typed into it with all that cannot be seen, is read and approved',
    async () => {
      const { room } = on();
      await room.say(call('terminal_open', { script: 'exec cat # a terminal' }));
      const opens = await nextCard(room, 'wants to start a program that stays');
      for (const words of ['exec cat # a terminal', 'it can write to the workspace at any time'])
        assert.ok(opens.text.includes(words), opens.text);
      await room.tap(opens.id, opens.named);
      assert.deepEqual(await reaches(opens.number, 'running'), open);

      await room.say(call('terminal_send', { number: opens.number, text: 'a\u200B\u202Eb' }));
      const types = await nextCard(room, `type into the terminal that #${opens.number} opened`);
      assert.ok(
        types.text.includes('a\\u{200B}\\u{202E}b') && types.text.includes('and then Enter'),
        types.text,
      );
      await room.tap(types.id, types.named);
      assert.deepEqual(await reaches(types.number, 'succeeded'), ran);
      await room.say('!stop');
      assert.deepEqual(await reaches(opens.number, 'killed'), [...open, 'stop', 'killed']);
      await isOver(room, opens);
    },
  );

  story('an undo is read as what it changes, and approved', async () => {
    const { room } = on();
    const writes = await asksFor(room, 'echo new > to-be-undone');
    await room.tap(writes.id, writes.named);
    await reaches(writes.number, 'succeeded');
    await room.say(`!undo ${writes.number}`);
    const card = await nextCard(room, 'wants to undo');
    assert.ok(card.text.includes('vanishes: to-be-undone'), card.text);
    await room.tap(card.id, card.named);
    assert.deepEqual(await reaches(card.number, 'succeeded'), ran);
  });

  story('a lease of the network is read as hosts and bytes in its poll, and approved by a vote', async () => {
    const { room } = on();
    await room.say(call('network', { to: ['npm'], minutes: 5 }));
    const poll = await nextPoll(room, 'wants to reach the network', 'https://registry.npmjs.org/');
    assert.ok(poll.text.includes('up to 300 MB down and 1 MB up'), poll.text);
    await room.vote(poll.id, [poll.approve]);
    assert.deepEqual(await reaches(poll.number, 'running'), open);
    await room.say('!stop');
    assert.deepEqual(await reaches(poll.number, 'killed'), [...open, 'stop', 'killed']);
  });

  story(
    'a push is read as its repository, commit, subjects and files in its poll, and approved by a vote',
    async () => {
      const { instance, phone } = on();
      // As `workspace add` leaves it where it is cut off before there is a room: no host is asked.
      const source = 'https://example.test/me/shop.git';
      const password = instance.secrets.passwords.ledger.operator;
      const ledger = await connectLedger({ url: instance.ledgerUrl, identity: 'operator', password });
      const [commit, tree] = ['a'.repeat(40), 'b'.repeat(40)];
      const body = { workspace: 'shop', form: 'git', source, commit, tree, files: 0, bytes: 0 };
      await ledger.append({ kind: 'workspace.imported', body });
      assert.equal((await instance.run(['secret', 'add', 'MINE', 'example.test'], 'a-value\n')).code, 0);
      const { events } = await instance.run(['workspace', 'add', 'shop', source, '--json']);
      const id = String(events.find(({ event }) => event === 'workspace')?.['room']);
      await phone.join(id);
      const room = await phone.open(id);
      const commits = await asksFor(
        room,
        'git init -q -b main . && echo 1 > a && git add a && git commit -qm "Mend the hats"',
      );
      await room.tap(commits.id, commits.named);
      await reaches(commits.number, 'succeeded');
      await room.say('!push');
      const poll = await nextPoll(room, 'push to the git repository', 'https://example.test/me/shop.git');
      for (const words of ['Mend the hats', 'a | 1 +', '🔑 MINE is shown to example.test, not to the agent'])
        assert.ok(poll.text.includes(words), poll.text);
      await room.vote(poll.id, [poll.approve]);
      // That host is nowhere.
      assert.deepEqual(await reaches(poll.number, 'failed'), [...open, 'failed']);
    },
  );
}
