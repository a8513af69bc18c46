/** Cards, answered in each way. */
import assert from 'node:assert/strict';
import { until } from '../../harness/wait.ts';
import { asksFor, asksForPoll, isOver } from '../cards.ts';
import { ran, refused, type Stage } from '../stage.ts';
import { kindsOf, story } from '../story.ts';

export function answers(on: () => Stage): void {
  story(
    'a tap on the named chip is sealed: the script runs once and its output stands below the card',
    async () => {
      const { room } = on();
      const card = await asksFor(room, 'echo by-$((40 + 2)); id -u');
      await room.tap(card.id, card.named);
      assert.deepEqual(await on().reaches(card.number, 'succeeded'), ran);
      assert.match(await isOver(room, card), /\n✅ .*\n\| by-42\n\| 65525\n.* · ⛓ /u);
      const approved = (await on().ledger.since(0)).filter((entry) => entry.kind === 'approved');
      const { grade, evidence } = JSON.parse(approved.at(-1)?.body ?? '') as {
        grade: string;
        evidence: { form: string };
      };
      assert.deepEqual([approved.length, grade, evidence.form], [1, 'sealed', 'chip']);
    },
  );

  for (const [name, key] of [
    ['the decoy', 'decoy'],
    ['the ❌', '❌'],
  ] as const)
    story(`${name} denies, and nothing runs`, async () => {
      const { room } = on();
      const claims = await on().claims();
      const card = await asksFor(room, `echo never by ${key}`);
      await room.tap(card.id, key === 'decoy' ? card.decoy : key);
      assert.deepEqual(await on().reaches(card.number, 'denied'), refused);
      await isOver(room, card);
      assert.equal(await on().claims(), claims);
    });

  story('a tap that is taken back before anything began denies', async () => {
    const { room } = on();
    const claims = await on().claims();
    await on().without('executor', async () => {
      const card = await asksFor(room, 'echo never after all');
      await room.tap(card.id, card.named);
      await on().reaches(card.number, 'approved');
      await room.tap(card.id, card.named);
      assert.deepEqual(await on().reaches(card.number, 'denied'), [
        'requested',
        'posted',
        'approved',
        'denied',
      ]);
    });
    assert.equal(await on().claims(), claims);
  });

  story('a 🛑 ends what runs and denies what waits', async () => {
    const { room } = on();
    const running = await asksFor(room, 'echo started; sleep 600');
    await room.tap(running.id, running.named);
    const waiting = await asksFor(room, 'echo never, stopped');
    await on().reaches(running.number, 'running');
    await room.tap(running.id, '🛑');
    assert.deepEqual(await on().reaches(running.number, 'killed'), [...ran.slice(0, -1), 'stop', 'killed']);
    assert.deepEqual(await on().reaches(waiting.number, 'denied'), refused);
  });

  story('a vote approves as signed, by this device, and the poll ends', async () => {
    const { room, phone } = on();
    const card = await asksFor(room, 'echo by-poll');
    const poll = await asksForPoll(room, card);
    assert.ok(poll.text.includes('echo by-poll'), 'the question holds the whole action');
    await room.vote(poll.id, [poll.approve]);
    assert.deepEqual(await on().reaches(card.number, 'succeeded'), ran);
    const approved = (await on().ledger.since(0)).findLast((entry) => entry.kind === 'approved');
    const { grade, evidence } = JSON.parse(approved?.body ?? '') as {
      grade: string;
      evidence: { device: string };
    };
    assert.deepEqual([grade, evidence.device], ['signed', phone.device]);
    const ended = await room.until('the end of the poll', (rows) =>
      rows.find((row) => row.id === poll.id && row.ended),
    );
    assert.deepEqual(ended.votes?.[poll.approve], [phone.user]);
  });

  story('a vote for both answers of a poll runs nothing; the one for its yes that follows does', async () => {
    const { room, ledger } = on();
    const claims = await on().claims();
    const card = await asksFor(room, 'echo both');
    const poll = await asksForPoll(room, card);
    await room.vote(poll.id, [poll.approve, poll.deny]);
    await room.sees('takes one answer: vote for one of the two');
    assert.deepEqual(await kindsOf(ledger, card.number), ['requested', 'posted']);
    await room.vote(poll.id, [poll.approve]);
    assert.deepEqual(await on().reaches(card.number, 'succeeded'), ran);
    assert.equal(await on().claims(), claims + 1);
  });

  story('a question of the agent is a poll that wakes the phone, and a vote answers it', async () => {
    const { room, instance } = on();
    const question = JSON.stringify({ question: 'Which colour?', options: ['red', 'blue', 'none'] });
    await room.say(`Please ask.\n!call ask ${question}\n!say Over to you.`);
    const poll = await room.until(
      'the question',
      (rows) => rows.find((row) => row.kind === 'poll' && row.body?.includes('Which colour?') && row.id),
      30,
    );
    assert.deepEqual(
      poll.answers?.map(({ text }) => text),
      ['red', 'blue', 'none'],
    );
    assert.deepEqual([poll.most, poll.body?.startsWith('❓ agent asks:\n> Which colour?')], [1, true]);
    await room.vote(poll.id ?? '', [poll.answers?.[1]?.id ?? '']);
    const told = () => JSON.stringify(instance.model?.seen.at(-1)?.messages ?? []);
    await until('the model to be told', () => told().includes('> Which colour?\\n\\nblue'), { seconds: 30 });
    await room.until('the end of the poll', (rows) => rows.find((row) => row.id === poll.id && row.ended));
  });
}
