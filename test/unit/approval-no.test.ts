/** A no is never lost, whenever it comes: not before its card is recorded, not after a yes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judge } from '../../bot/src/approval/gatekeeper.ts';
import type { Card } from '../../bot/src/approval/store.ts';
import type { Gate, Verdict } from '../../bot/src/approval/verdict.ts';
import { pollAnswers } from '../../bot/src/show/card.ts';
import type { Taken } from '../../bot/src/types.ts';
import { asked, room, startDesk } from '../harness/desk.ts';
import { owner } from '../harness/ledger-chain.ts';

const evidence = { user: owner.user, event: '$no', form: 'reaction' as const };
const no = (card: Card): Verdict => ({ do: 'deny', card, evidence, why: '❌ on the card' });
const yes = (card: Card): Verdict => ({ do: 'approve', card, grade: 'sealed', evidence });

test('a ❌ that comes before the card is recorded as posted voids the action; a later one denies', async () => {
  let early = true;
  const told: string[] = [];
  const d = startDesk();
  const { append } = d.wide;
  d.wide.append = async (entry) => {
    const card = entry.kind === 'posted' && early ? d.secrets.get(entry.action ?? '') : undefined;
    early &&= !card;
    if (card) told.push(await d.apply(no(card)));
    return append(entry);
  };
  const first = await d.desk.ask(asked('echo early'));
  assert.deepEqual(d.kinds(first.action), ['requested', 'void']);
  assert.deepEqual(told, [''], 'nobody is told that it was decided already');
  assert.ok(!d.posted.some((p) => p.type === 'm.reaction'), 'no chips go to a card that is void');
  const second = await d.desk.ask(asked('echo late'));
  const card = d.secrets.get(second.action);
  assert.ok(card);
  assert.equal(await d.apply(no(card)), '');
  assert.deepEqual(d.kinds(second.action), ['requested', 'posted', 'denied']);
  d.stop();
});

test('a vote against, and the decoy, undo an approval that was not claimed yet', async () => {
  const d = startDesk();
  const gate: Gate = {
    matrix: d.matrix,
    cards: d.secrets,
    people: () => [d.device],
    answeredBy: () => undefined,
    option: () => undefined,
    trouble: () => '',
    now: () => Date.now(),
  };
  const event = (over: Partial<Taken>) =>
    ({ room, wire: { type: '', event_id: '$e', sender: owner.user, content: {} }, ...over }) as Taken;
  const answers: ((card: Card) => Taken)[] = [
    (card) =>
      event({
        type: 'org.matrix.msc3381.poll.response',
        encrypted: true,
        content: { 'org.matrix.msc3381.poll.response': { answers: [pollAnswers(card).no] } },
      }),
    (card) =>
      event({ type: 'm.reaction', content: { 'm.relates_to': { event_id: card.event, key: card.decoy } } }),
  ];
  for (const answer of answers) {
    const { action } = await d.desk.ask(asked('echo'));
    const cardNow = () => d.secrets.get(action) as Card;
    assert.equal(await d.apply(yes(cardNow())), '');
    await d.apply(await judge(answer(cardNow()), gate));
    assert.deepEqual(d.kinds(action), ['requested', 'posted', 'approved', 'denied']);
  }
  const { action } = await d.desk.ask(asked('echo kept'));
  await d.apply(yes(d.secrets.get(action) as Card));
  assert.deepEqual(d.kinds(action), ['requested', 'posted', 'approved'], 'left alone, the approval stands');
  d.stop();
});

test('after a stop the agent’s own wishes become no card, also the one that was on its way; a person’s does', async () => {
  let halted = '';
  const d = startDesk({ halted: () => halted });
  const { append } = d.wide;
  d.wide.append = async (entry) => {
    const made = await append(entry);
    if (entry.kind === 'requested' && entry.action === made.action && late)
      halted = 'the owner stopped everything';
    return made;
  };
  let late = true;
  const wish = (script: string) => ({ ...asked(script), requester: 'brain' as const });
  await assert.rejects(d.desk.ask(wish('echo on its way')), /Not asked: the owner stopped everything/);
  const [first] = d.memory.entries.filter((e) => e.kind === 'requested');
  assert.deepEqual(d.kinds(first?.action ?? ''), ['requested', 'void']);
  late = false;
  await assert.rejects(d.desk.ask(wish('echo later')), /Not asked: the owner stopped everything/);
  assert.deepEqual(d.posted, []);
  const own = await d.desk.ask(asked('echo mine'));
  assert.deepEqual(d.kinds(own.action), ['requested', 'posted']);
  halted = '';
  const next = await d.desk.ask(wish('echo again'));
  assert.deepEqual(d.kinds(next.action), ['requested', 'posted'], 'its genuine twin');
  d.stop();
});
