/** Which files of the workspace a script is taken to name, and what has it not run. No container starts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import pino from 'pino';
import type { Action, Kind } from '../../ledger/src/action.ts';
import type { Named } from '../../ledger/src/bodies.ts';
import type { Append } from '../../ledger/src/client.ts';
import { changedIn, makeBound, pathsOf } from '../../sandbox/src/bound.ts';
import type { Request } from '../../sandbox/src/claim.ts';

const paths = (script: string, cwd = '.') => pathsOf([{ script, cwd }]).paths;

test('whatever may be a path is one: quoted, escaped, behind =, : and <, in a script within a script, in another directory', () => {
  for (const [script, path, cwd] of [
    ['./deploy.sh --now', 'deploy.sh'],
    ['bash<deploy.sh', 'deploy.sh'],
    ['. ./env.sh; echo', 'env.sh'],
    ['/workspace/a/../b/run', 'b/run'],
    ['sh "my file.sh"', 'my file.sh'],
    ["sh 'my file.sh'", 'my file.sh'],
    ['sh my\\ file.sh', 'my file.sh'],
    ['sh dep"loy".sh', 'deploy.sh'],
    ['bash -c "cd x; ./deploy.sh"', 'x/deploy.sh'],
    ['make -C lib && lib/run', 'lib/run'],
    ['cd lib && ./run', 'lib/run'],
    ['cd "my lib" && ./run', 'my lib/run'],
    ['X=./deploy.sh; $X', 'deploy.sh'],
    ['node --config=conf/a.js', 'conf/a.js'],
    ['pytest tests/test_x.py::test_a', 'tests/test_x.py'],
    ['$(./a.sh) `./b.sh`', 'b.sh'],
    ['cat <<EOF > x\n./c.sh\nEOF', 'c.sh'],
    ["it's ./d.sh", 'd.sh'],
    ['./größe.sh', 'größe.sh'],
    ['./run', 'src/run', 'src'],
    ['../run', 'run', '/workspace/src'],
    ['sh "a\nb"', 'a\nb'],
    ['bash <>run.sh', 'run.sh'],
    ['cat <<E\n<b>\nrun.sh\nE', 'run.sh'],
    ['x ->./run', 'run'],
    ['x =>./run', 'run'],
  ] as const)
    assert.ok(paths(script, cwd).includes(path), `${script}: ${paths(script, cwd).join(' ')}`);
});

test('what a shell only writes to is none; what is named again is', () => {
  for (const script of ['x > out', 'x >>out 2>err', 'x 2>&1 | tee out', 'x | tee -a ./out | y'])
    assert.ok(!paths(script).some((path) => path === 'out' || path === 'err'), paths(script).join(' '));
  for (const script of [
    'x > out; sh out',
    'x | tee log out',
    './tee out',
    'x-tee out',
    'x >"out"',
    'x < out > y',
  ])
    assert.ok(paths(script).includes('out'), script);
});

test('nothing outside of the workspace is one, nor what no file can be called; too many words are told', () => {
  assert.deepEqual(paths('/etc/passwd ../../x /workspace . / ..'), []);
  assert.deepEqual(paths(`x${'y'.repeat(255)} a\0b`), []);
  assert.deepEqual(paths('...'), ['...'], 'which is a name like any other');
  const words = (count: number) => Array.from({ length: count }, (_, n) => `w${n}`).join(' ');
  assert.deepEqual(
    [pathsOf([{ script: words(4000), cwd: '.' }]).more, paths(words(4001)).length],
    [false, 4000],
  );
  assert.ok(pathsOf([{ script: words(4001), cwd: '.' }]).more);
  assert.ok(pathsOf([{ script: 'abc/'.repeat(300), cwd: '.' }]).more);
  // As long as a script may be: each of its words in each of its directories would take minutes.
  const cds = Array.from({ length: 9000 }, (_, n) => `cd a${n}`).join(';');
  assert.deepEqual([pathsOf([{ script: cds, cwd: '.' }]).more, paths(cds).length], [true, 4000]);
});

const a = 'a'.repeat(64);
const b = 'b'.repeat(64);
const said = (files: Record<string, string>, more?: true): Named => ({
  files: Object.entries(files).map(([path, sha256]) => ({ path, sha256 })),
  ...(more && { more }),
});

test('what is another file, gone, a link, or there since is changed; what was not bound is not', () => {
  const before = said({ x: a, gone: a, link: a, loose: '' });
  const now = said({ x: b, link: '', loose: b, fresh: a });
  assert.deepEqual(changedIn(before, now), ['x', 'gone', 'link', 'fresh']);
  assert.deepEqual(changedIn(before, before), []);
  assert.deepEqual(changedIn(said({ x: a }, true), said({ x: a, fresh: b })), [], 'not all was looked at');
});

/** A workspace of named files, and an action whose story has these entries. */
function scene(story: { kind: string; body?: object }[], grants: Record<string, object> = {}) {
  const files: Record<string, string> = { 'deploy.sh': a };
  const written: Append[] = [];
  let answers = true;
  const bound = makeBound({
    book: {
      story: () => story.map(({ kind, body = {} }) => ({ kind, body: JSON.stringify(body) })),
      state: () => ({ grants: new Map(Object.entries(grants)) }),
    },
    tasks: {
      async keep(_: string, what: string, list: string) {
        if (!answers) throw new Error('no engine');
        assert.equal(what, 'named');
        const named = list.split(',').map((hex) => files[Buffer.from(hex, 'hex').toString()]);
        return { exit: 0, text: named.flatMap((sum, n) => (sum ? [`${n} ${sum}\n`] : [])).join('') };
      },
    },
    write: async (entry: Append) => void written.push(entry),
    log: pino({ level: 'silent' }),
  } as unknown as Parameters<typeof makeBound>[0]);
  const request = (kind: Kind, args: object): Request =>
    ({ id: 'a', digest: 'd', action: { kind, args, workspace: 'w', task: 't' } as Action }) as Request;
  const off = () => {
    answers = false;
  };
  return { bound, files, written, request, off };
}
const script = { script: './deploy.sh', cwd: '.' };

