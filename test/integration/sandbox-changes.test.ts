/** What changed since the import, as an action shows and sends it, in a real container over a real import. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pack } from 'tar-stream';
import { writeResult } from '../../console/code/workspace-result.ts';
import { emptyVolumes, withTree } from '../../console/code/workspace-tree.ts';
import { newId, type RunArgs } from '../../ledger/src/action.ts';
import { scriptOf } from '../../sandbox/src/script.ts';
import { bashScript, ran, type Sandbox, startSandbox } from '../harness/sandbox.ts';

let box: Sandbox;
const dir = mkdtempSync(join(tmpdir(), 'changes-'));
before(async () => {
  box = await startSandbox();
});
after(async () => {
  await box?.stop();
  rmSync(dir, { recursive: true, force: true });
});

const files = { 'src/a.txt': 'one\ntwo\n', 'gone.txt': 'bye\n', '.gitignore': 'ignored\n' };
const name = { workspace: 'imported', task: 'changing' };
const bash = async (script: string, of = name) =>
  ran(await box.tasks.run(of, newId(), bashScript(script), () => {}));
async function changes(what: 'diff' | RunArgs['export']['as'], of = name) {
  const act = what === 'diff' ? { kind: what, args: {} } : { kind: 'export', args: { as: what } };
  return ran(await box.tasks.run(of, newId(), scriptOf(act as never), () => {}));
}

/** A clean copy of what was imported, as a repository. */
function clean(of: string): (...args: string[]) => string {
  const at = join(dir, of);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(at, path, '..'), { recursive: true });
    writeFileSync(join(at, path), text);
  }
  const git = (...args: string[]) => execFileSync('git', args, { cwd: at, encoding: 'utf8' });
  git('init', '-q', '-b', 'main');
  git('add', '-A');
  return git;
}

test('what changed is shown and sent, and applies to a clean copy; nothing that the tree says is heeded', async () => {
  const where = {
    docker: box.docker,
    ...box.place,
    image: String(box.place.images['']),
    workspace: name.workspace,
  };
  await emptyVolumes(where);
  await withTree(where, ['import', 'directory'], async (tree) => {
    const tar = pack();
    for (const [path, text] of Object.entries(files)) tar.entry({ name: path, uid: 65525, gid: 65525 }, text);
    tar.finalize();
    await tree.put('/workspace', tar);
    await tree.run();
  });
  assert.equal((await changes('diff')).text, 'nothing has changed\n');
  const none = await changes('patch');
  assert.deepEqual([none.text, none.number], ['nothing has changed\n', 1]);

  // All that git could be led by: a repository of its own, one where another mode of the program has its scratch, drivers.
  const hostile = `set -e
    git init -q; printf '#!/bin/sh\\ntouch /workspace/ran\\n' > /workspace/.git/evil; chmod +x /workspace/.git/evil
    for at in .git/config ~/.gitconfig; do git config -f $at core.fsmonitor /workspace/.git/evil; git config -f $at core.hooksPath /tmp
      git config -f $at diff.external /workspace/.git/evil; git config -f $at diff.x.textconv /workspace/.git/evil; git config -f $at filter.x.clean /workspace/.git/evil; done
    mkdir -p ~/.config/git; printf '* filter=x diff=x\\nsrc/* -diff\\n' > ~/.config/git/attributes; cp ~/.config/git/attributes .gitattributes
    git init -q --bare ~/repository; cp .git/config ~/repository/config; export GIT_EXTERNAL_DIFF=/workspace/.git/evil`;
  assert.equal((await bash(hostile)).text, '');
  await bash(
    'rm gone.txt; echo three >> src/a.txt; printf "\\0\\1\\2" > bytes; echo x > ignored; ln -s /etc/passwd link',
  );
  const diff = await changes('diff');
  assert.equal(diff.number, 0);
  assert.match(diff.text, / src\/a\.txt +\| +1 \+\n/);
  assert.match(diff.text, /\n\+three\n/);
  assert.match(diff.text, /5 files changed, /);
  for (const as of ['patch', 'bundle'] as const) {
    const result = await changes(as);
    assert.equal(result.number, 0, result.text);
    const git = clean(as);
    const file = join(dir, `result.${as}`);
    writeFileSync(file, result.output);
    if (as === 'patch') git('apply', '--index', file);
    else {
      git('fetch', '-q', file, 'pocketcoder');
      git('read-tree', '-u', '--reset', 'FETCH_HEAD');
    }
    assert.deepEqual(git('ls-files').trim().split('\n'), [
      '.gitattributes',
      '.gitignore',
      'bytes',
      'link',
      'src/a.txt',
    ]);
    assert.equal(readFileSync(join(dir, as, 'src/a.txt'), 'utf8'), 'one\ntwo\nthree\n');
    assert.deepEqual(readFileSync(join(dir, as, 'bytes')), Buffer.from([0, 1, 2]));
  }
  assert.equal((await bash('ls ran; ls -d /tmp/tmp.*')).number, 2, 'nothing ran, and nothing of it is left');
  // The twin: led by the same, git does run it.
  assert.equal((await bash('git status >/dev/null 2>&1; ls ran')).text, 'ran\n');
});

