/** A second device enrolled from the first one, and a lost phone. */
import assert from 'node:assert/strict';
import type { Ledger } from '../../../ledger/src/client.ts';
import type { Instance } from '../../harness/instance.ts';
import { until } from '../../harness/wait.ts';
import { asksFor, nextCard, pollOf } from '../cards.ts';
import { compares, enrolled, kindsOf, operator, story } from '../story.ts';
import type { Phone } from '../types.ts';

export type Devices = {
  instance(): Instance;
  ledger(): Ledger;
  /** The owner's paired phone. */
  phone(): Phone;
  /** The owner signs in on another phone. */
  signIn(): Promise<Phone>;
};

export function devices(on: Devices): void {
  let key = '';
  let second: Phone;
  const claims = async () => (await on.ledger().since(0)).filter((entry) => entry.kind === 'claimed').length;
  const succeeds = (number: number) =>
    until(`#${number} to succeed`, async () => (await kindsOf(on.ledger(), number)).at(-1) === 'succeeded', {
      seconds: 30,
    });

  story('a second phone is not heard until the first one approves it', async () => {
    const room = await on.phone().open(on.instance().room);
    key = await on.phone().setUpRecovery();
    second = await on.signIn();
    await second.recover(key);
    const other = await second.open(room.room);
    const early = await asksFor(room, 'echo before-it-was-enrolled');
    // It may read the card all the same, from the key backup that the recovery key opens: docs/approvals.md, "Not defended".
    await other.queue('!run echo too-early');
    await room.until('a word on it', (rows) => rows.find((row) => !row.own && row.body?.includes('⚠️')));

    await room.say(`!device ${second.device}`);
    const poll = await room.until('the poll about the device', (rows) =>
      rows.map(pollOf).findLast((one) => one?.text.includes(second.device)),
    );
    await room.vote(poll.id, [poll.approve]);
    await until(
      'it to be in force',
      async () => (await kindsOf(on.ledger(), poll.number)).at(-1) === 'applied',
    );

    const card = await asksFor(other, 'echo from-the-second-phone');
    await nextCard(room, 'from-the-second-phone');
    await other.tap(card.id, card.named);
    await succeeds(card.number);
    const asked = (await on.ledger().since(0)).filter((entry) => entry.kind === 'requested');
    assert.ok(!asked.some((entry) => entry.body.includes('too-early')));
    await room.tap(early.id, '❌');
  });

  story(
    'a lost phone is revoked at the console: it decides nothing, and a new one takes its place',
    async () => {
      const room = await on.phone().open(on.instance().room);
      const lost = await second.open(room.room);
      const card = await asksFor(room, 'echo asked-before-it-was-lost');
      const seen = await nextCard(lost, 'asked-before-it-was-lost');
      assert.equal((await on.instance().run(['device', 'revoke', second.device])).code, 0);
      const before = await claims();
      await lost.tap(seen.id, seen.named);
      await lost.say('!run echo by-the-thief');
      // The bot takes what comes in its order: with this card it has judged both.
      const after = await asksFor(room, 'echo after-the-thief');
      assert.ok(!(await kindsOf(on.ledger(), card.number)).includes('approved'));
      assert.equal(await claims(), before);
      const asked = (await on.ledger().since(0)).filter((entry) => entry.kind === 'requested');
      assert.ok(!asked.some((entry) => entry.body.includes('by-the-thief')));
      await room.tap(after.id, '❌');
      await second.destroy();

      const fresh = await on.signIn();
      await fresh.recover(key);
      const anew = await fresh.open(room.room);
      assert.equal(await compares(fresh, operator(on.instance().home)), fresh.device);
      assert.equal((await enrolled(on.ledger())).at(-1), fresh.device);
      const next = await asksFor(anew, 'echo by-the-new-phone');
      await anew.tap(next.id, next.named);
      await succeeds(next.number);
    },
  );
}
