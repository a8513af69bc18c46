/** docs/servers.md says of each scenario of the conformance suite what `npm run conformance` holds it to, and the suite is the one that has these. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkout } from '../../console/instance/paths.ts';
import { startDirect } from '../conformance/direct.ts';
import { expected, table } from '../conformance/expected.ts';
import { runSuite } from '../conformance/suite.ts';

test('the table of conformance is the one that its run holds to', () => {
  const text = readFileSync(join(checkout, 'docs/servers.md'), 'utf8');
  assert.ok(text.includes(`\n${table()}\n`), `docs/servers.md should have:\n${table()}`);
  const passed = Object.values(expected).filter((why) => why === '').length;
  assert.ok(text.includes(`${passed} of ${Object.keys(expected).length}`));
});

test('the suite’s scenarios are those of the table, and all pass directly: what fails through the gateway is the gateway’s', async (t) => {
  const direct = await startDirect();
  t.after(direct.stop);
  const results = await runSuite(direct.url);
  assert.deepEqual([...results.keys()].sort(), Object.keys(expected).sort());
  assert.deepEqual(
    [...results].filter(([, failed]) => failed !== ''),
    [],
  );
});