test('a bundle has the agent’s own commits, and one more where the files are not as the last of them; what is no commit goes without', async () => {
  const of = { workspace: 'history', task: 'history' };
  const make =
    'git init -q -b work && echo 1 > a && git add a && git commit -qm One && echo 2 > a && git commit -qam Two';
  assert.equal((await bash(make, of)).text, '');
  async function subjects(): Promise<string> {
    const result = await changes('bundle', of);
    assert.equal(result.number, 0, result.text);
    const at = mkdtempSync(join(dir, 'history-'));
    writeFileSync(join(at, 'a.bundle'), result.output);
    const git = (...args: string[]) => execFileSync('git', args, { cwd: at, encoding: 'utf8' });
    git('clone', '-q', '-b', 'pocketcoder', 'a.bundle', 'clone');
    return git('-C', 'clone', 'log', '--format=%an: %s').trim();
  }
  const { name: agent } = box.place.git;
  const two = `${agent}: Two\n${agent}: One`;
  assert.equal(await subjects(), two);
  await bash('echo 3 > a', of);
  assert.equal(await subjects(), `PocketCoder: As it is in the workspace\n${two}`);
  await bash('git pack-refs --all && git checkout -q a', of);
  assert.equal(await subjects(), two);
  // A history that no other git would take, and one that waits for ever.
  await bash(
    `printf 'tree %s\nauthor none\n\nx' "$(git rev-parse HEAD^{tree})" > /tmp/odd && git hash-object -t commit -w --literally /tmp/odd > .git/refs/heads/work`,
    of,
  );
  assert.equal(await subjects(), 'PocketCoder: As it is in the workspace');
  await bash('rm .git/packed-refs .git/refs/heads/work && mkfifo .git/refs/heads/work', of);
  assert.equal(await subjects(), 'PocketCoder: As it is in the workspace');
});

test('where nothing was imported every file is new, and that is said', async () => {
  const bare = { workspace: 'bare', task: 'bare' };
  assert.equal((await bash('echo hello > a', bare)).number, 0);
  const diff = await changes('diff', bare);
  assert.match(diff.text, /^nothing was imported here: every file is new\n/);
  assert.match(diff.text, /\n\+hello\n$/);
  const patch = await changes('patch', bare);
  assert.match(patch.text, /^diff --git a\/a b\/a\nnew file mode/);
});

/** What git cannot read, would wait for without end, or could not be named; and beside it what it can. */
const odd = `set -e; chmod 000 locked.txt; mkdir shut; echo x > shut/x; chmod 000 shut; mkfifo pipe 'a "b'; ln -s nowhere dangling
  python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("sock")'; printf x > $'latin-\\xfc'; printf x > $'two\\nlines'; printf x > $'tab\\tname'
  mkdir -p deep/er; mkfifo deep/.gitignore deep/er/.gitattributes; echo x > deep/x; echo x > deep/er/x; echo new > fresh; echo two > plain.txt`;
const leftOut = ['a "b', 'deep/', 'deep/er/', 'locked.txt', 'pipe', 'shut/', 'sock'];

