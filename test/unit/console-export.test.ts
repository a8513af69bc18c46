/** The moment that a part of the audit trail begins at, as it is typed; and what an audit does not take. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { momentOf } from '../../console/care/export-audit.ts';
import { runCommand } from '../../console/commands.ts';
import { Fault } from '../../console/fault.ts';
import { silent } from '../../console/report.ts';

test('a part begins at a date, or so long ago', () => {
  const now = Date.parse('2026-11-03T12:00:00.000Z');
  assert.equal(momentOf('10m', now), '2026-11-03T11:50:00.000Z');
  assert.equal(momentOf('2d', now), '2026-11-01T12:00:00.000Z');
  assert.equal(momentOf('2026-01-31T12:00:00Z', now), '2026-01-31T12:00:00.000Z');
  for (const none of ['', '10', 'm', '-5m', 'yesterday', '2026', '2026-13-01', '1e3d'])
    assert.throws(() => momentOf(none, now), Fault, none);
});

test('an audit takes no part, and an export one file', async () => {
  const refused = { name: 'Error', exit: 'usage' };
  for (const words of [['export'], ['export', 'a', 'b'], ['import', 'a']])
    await assert.rejects(runCommand(silent, 'audit', words, {}), refused, words.join(' '));
  await assert.rejects(runCommand(silent, 'audit', [], { since: '10m' }), refused);
});
