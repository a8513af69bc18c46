/** Where the phone with Element X's engine can be built, and what is said where it cannot. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

const program = join(import.meta.dirname, '../element/build.ts');

/** A machine with a cargo that is this shell script, or with none. */
function machine(cargo?: string) {
  const home = mkdtempSync(join(tmpdir(), 'element-build-'));
  const bin = join(home, 'bin');
  mkdirSync(bin);
  if (cargo !== undefined) {
    writeFileSync(join(bin, 'cargo'), `#!/bin/sh\n${cargo}\n`);
    chmodSync(join(bin, 'cargo'), 0o755);
  }
  const env = { PATH: bin, HOME: home, XDG_CACHE_HOME: join(home, 'cache') };
  return {
    build(): { code: number | null; out: string } {
      const { status, stdout } = spawnSync(process.execPath, [program], { env, encoding: 'utf8' });
      return { code: status, out: stdout.trim() };
    },
    builds: (): number =>
      existsSync(join(home, 'builds'))
        ? readFileSync(join(home, 'builds'), 'utf8').trim().split('\n').length
        : 0,
  };
}
const version = (number: string): string => `[ "$1" = --version ] && echo "cargo ${number} (abc)" && exit 0`;
const builds = [
  'echo "$*" >> "$HOME/builds"',
  '/bin/mkdir -p "$CARGO_TARGET_DIR/debug"',
  'echo built > "$CARGO_TARGET_DIR/debug/element-phone"',
].join('\n');

test('without cargo, or with one that is too old, a sentence says so and nothing is built', () => {
  const none = machine().build();
  assert.deepEqual(none.code, 0);
  assert.match(none.out, /^Its stories are skipped: there is no cargo on this machine, and it takes Rust \d/);
  const old = machine(`${version('1.85.1')}\n${builds}`);
  assert.match(old.build().out, /^Its stories are skipped: cargo 1\.85\.1 is too old: it takes Rust \d/);
  assert.equal(old.builds(), 0);
});

test('with a current cargo it is built once, from the committed lock file', () => {
  const current = machine(`${version('1.100.0')}\n${builds}`);
  for (const _ of ['the first run', 'the second one']) {
    const { code, out } = current.build();
    assert.equal(code, 0);
    assert.match(out, /The phone with Element X's engine is built\.$/);
  }
  assert.equal(current.builds(), 1);
});

test('what does not compile is a failure, and no reason to skip', () => {
  const { code, out } = machine(`${version('1.100.0')}\nexit 101`).build();
  assert.equal(code, 1);
  assert.ok(!out.includes('skipped'), out);
});
