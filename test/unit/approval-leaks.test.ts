import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leakIn } from '../../bot/src/approval/leaks.ts';
import type { Card } from '../../bot/src/approval/store.ts';
import { asked, startDesk } from '../harness/desk.ts';

/** The part of each secret that is random. */
const secretsOf = (card: Card): string[] =>
  [card.key, card.decoy, card.nonce, card.code].flatMap((secret) => secret.split(' ').at(-1) || []);

test('attack-49 an open secret leaves in the event that is made to carry it, and in nothing else', async () => {
  const leaks: string[] = [];
  const d = startDesk({
    posting({ content, txn }) {
      const leak = leakIn(d.secrets, JSON.stringify(content), txn);
      if (leak) leaks.push(`${txn}: ${leak}`);
    },
  });
  const first = await d.desk.ask(asked('echo one'));
  const second = await d.desk.ask(asked('echo two'));
  for (const { number } of [first, second]) assert.equal(await d.desk.addPoll(number), '');
  assert.equal(d.posted.length, 10);
  const third = await d.desk.ask(asked(`echo three${'\n:'.repeat(300)}`));
  assert.equal(d.posted.length, 12);
  assert.deepEqual(leaks, [], 'every genuine event of a card goes out');
  const [card, long] = [d.secrets.get(first.action), d.secrets.get(third.action)];
  assert.ok(card && long);
  assert.deepEqual(
    [card, long].map(({ form, code }) => [form, code === '']),
    [
      ['chip', true],
      ['code', false],
    ],
  );
  const every = secretsOf(card);
  assert.equal(every.length, 3);
  for (const secret of every) {
    assert.ok(secret.length >= 8);
    for (const text of [secret, secret.toLowerCase(), `x${secret}y`, secret.replace('-', '')])
      for (const txn of ['', `card-${first.action}`, `end-${first.action}`, `poll-${second.action}`])
        assert.match(leakIn(d.secrets, text, txn), /a secret of #1,/, `${text} in ${txn}`);
    const why = leakIn(d.secrets, secret);
    assert.ok(!why.includes(secret), 'the refusal does not tell it either');
  }
  assert.match(leakIn(d.secrets, card.key, `poll-${first.action}`), /#1/, 'its poll carries no key');
  for (const part of ['card', 'file', 'poll', 'end'])
    assert.match(
      leakIn(d.secrets, long.code, `${part}-${third.action}`),
      /#3/,
      `no event carries a code: ${part}`,
    );
  assert.equal(leakIn(d.secrets, 'echo 4F7K-Q2ZD'), '', 'what was never issued is nobody’s secret');
  d.secrets.set(first.action, { open: false });
  for (const secret of secretsOf(card))
    assert.equal(leakIn(d.secrets, secret), '', 'a spent one may be quoted');
  d.stop();
});
