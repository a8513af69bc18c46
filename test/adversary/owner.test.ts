/** Whose bot it is: nobody's, anybody's or somebody else's name in the configuration. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { readConfiguration } from '../../bot/src/settings.ts';
import { checkout } from '../../console/instance/paths.ts';

const dir = mkdtempSync(join(tmpdir(), 'owner-'));
after(() => rmSync(dir, { recursive: true, force: true }));

function fileWith(owner: unknown): string {
  const file = join(dir, 'bot.json');
  const nowhere = 'http://127.0.0.1:1';
  writeFileSync(
    file,
    JSON.stringify({
      project: 'x',
      ledger: { url: nowhere, password: 'x' },
      homeserver: { url: nowhere, server_name: 'x', user: 'bot', password: 'x' },
      owner,
      brain: null,
      gateway: { host: '127.0.0.1', port: 0, url: nowhere },
      quick: 0,
      timezone: 'UTC',
      tools: {},
    }),
  );
  return file;
}

test('attack-16 with an empty, null, blank, listed or wildcard owner the bot refuses to start', () => {
  const wrong = [
    '',
    ' ',
    '*',
    '@*:x',
    '@:x',
    '@owner',
    'owner:x',
    '@owner:*',
    '@owner:x ',
    '@owner:x,@other:x',
  ];
  for (const owner of [...wrong, '@owner:x\n@other:x', null, undefined, [], ['@owner:x'], {}, true])
    assert.throws(
      () => readConfiguration(fileWith(owner)),
      /owner must be one Matrix user id/,
      String(owner),
    );
  const env = { ...process.env, BOT_STATE: join(dir, 'state'), BOT_READY: join(dir, 'ready') };
  const { status, stdout } = spawnSync(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', join(checkout, 'bot/src/main.ts'), fileWith('*')],
    { env, encoding: 'utf8', timeout: 30_000 },
  );
  assert.equal(status, 1, stdout);
  assert.match(stdout, /Nothing was started/);
  assert.equal(readConfiguration(fileWith('@owner:example.org')).owner, '@owner:example.org');
});
