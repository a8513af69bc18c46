/** What changed since the import, as an action shows and sends it, in a real container over a real import. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pack } from 'tar-stream';
import { emptyVolumes, withTree } from '../../config/src/workspace-tree.ts';
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
  const where = { docker: box.docker, ...box.place, workspace: name.workspace };
  await emptyVolumes(where);
  await withTree(where, ['import', 'directory'], async (tree) => {
    const tar = pack();
    for (const [path, text] of Object.entries(files)) tar.entry({ name: path, uid: 1000, gid: 1000 }, text);
    tar.finalize();
    await tree.put('/workspace', tar);
    await tree.run();
  });
  assert.equal((await changes('diff')).text, 'nothing has changed\n');
  const none = await changes('patch');
  assert.deepEqual([none.text, none.number], ['nothing has changed\n', 1]);

  // All that git could be led by: a repository of its own, one where another mode of the program has its scratch, drivers.
  const hostile = `set -e
    git init -q; printf '#!/bin/sh\\ntouch /workspace/ran\\n' > /tmp/evil; chmod +x /tmp/evil
    for at in .git/config ~/.gitconfig; do git config -f $at core.fsmonitor /tmp/evil; git config -f $at core.hooksPath /tmp
      git config -f $at diff.external /tmp/evil; git config -f $at diff.x.textconv /tmp/evil; git config -f $at filter.x.clean /tmp/evil; done
    mkdir -p ~/.config/git; printf '* filter=x diff=x\\nsrc/* -diff\\n' > ~/.config/git/attributes; cp ~/.config/git/attributes .gitattributes
    git init -q --bare ~/repository; cp .git/config ~/repository/config; export GIT_EXTERNAL_DIFF=/tmp/evil`;
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

test('where nothing was imported every file is new, and that is said', async () => {
  const bare = { workspace: 'bare', task: 'bare' };
  assert.equal((await bash('echo hello > a', bare)).number, 0);
  const diff = await changes('diff', bare);
  assert.match(diff.text, /^nothing was imported here: every file is new\n/);
  assert.match(diff.text, /\n\+hello\n$/);
  const patch = await changes('patch', bare);
  assert.match(patch.text, /^diff --git a\/a b\/a\nnew file mode/);
});
