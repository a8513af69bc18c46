/** A file that a command makes for its user: whole or not at all, and through no link that somebody laid. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, test } from 'node:test';
import { interruptible, newFile, writeNew } from '../../console/instance/new-file.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'new-file-'));
});
afterEach(() => rmSync(folder, { recursive: true }));
const write = (of: Readable) =>
  writeNew(join(folder, 'made'), of, 'There is no backup', new AbortController().signal);

test('it is there whole, for its owner alone; one that breaks off leaves nothing', async () => {
  await write(Readable.from(['one', 'two']));
  const file = join(folder, 'made');
  assert.equal(readFileSync(file, 'utf8'), 'onetwo');
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.throws(() => newFile(file), /made is there already, and nothing was done/);
  rmSync(file);
  async function* breaking() {
    yield 'one';
    throw new Error('it broke');
  }
  await assert.rejects(write(Readable.from(breaking())), /^.*There is no backup: it broke\./);
  assert.deepEqual(readdirSync(folder), []);
});

test('what somebody laid in its way is neither written through nor taken away', async () => {
  const theirs = join(folder, 'theirs');
  writeFileSync(theirs, 'theirs');
  symlinkSync(theirs, join(folder, 'made.part'));
  assert.throws(() => newFile(join(folder, 'made')), /made\.part is there already, and nothing was done/);
  const stream = Readable.from(['ours']);
  await assert.rejects(write(stream), /There is no backup: EEXIST/);
  assert.ok(stream.destroyed);
  assert.equal(readFileSync(theirs, 'utf8'), 'theirs');
  assert.deepEqual(readdirSync(folder).sort(), ['made.part', 'theirs']);
  rmSync(join(folder, 'made.part'));
  symlinkSync(join(folder, 'nowhere'), join(folder, 'made.part'));
  await assert.rejects(write(Readable.from(['ours'])), /EEXIST/);
  assert.deepEqual(readdirSync(folder).sort(), ['made.part', 'theirs']);
});

test('Ctrl-C, an end and a terminal that is gone let what is under way tidy up', async () => {
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    const before = process.listenerCount(name);
    await interruptible(async (signal) => {
      const aborted = once(signal, 'abort');
      process.kill(process.pid, name);
      await aborted;
    });
    assert.equal(process.listenerCount(name), before);
  }
});
