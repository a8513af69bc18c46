import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leakIn } from '../../bot/src/approval/leaks.ts';
import type { Card } from '../../bot/src/approval/store.ts';
import { asked, startDesk } from '../harness/desk.ts';

/** The part of each secret that is random. */
const secretsOf = (card: Card): string[] =>
  [card.key, card.decoy, card.nonce, card.code].map((secret) => secret.split(' ').at(-1) ?? '');

test('attack-49 an open secret leaves in the event that is made to carry it, and in nothing else', async () => {
  const leaks: string[] = [];
  const d = startDesk({
    posting({ content, txn }) {
      const leak = leakIn(d.cards, JSON.stringify(content), txn);
      if (leak) leaks.push(`${txn}: ${leak}`);
    },
  });
  const first = await d.desk.ask(asked('echo one'));
  const second = await d.desk.ask(asked('echo two'));
  for (const { number } of [first, second])
    assert.deepEqual([await d.desk.addPoll(number), await d.desk.addCode(number)], ['', '']);
  assert.equal(d.posted.length, 12);
  assert.deepEqual(leaks, [], 'every genuine event of a card goes out');
  const card = d.cards.get(first.action);
  assert.ok(card);
  for (const secret of secretsOf(card)) {
    assert.ok(secret.length >= 8);
    for (const text of [secret, secret.toLowerCase(), `x${secret}y`, secret.replace('-', '')])
      for (const txn of ['', `card-${first.action}`, `end-${first.action}`, `poll-${second.action}`])
        assert.match(leakIn(d.cards, text, txn), /a secret of #1,/, `${text} in ${txn}`);
    const why = leakIn(d.cards, secret);
    assert.ok(!why.includes(secret), 'the refusal does not tell it either');
  }
  assert.match(leakIn(d.cards, card.code, `poll-${first.action}`), /#1/, 'its poll carries no code');
  assert.match(leakIn(d.cards, card.key, `code-${first.action}`), /#1/, 'its code notice carries no key');
  assert.equal(leakIn(d.cards, 'echo 4F7K-Q2ZD'), '', 'what was never issued is nobody’s secret');
  d.cards.set(first.action, { open: false });
  for (const secret of secretsOf(card))
    assert.equal(leakIn(d.cards, secret), '', 'a spent one may be quoted');
  d.stop();
});
