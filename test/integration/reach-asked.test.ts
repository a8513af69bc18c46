/** What `start` asks at a terminal, and that it asks once. No engine is there, so it goes no further than the questions. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { spawn } from 'node-pty';
import { checkout } from '../../console/instance/paths.ts';
import { launch } from '../harness/instance.ts';

const home = mkdtempSync(join(tmpdir(), 'pocketcoder-asked-'));
const env = { POCKETCODER_HOME: home, DOCKER_HOST: 'unix:///nowhere/docker.sock' };
const settings = join(home, 'pocketcoder.yaml');

/** Runs it at a terminal, answers each question as it comes, and returns all that was shown. */
function atTerminal(answers: readonly string[]): Promise<string> {
  const left = [...answers];
  let shown = '';
  let read = 0;
  const terminal = spawn(join(checkout, 'pocketcoder'), ['start', '-d'], {
    env: { ...process.env, ...env },
    cols: 300,
  });
  terminal.onData((text) => {
    shown += text;
    if (!/\]: ?$/.test(stripVTControlCharacters(shown.slice(read)))) return;
    read = shown.length;
    const answer = left.shift();
    if (answer === undefined) terminal.kill();
    else terminal.write(`${answer}\r`);
  });
  return new Promise((resolve) => terminal.onExit(() => resolve(shown)));
}

test('without a terminal nothing is asked and nothing kept', async () => {
  const { code, out } = await launch(['start', '-d'], { env });
  assert.equal(code, 69);
  assert.doesNotMatch(out, /How does your phone get here/);
  assert.throws(() => readFileSync(settings), { code: 'ENOENT' });
});

test('at a terminal the answer is kept beside what stands in the file, and not asked for again', async () => {
  writeFileSync(settings, '# mine\nsandbox: { pids: 256 } # few\n');
  const first = await atTerminal(['lan', 'box.lan']);
  assert.match(first, /How does your phone get here.*later/s);
  assert.match(first, /No Docker engine answers/);
  const kept = readFileSync(settings, 'utf8');
  assert.equal(kept, '# mine\nsandbox: { pids: 256 } # few\nreach:\n  way: lan\n  address: box.lan\n');
  const second = await atTerminal([]);
  assert.match(second, /No Docker engine answers/);
  assert.doesNotMatch(second, /How does your phone get here/);
  assert.equal(readFileSync(settings, 'utf8'), kept);
  rmSync(home, { recursive: true, force: true });
});