test('attack-78 what cannot be read or named is left out of a diff and an export and named, and nothing waits for a pipe; its twin with nothing odd goes whole', async () => {
  const where = { docker: box.docker, ...box.place, image: String(box.place.images['']), workspace: 'odd' };
  const of = { workspace: 'odd', task: 'odd' };
  const before = { 'locked.txt': 'was\n', 'plain.txt': 'one\n', 'shut/x': 'was\n', 'deep/x': 'was\n' };
  await emptyVolumes(where);
  await withTree(where, ['import', 'directory'], async (tree) => {
    const tar = pack();
    for (const [path, text] of Object.entries(before))
      tar.entry({ name: path, uid: 65525, gid: 65525 }, text);
    for (const path of ['shut', 'deep']) tar.entry({ name: path, type: 'directory', uid: 65525, gid: 65525 });
    tar.finalize();
    await tree.put('/workspace', tar);
    await tree.run();
  });
  assert.equal((await bash('rm -r deep shut; echo ready', of)).text, 'ready\n');
  assert.deepEqual((await bash(odd, of)).text, '');
  const named = leftOut.map((path) => `left out, as it cannot be read: ${path}\n`);
  const diff = await changes('diff', of);
  assert.equal(diff.how, 'exit', diff.text);
  assert.equal(diff.number, 0, diff.text);
  for (const line of named) assert.ok(diff.text.includes(line), `${line} in ${diff.text}`);
  assert.match(diff.text, / plain\.txt +\| +2 \+-\n/);
  assert.match(diff.text, /6 files changed, /); // plain.txt, fresh, dangling, and the three of strange names
  assert.doesNotMatch(diff.text, /was/); // what cannot be read is not called gone
  const patch = await changes('patch', of);
  assert.ok(patch.text.startsWith(named[0] ?? '?'), patch.text.slice(0, 200));
  const at = join(dir, 'odd');
  mkdirSync(join(at, 'shut'), { recursive: true });
  mkdirSync(join(at, 'deep'));
  for (const [path, text] of Object.entries(before)) writeFileSync(join(at, path), text);
  execFileSync('git', ['init', '-q'], { cwd: at });
  execFileSync('git', ['apply', '-'], { cwd: at, input: patch.output });
  assert.equal(readFileSync(join(at, 'plain.txt'), 'utf8'), 'two\n');
  assert.equal((await changes('bundle', of)).number, 0);
  // And at the console.
  const { facts, left } = await withTree(where, ['export', 'directory'], async (tree) => {
    const facts = await tree.run();
    return { facts, ...(await writeResult(await tree.result(), join(dir, 'out'))) };
  });
  assert.deepEqual(facts.odd.sort(), leftOut);
  assert.deepEqual(left, ['latin-\ufffd']);
  assert.equal(readFileSync(join(dir, 'out/plain.txt'), 'utf8'), 'two\n');
  assert.equal(readFileSync(join(dir, 'out/two\nlines'), 'utf8'), 'x');
  // Where git could look at nothing at all, that is said.
  await bash('mkfifo .gitignore', of);
  const none = await changes('diff', of);
  assert.deepEqual([none.number, none.how], [1, 'exit']);
  assert.match(none.text, /\.gitignore .* of the workspace's root is no file that can be read: take it away/);
  for (const act of [
    { kind: 'read_file', args: { path: 'pipe', offset: 0, limit: 0 } },
    { kind: 'edit_file', args: { path: 'pipe', old: 'a', new: 'b' } },
    { kind: 'grep', args: { path: 'pipe', pattern: 'x' } },
  ])
    assert.match(
      ran(await box.tasks.run(of, newId(), scriptOf(act as never), () => {})).text,
      /pipe: it is no plain file/,
    );
  // The genuine twin: with nothing odd, nothing is left out.
  await bash('chmod 700 shut; rm -rf shut deep pipe sock .gitignore "a \\"b"; chmod 600 locked.txt', of);
  const twin = await changes('diff', of);
  assert.doesNotMatch(twin.text, /left out/);
  assert.match(twin.text, /-was/);
});
