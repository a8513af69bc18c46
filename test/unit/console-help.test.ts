import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { commands, flags, help, runCommand } from '../../console/commands.ts';
import { checkout } from '../../console/instance/paths.ts';
import { makeReport } from '../../console/report.ts';

test('the help names every command, and each has a help of its own', () => {
  for (const [name, { options = [] }] of Object.entries(commands)) {
    assert.ok(help().includes(`  ${name}`), name);
    const own = help(name);
    assert.ok(own.startsWith(`Usage: ./pocketcoder ${name}`) && own.includes('--json'), name);
    for (const flag of options) assert.ok(own.includes(`  ${flags[flag].shown}`), flag);
  }
});

test('what an object has by birth is no command', async () => {
  const said = runCommand(
    makeReport(false, () => {}),
    'constructor',
    [],
    {},
  );
  await assert.rejects(said, /There is no command "constructor"/);
  assert.equal(help('constructor'), help());
});

test('words are taken one by one: none that is empty or holds two', () => {
  const fits = (name: string, ...words: string[]) => commands[name]?.fits?.(words);
  for (const words of [[], ['user'], ['backup'], ['timer'], ['user', 'backup'], ['user', 'timer']])
    assert.equal(fits('systemd', ...words), true, words.join());
  for (const words of [
    [''],
    [' backup'],
    ['user backup'],
    ['user', ''],
    ['', 'backup'],
    ['backup', 'user'],
    ['users'],
  ])
    assert.equal(fits('systemd', ...words), false, words.join());
  assert.deepEqual([fits('doctor'), fits('doctor', 'phone'), fits('doctor', '')], [true, true, false]);
  assert.deepEqual([fits('pair'), fits('pair', ''), fits('pair', '', 'owner')], [true, false, false]);
  assert.deepEqual([fits('device', 'enrol'), fits('device', 'enrol', '', 'x')], [true, false]);
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
  const { stderr, status } = spawnSync(process.execPath, ['console/cli.ts', '\x1b[2Jx\x9b1A'], {
    encoding: 'utf8',
  });
  assert.equal(status, 64);
  assert.match(stderr, /^There is no command "\\u\{1B\}\[2Jx\\u\{9B\}1A"\.\n\n\S/);
  assert.doesNotMatch(stderr, /[^\P{Cc}\n]/u);
});

/** Runs it with an output that nobody reads. */
async function unread(file: string, ...args: string[]): Promise<{ code: number | null; stderr: string }> {
  const warnings = '--disable-warning=ExperimentalWarning';
  const child = spawn(process.execPath, [warnings, file, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.destroy();
  let stderr = '';
  child.stderr.on('data', (bytes) => {
    stderr += bytes;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stderr };
}

test('whoever reads the output may go: the program ends quietly, as a pipe’s writer does', async () => {
  const cli = join(checkout, 'console/cli.ts');
  for (const args of [['--help'], ['doctor', '--help'], ['nonsense', '--json'], ['--help', '--json']])
    assert.deepEqual(await unread(cli, ...args), { code: 141, stderr: '' }, args.join(' '));
  // The twin: what is read ends as it always did.
  const read = spawnSync(process.execPath, [cli, '--help'], { encoding: 'utf8' });
  assert.equal(read.status, 0);
  assert.match(read.stdout, /Usage/);
});

test('whoever reads the output of what tidies up after itself may go: that is a hang-up, and is tidied up after', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'unread-'));
  try {
    const of = (file: string) => JSON.stringify(join(checkout, file));
    const tidied = join(dir, 'tidied');
    const program = join(dir, 'program.ts');
    writeFileSync(
      program,
      `import { once } from 'node:events';
      import { writeFileSync } from 'node:fs';
      import { setImmediate } from 'node:timers/promises';
      import { interruptible } from ${of('console/instance/new-file.ts')};
      const patience = setTimeout(() => process.exit(9), 20_000);
      const over = interruptible(async (signal) => {
        await once(signal, 'abort');
        await setImmediate();
        writeFileSync(${JSON.stringify(tidied)}, '');
      });
      process.argv = [...process.argv.slice(0, 2), '--help'];
      await import(${of('console/cli.ts')});
      await over;
      clearTimeout(patience);`,
    );
    assert.deepEqual(await unread(program), { code: 141, stderr: '' });
    assert.ok(existsSync(tidied));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

test('what has to take away again what it started goes on to its end, read or not', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'unread-'));
  try {
    const script = `import { outliveReader } from ${JSON.stringify(join(checkout, 'test/outlive.ts'))};
      outliveReader();
      for (let i = 0; i < 100; i++) process.stdout.write('a line\\n');
      setTimeout(() => process.exit(7), 200);`;
    const program = join(dir, 'program.ts');
    writeFileSync(program, script);
    assert.deepEqual(await unread(program), { code: 7, stderr: '' });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