test('what a script names is said once, of what runs a script alone; what cannot be looked at is not said, and not run', async () => {
  const s = scene([{ kind: 'requested' }]);
  await s.bound.say(s.request('write_file', { path: 'deploy.sh', content: '' }));
  assert.deepEqual(s.written, []);
  await s.bound.say(s.request('terminal_open', script));
  const body = { digest: 'd', files: [{ path: 'deploy.sh', sha256: a }] };
  assert.deepEqual(s.written, [{ kind: 'named', action: 'a', body }]);
  s.off();
  await s.bound.say(s.request('bash', script));
  assert.equal(s.written.length, 1);
  assert.equal(await s.bound.changed(s.request('bash', script)), '', 'its card says that nobody looked');
  const bound = scene([{ kind: 'named', body }]);
  assert.equal(await bound.bound.changed(bound.request('bash', script)), '');
  bound.off();
  assert.match(
    await bound.bound.changed(bound.request('bash', script)),
    /no engine. Nothing was run; ask again$/,
  );
});

test('a lease goes by its text alone; a plan’s step by all its files, as its card or its own steps left them', async () => {
  const leased = { kind: 'leased', body: { lease: 'g' } };
  const other = { files: [{ path: 'deploy.sh', sha256: b }] };
  const byLease = scene([{ kind: 'named', body: other }, leased], {
    g: { kind: 'lease', args: { acts: [] } },
  });
  assert.equal(await byLease.bound.changed(byLease.request('bash', script)), '');

  const steps = [{ kind: 'bash', args: script }];
  const named = { files: [{ path: 'deploy.sh', sha256: a }] };
  const s = scene([leased], { g: { kind: 'plan', args: { steps }, named } });
  const [read, write] = [s.request('read_file', {}), s.request('write_file', {})];
  assert.equal(await s.bound.changed(write), '');
  s.files['deploy.sh'] = b;
  await s.bound.ended(read);
  assert.match(
    await s.bound.changed(write),
    /^changed since .* plan.*: deploy\.sh\./,
    'what reads has changed nothing',
  );
  await s.bound.ended(write);
  assert.equal(await s.bound.changed(write), '');
  s.files['deploy.sh'] = a;
  assert.match(await s.bound.changed(write), /deploy\.sh/);
});
