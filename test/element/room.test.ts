/** A day with the phone: cards answered in each way, messages of each sort, an app that was away. */
import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { asksFor, asksForPoll, isOver, nextCard } from './cards.ts';
import { closeStage, openStage, ran, refused, type Stage } from './stage.ts';
import { kindsOf, missing, story } from './story.ts';

let stage: Stage;
before(async () => {
  if (!missing) stage = await openStage();
});
after(() => closeStage(stage));

story(
  'a tap on the named chip is sealed: the script runs once and its output stands below the card',
  async () => {
    const { room } = stage;
    const card = await asksFor(room, 'echo by-$((40 + 2)); id -u');
    await room.tap(card.id, card.named);
    const output = await room.sees('by-42\n| 1000');
    assert.deepEqual(await stage.reaches(card.number, 'succeeded'), ran);
    await isOver(room, card);
    const ids = (await room.rows()).map((row) => row.id);
    assert.ok(ids.indexOf(output.id) > ids.indexOf(card.id));
    const approved = (await stage.ledger.since(0)).filter((entry) => entry.kind === 'approved');
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
    const { room } = stage;
    const claims = await stage.claims();
    const card = await asksFor(room, `echo never by ${key}`);
    await room.tap(card.id, key === 'decoy' ? card.decoy : key);
    assert.deepEqual(await stage.reaches(card.number, 'denied'), refused);
    await isOver(room, card);
    assert.equal(await stage.claims(), claims);
  });

story('a tap that is taken back before anything began denies', async () => {
  const { room } = stage;
  const claims = await stage.claims();
  await stage.without('executor', async () => {
    const card = await asksFor(room, 'echo never after all');
    await room.tap(card.id, card.named);
    await stage.reaches(card.number, 'approved');
    await room.tap(card.id, card.named);
    assert.deepEqual(await stage.reaches(card.number, 'denied'), [
      'requested',
      'posted',
      'approved',
      'denied',
    ]);
  });
  assert.equal(await stage.claims(), claims);
});

story('a 🛑 ends what runs and denies what waits', async () => {
  const { room } = stage;
  const running = await asksFor(room, 'echo started; sleep 600');
  await room.tap(running.id, running.named);
  const waiting = await asksFor(room, 'echo never, stopped');
  await stage.reaches(running.number, 'running');
  await room.tap(running.id, '🛑');
  assert.deepEqual(await stage.reaches(running.number, 'killed'), [...ran.slice(0, -1), 'stop', 'killed']);
  assert.deepEqual(await stage.reaches(waiting.number, 'denied'), refused);
});

story('a vote approves as signed, by this device, and the poll ends', async () => {
  const { room, phone } = stage;
  const card = await asksFor(room, 'echo by-poll');
  const poll = await asksForPoll(room, card);
  assert.ok(poll.text.includes('echo by-poll'), 'the question holds the whole action');
  await room.vote(poll.id, [poll.approve]);
  assert.deepEqual(await stage.reaches(card.number, 'succeeded'), ran);
  const approved = (await stage.ledger.since(0)).findLast((entry) => entry.kind === 'approved');
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

story('a vote for both answers of a poll runs nothing', async () => {
  const { room } = stage;
  const claims = await stage.claims();
  const card = await asksFor(room, 'echo both');
  const poll = await asksForPoll(room, card);
  await room.vote(poll.id, [poll.approve, poll.deny]);
  await stage.reaches(card.number, 'denied');
  assert.equal(await stage.claims(), claims);
});

story('an edit of a command changes nothing of what was asked', async () => {
  const { room } = stage;
  const card = await asksFor(room, 'echo as-first-written');
  const said = (await room.rows()).findLast((row) => row.own && row.body?.includes('as-first-written'));
  await room.edit(said?.id ?? '', '!run echo as-edited');
  await room.until('the edit', (rows) => rows.find((row) => row.id === said?.id && row.edited));
  await room.tap(card.id, card.named);
  await room.sees('| as-first-written');
  const asked = (await stage.ledger.since(0)).filter((entry) => entry.kind === 'requested');
  assert.ok(!asked.some((entry) => entry.body.includes('as-edited')));
});

story('an app that is started again shows the open card with its chips, and a tap counts', async () => {
  const card = await asksFor(stage.room, 'echo after-the-restart');
  await stage.restart();
  const again = await nextCard(stage.room, 'after-the-restart');
  assert.deepEqual(again, card);
  await stage.room.tap(again.id, again.named);
  await stage.room.sees('| after-the-restart');
  assert.deepEqual(await kindsOf(stage.ledger, card.number), ran);
});
