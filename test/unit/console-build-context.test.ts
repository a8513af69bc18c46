import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { extract } from 'tar-stream';
import { collect, contextHash, tarOf } from '../../console/engine/build-context.ts';
import { recipes } from '../../console/engine/parts.ts';
import { checkout } from '../../console/instance/paths.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'pocketcoder-unit-'));
  mkdirSync(join(root, 'src/node_modules'), { recursive: true });
  writeFileSync(join(root, 'src/a.ts'), 'a');
  writeFileSync(join(root, 'src/a.test.ts'), 'test');
  writeFileSync(join(root, 'src/README.md'), 'words');
  writeFileSync(join(root, 'src/tools.md'), 'read by the program');
  writeFileSync(join(root, 'src/node_modules/b.js'), 'b');
  writeFileSync(join(root, 'start'), '#!/bin/sh\n', { mode: 0o700 });
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const hash = (also: string[] = []) => contextHash(collect(root, ['src', 'start']), also);

test('a context holds what it names, without tests, documents and installed modules', () => {
  const files = collect(root, ['start', 'src', 'src/a.ts']);
  assert.deepEqual(
    files.map(({ name, mode }) => [name, mode]),
    [
      ['src/a.ts', 0o644],
      ['src/tools.md', 0o644],
      ['start', 0o755],
    ],
  );
});

test('the hash follows names, contents, modes and what else is given, and nothing else', () => {
  const before = hash();
  utimesSync(join(root, 'src/a.ts'), 1, 1);
  chmodSync(join(root, 'src/a.ts'), 0o600);
  assert.equal(hash(), before, 'times and the umask make no other image');
  assert.notEqual(hash(['another base']), before);
  chmodSync(join(root, 'src/a.ts'), 0o755);
  assert.notEqual(hash(), before);
  chmodSync(join(root, 'src/a.ts'), 0o644);
  writeFileSync(join(root, 'src/a.ts'), 'b');
  assert.notEqual(hash(), before);
});

test('the tar holds the same files with their modes and no time', async () => {
  const seen: unknown[] = [];
  const tar = extract();
  tarOf(collect(root, ['src', 'start'])).pipe(tar);
  for await (const entry of tar) {
    seen.push([entry.header.name, entry.header.mode, Number(entry.header.mtime)]);
    entry.resume();
  }
  assert.deepEqual(seen, [
    ['src/a.ts', 0o644, 0],
    ['src/tools.md', 0o644, 0],
    ['start', 0o755, 0],
  ]);
});

test('every part has its Dockerfile among its files', () => {
  for (const [part, { dockerfile, files }] of Object.entries(recipes)) {
    const names = collect(checkout, files.flat()).map(({ name }) => name);
    assert.ok(names.includes(dockerfile), part);
  }
});

test('no image but the bot’s holds the bot, and none holds the set-up or the tests', () => {
  for (const [part, { files }] of Object.entries(recipes)) {
    const names = collect(checkout, files.flat()).map(({ name }) => name);
    const foreign = names.filter((name) =>
      /^(console\/(?!package\.json)|test\/(?!phone\/package\.json))/.test(name),
    );
    assert.deepEqual(foreign, [], part);
    if (part !== 'bot')
      assert.equal(
        names.some((name) => name.startsWith('bot/src')),
        false,
        part,
      );
  }
});
