/** Which compose a command goes by that finds the set-up of an earlier release. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { findCompose } from '../../console/engine/compose.ts';
import type { Engine } from '../../console/engine/engine.ts';
import { silent } from '../../console/report.ts';

test('what an earlier release kept stops what it started; of several the last one counts', async (t) => {
  const home = mkdtempSync(join(tmpdir(), 'compose-'));
  t.after(() => rmSync(home, { recursive: true }));
  mkdirSync(join(home, 'bin'));
  const engine = { host: 'unix:///nowhere' } as Engine;
  for (const version of ['v5.6.0', 'v5.6.1']) {
    const script = `#!/bin/sh\necho ${version} "$5"\n`;
    writeFileSync(join(home, `bin/docker-compose-${version}`), script, { mode: 0o755 });
    const compose = await findCompose(engine, home);
    assert.equal(await compose(['stop'], silent), `${version} stop`);
  }
});
