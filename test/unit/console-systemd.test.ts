/** The unit that `systemd` prints, read by systemd itself where that is installed. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkout } from '../../console/instance/paths.ts';
import { unitFor } from '../../console/start/systemd.ts';

const lines = (unit: string, name: string): string[] =>
  unit.split('\n').flatMap((line) => (line.startsWith(`${name}=`) ? [line.slice(name.length + 1)] : []));

test('a unit starts after Docker, stops in order, and tries again what passes by itself', () => {
  const unit = unitFor('system', { POCKETCODER_HOME: '/srv/state', DOCKER_HOST: 'unix:///d', HOME: '/root' });
  assert.deepEqual(lines(unit, 'Requires'), ['docker.service']);
  assert.deepEqual(lines(unit, 'After'), ['docker.service network-online.target']);
  assert.deepEqual(lines(unit, 'ExecStart'), [`"${join(checkout, 'pocketcoder')}" start -d`]);
  assert.deepEqual(lines(unit, 'ExecStop'), [`"${join(checkout, 'pocketcoder')}" stop`]);
  assert.deepEqual(lines(unit, 'Environment'), ['"POCKETCODER_HOME=/srv/state"', '"DOCKER_HOST=unix:///d"']);
  const never = lines(unit, 'RestartPreventExitStatus').join(' ').split(' ');
  assert.ok(!never.includes('69') && !never.includes('75') && never.includes('78'));
});

test('what a start goes by here goes into the unit, and a password does not', () => {
  const by = {
    POCKETCODER_EXTRA_CA: '/c@1.pem',
    DOCKER_HOST: 'ssh://me@there',
    DOCKER_CONTEXT: 'c',
    http_proxy: 'http://p:1',
  };
  const secret = { HTTPS_PROXY: 'http://me:sec/secret@p:1', https_proxy: 'me:secret@p:1' };
  const unit = unitFor('user', { POCKETCODER_HOME: '/s', ...by, ...secret });
  assert.deepEqual(lines(unit, 'Environment').slice(1), [
    '"DOCKER_HOST=ssh://me@there"',
    '"DOCKER_CONTEXT=c"',
    '"POCKETCODER_EXTRA_CA=/c@1.pem"',
    '"http_proxy=http://p:1"',
  ]);
  assert.doesNotMatch(unit, /secret/);
});

test('a user’s own unit names nothing of the system’s', () => {
  const unit = unitFor('user', { POCKETCODER_HOME: '/home/o/state' });
  assert.doesNotMatch(unit, /docker\.service|User=|multi-user/);
  assert.deepEqual(lines(unit, 'WantedBy'), ['default.target']);
});

test('a backup’s own unit makes one by the settings, and its timer has that done as often as they say', () => {
  const home = mkdtempSync(join(tmpdir(), 'unit-'));
  try {
    const of = (what: string) => unitFor('system', { POCKETCODER_HOME: home }, what);
    const settings = (text: string) => writeFileSync(join(home, 'pocketcoder.yaml'), text);
    for (const what of ['backup', 'timer'])
      assert.throws(
        () => of(what),
        /^Error: No unit was printed: .*Write backup: \{ folder: …, to: age1… \}/,
      );
    settings('backup: { folder: /b, to: age1x }\n');
    assert.deepEqual(lines(of('backup'), 'ExecStart'), [`"${join(checkout, 'pocketcoder')}" backup`]);
    assert.deepEqual(lines(of('backup'), 'Environment'), [`"POCKETCODER_HOME=${home}"`]);
    assert.doesNotMatch(of('backup'), /WantedBy|ExecStop|Restart|\{\{/);
    assert.deepEqual(lines(of('timer'), 'OnCalendar'), ['daily']);
    settings('backup: { folder: /b, to: age1x, every: week }\n');
    assert.deepEqual(lines(of('timer'), 'OnCalendar'), ['weekly']);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});

const analyze = spawnSync('systemd-analyze', ['--version']).status === 0;

/** Units and their programs in a root of their own: nothing of this machine's is read. */
function verify(
  scope: 'system' | 'user',
  unit: string,
  kind = 'service',
): { status: number | null; said: string } {
  const dir = mkdtempSync(join(tmpdir(), 'unit-'));
  try {
    const path = join(dir, `pocketcoder.${kind}`);
    writeFileSync(path, unit);
    const docker = '[Service]\nExecStart=/bin/true\n';
    mkdirSync(join(dir, 'there'));
    writeFileSync(join(dir, 'there', 'docker.service'), docker);
    const env = { ...process.env, SYSTEMD_UNIT_PATH: `${join(dir, 'there')}:`, XDG_RUNTIME_DIR: dir };
    const ran = spawnSync('systemd-analyze', ['verify', `--${scope}`, path], { env, encoding: 'utf8' });
    return { status: ran.status, said: ran.stdout + ran.stderr };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
const ours = (said: string): string[] => said.split('\n').filter((line) => line.includes('pocketcoder'));

for (const scope of ['system', 'user'] as const)
  test(`systemd finds nothing wrong with the ${scope}'s unit, whatever stands in a path`, {
    skip: !analyze,
  }, (t) => {
    const root = mkdtempSync(join(tmpdir(), 'unit-'));
    const home = '/srv/a "state" of 100% \\ $HOME';
    const { said } = verify(scope, unitFor(scope, { POCKETCODER_HOME: home }));
    assert.deepEqual(ours(said), [], said);
    const env = { POCKETCODER_HOME: join(root, home) };
    mkdirSync(env.POCKETCODER_HOME, { recursive: true });
    t.after(() => rmSync(root, { recursive: true, force: true }));
    writeFileSync(join(root, home, 'pocketcoder.yaml'), 'backup: { folder: /b, to: age1x }\n');
    assert.deepEqual(ours(verify(scope, unitFor(scope, env, 'backup')).said), []);
    const timer = verify(scope, unitFor(scope, env, 'timer'), 'timer');
    assert.deepEqual(
      ours(timer.said).filter((line) => !/pocketcoder\.service/.test(line)),
      [],
      timer.said,
    );
    const broken = unitFor(scope, { POCKETCODER_HOME: home }).replace('Type=oneshot', 'Type=onehsot');
    assert.match(ours(verify(scope, broken).said).join('\n'), /onehsot/, 'and it would find what is');
  });

test('the command prints it', () => {
  const home = mkdtempSync(join(tmpdir(), 'unit-'));
  const env = { ...process.env, POCKETCODER_HOME: home };
  const run = (...args: string[]) =>
    execFileSync(join(checkout, 'pocketcoder'), args, { env, encoding: 'utf8' });
  try {
    assert.ok(run('systemd').includes(`Environment="POCKETCODER_HOME=${home}"`));
    const said = JSON.parse(run('systemd', 'user', '--json')) as { event: string; unit: string };
    assert.ok(said.event === 'unit' && said.unit.includes('WantedBy=default.target'));
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});
