import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { commands, help } from '../../config/src/commands.ts';
import { makeReport } from '../../config/src/report.ts';

test('the help names every command, and each has a help of its own', () => {
  for (const command of commands) {
    assert.ok(help().includes(`  ${command.name}`), command.name);
    const own = help(command);
    assert.ok(own.startsWith(`Usage: ./pocketcoder ${command.name}`) && own.includes('--json'), command.name);
    for (const { flag } of command.options) assert.ok(own.includes(flag));
  }
});

test('with json every line is one object; without it a person reads text', async () => {
  const lines: string[] = [];
  for (const json of [true, false]) {
    const report = makeReport(json, (line) => lines.push(line));
    assert.equal(await report.phase('one', 'doing it', async () => 7), 7);
    report.progress('a step');
    report.event({ event: 'quiet' });
    assert.deepEqual(Object.keys(report.seconds()), ['one']);
  }
  const objects = lines.slice(0, 4).map((line) => JSON.parse(line) as { event: string });
  assert.deepEqual(
    objects.map(({ event }) => event),
    ['phase', 'phase', 'progress', 'quiet'],
  );
  assert.deepEqual(lines.slice(4), ['one: doing it', 'one: done (0 s)', '  a step']);
});

test('what a failure quotes moves no terminal’s cursor', () => {
  const { stderr, status } = spawnSync(process.execPath, ['config/src/cli.ts', '\x1b[2Jx\x9b1A'], {
    encoding: 'utf8',
  });
  assert.equal(status, 64);
  assert.match(stderr, /^There is no command "\\u\{1B\}\[2Jx\\u\{9B\}1A"\.\n\n\S/);
  assert.doesNotMatch(stderr, /[^\P{Cc}\n]/u);
});
