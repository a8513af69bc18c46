/** The moment that `--since` names, wherever it is typed; the part that an export is of; and what an audit does not take. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { partOf } from '../../console/care/export-audit.ts';
import { momentOf } from '../../console/care/since.ts';
import { runCommand } from '../../console/commands.ts';
import { Fault } from '../../console/fault.ts';
import { silent } from '../../console/report.ts';

test('a part begins at a date, or so long ago', () => {
  const now = Date.parse('2026-11-03T12:00:00.000Z');
  assert.equal(momentOf('10m', now), '2026-11-03T11:50:00.000Z');
  assert.equal(momentOf('2026-02-28', now), '2026-02-28T00:00:00.000Z');
  assert.equal(momentOf('2d', now), '2026-11-01T12:00:00.000Z');
  assert.equal(momentOf('2026-01-31T12:00:00Z', now), '2026-01-31T12:00:00.000Z');
  assert.equal(momentOf('2026-01-31T12:00+02:00', now), '2026-01-31T10:00:00.000Z');
  const none = ['', '10', 'm', '-5m', 'yesterday', '2026', '2026-13-01', '1e3d', '2026-01-31 or so'];
  for (const since of [
    '2026-02-31',
    '2026-04-31T12:00Z',
    ...none,
    '999999999999d',
    '30000d',
    `${'9'.repeat(400)}s`,
    '2027-01-01',
  ])
    assert.throws(() => momentOf(since, now), { exit: 'usage' }, since);
});

test('a part is of a workspace that there is; another is refused, and those there are named', () => {
  assert.equal(partOf({}, ['work']), undefined);
  assert.deepEqual(partOf({ workspace: 'work' }, ['work', 'shop']), { workspace: 'work' });
  assert.deepEqual(partOf({ since: '2026-01-31' }, []), { since: '2026-01-31T00:00:00.000Z' });
  for (const workspace of ['wrok', 'Work', ''])
    assert.throws(
      () => partOf({ workspace }, ['work', 'shop']),
      new Fault('usage', `There is no workspace "${workspace}". There are: work, shop. Nothing was written.`),
    );
  assert.throws(() => partOf({ workspace: 'work' }, []), /There is none yet/);
  assert.throws(() => partOf({ since: '' }, []), { exit: 'usage' });
});

test('an audit takes no part, and an export one file', async () => {
  const refused = { name: 'Error', exit: 'usage' };
  for (const words of [['export'], ['export', 'a', 'b'], ['import', 'a']])
    await assert.rejects(runCommand(silent, 'audit', words, {}), refused, words.join(' '));
  await assert.rejects(runCommand(silent, 'audit', [], { since: '10m' }), refused);
});
