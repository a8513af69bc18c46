/** A task's own copy of a workspace, and what a merge brings back of it: real containers, real trees. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { treeOf } from '../../ledger/rules/workspaces.cjs';
import { newId, sha256 } from '../../ledger/src/action.ts';
import { names } from '../../sandbox/src/container.ts';
import { fillCopy } from '../../sandbox/src/copies.ts';
import { runIn } from '../../sandbox/src/exec.ts';
import { makeTasks } from '../../sandbox/src/tasks.ts';
import { bashScript, ran, type Sandbox, startSandbox } from '../harness/sandbox.ts';
import { until } from '../harness/wait.ts';

let box: Sandbox;
before(async () => {
  box = await startSandbox();
});
after(() => box?.stop());

const letters = 'abcdefghijklmnop';
let count = 0;
let apart: { task: string; workspace: string };
const empty = 'chmod -R u+rwx . 2> /dev/null; find . -mindepth 1 -delete';
/** A script in the workspace itself. */
async function main(script: string): Promise<string> {
  const { number, text } = await box.bash(script);
  assert.equal(number, 0, text);
  return text;
}
/** A script in the task's own copy, which is made by its first. */
async function own(script: string): Promise<string> {
  await box.tasks.warm(apart);
  const { number, text } = ran(await box.tasks.run(apart, newId(), bashScript(script), () => {}));
  assert.equal(number, 0, text);
  return text;
}
const keep = (...args: string[]) => box.tasks.keep(apart.workspace, ...args);
async function look(): Promise<string> {
  const { exit, text } = await keep('bring');
  assert.equal(exit, 0, text);
  return text;
}
const merge = (text: string) => keep('merge', '0', sha256(text));
async function merged(): Promise<string> {
  const text = await look();
  assert.deepEqual(await merge(text), { exit: 0, text });
  return text.replace(/from the trees [0-9a-f]{32}\n$/, '');
}
/** A command of the root of the copy's keeper. */
const inKeeper = (...command: string[]) =>
  runIn(box.docker.getContainer(names(box.place, apart).keeper), command);
const everything =
  'find . -path ./.git -prune -o -printf "%y %m %U %G %l %p\\0" | LC_ALL=C sort -z | cat -v; find . -path ./.git -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum';

beforeEach(async () => {
  await box.bash(empty);
  const task = `apart-abcdefg${letters[count++]}`;
  apart = { task, workspace: treeOf({ task, workspace: box.name.workspace }) };
});

test('a task that is apart works in a copy, sees the workspace at /main without writing there, and a merge brings exactly what it did', async () => {
  await main(`mkdir -p src/deep old; printf '1\\n2\\n' > src/a; echo keep > src/keep; echo o > old/o; echo b > b
    git init -q; git add .; git commit -qm first`);
  await own(`printf '1\\n2\\n3\\n' > src/a; rm -r old; mkdir -p new/empty; echo n > $'new/odd\\nname'; ln -s /etc/passwd new/link
    echo run > tool; chmod 755 tool; chmod 600 b; mkfifo pipe; ln tool new/twin; git add .; git commit -qm own`);
  assert.equal(await main('ls'), 'b\nold\nsrc\n');
  await main('echo by the other > src/deep/other; git rev-parse HEAD > .git/head-before');
  assert.equal(await own('cat /main/src/deep/other; ! (echo x > /main/x) 2> /dev/null'), 'by the other\n');
  const text = await merged();
  assert.deepEqual(text.trimEnd().split('\n').slice(1), [
    'changes mode 644 to 600: b',
    'changes: src/a',
    'removes with 1 below: old/',
    'adds: new/',
    'adds: new/empty/',
    'adds link: new/link',
    'which leads to: /etc/passwd',
    'adds: new/odd\\x0aname',
    'adds mode 755: new/twin',
    'adds pipe: pipe',
    'adds mode 755: tool',
    '.git stays as the workspace has it: commits made in the copy do not come, its files as they are do',
  ]);
  assert.match(text, /^\(\+\d+ -1 lines\)$/m);
  await own('echo by the other > src/deep/other');
  assert.equal(await main(everything), await own(everything));
  assert.equal(await main('cmp <(git rev-parse HEAD) .git/head-before && git log --format=%s'), 'first\n');
  // What both have now is what they have in common from now on.
  const nothing = await keep('bring');
  assert.deepEqual([nothing.exit, /^nothing to merge/.test(nothing.text)], [1, true]);
  await own('echo more >> src/a');
  assert.match(await merged(), /^\(\+1 -0 lines\)\nchanges: src\/a\n/);
  assert.equal(await main('tail -n 1 src/a'), 'more\n');
});

test('what both changed is named and nothing at all is merged; once it was taken over from /main all of it is', async () => {
  await main('mkdir d gone; echo 1 > a; echo 1 > d/b; echo 1 > gone/f; echo 1 > c');
  await own('echo mine > a; rm -r d; echo more > gone/new; echo free > free; rm c');
  await main('echo theirs > a; echo in > d/unknown; rm -r gone; echo changed > c');
  const was = await main(everything);
  const { exit, text } = await keep('bring');
  assert.equal(exit, 1);
  assert.deepEqual(text.trimEnd().split('\n').slice(1, -1), [
    'both: a',
    'both: c',
    'both: d',
    'both: gone/new',
  ]);
  assert.match(text, /^nothing was merged, for both changed these/);
  assert.match(text, /reads at \/main, say the same !merge again/);
  assert.equal((await merge('')).exit, 1);
  assert.equal(await main(everything), was);

  await own('cp /main/a a; cp -r /main/d .; rm -r gone; cp /main/c c');
  assert.match(await merged(), /^\(\+1 -0 lines\)\nadds: free\n$/);
  await own('echo theirs and mine > a; echo c2 > c');
  await merged();
  assert.equal(await main('cat a c free d/unknown'), 'theirs and mine\nc2\nfree\nin\n');
});

test('attack-65 a copy or a workspace that is another one when the yes comes takes no merge, and nothing is written; its twin that stayed as it was does', async () => {
  await main('echo 1 > a; echo 1 > b; echo 1 > t');
  await own('echo good > a; echo new > c');
  const text = await look();
  const was = await main(everything);
  const refused = async (why: string) => {
    const { exit, text: said } = await merge(text);
    assert.deepEqual(
      [exit, /not as it was when the card was made|nothing was merged/.test(said)],
      [1, true],
      why,
    );
  };
  // The same size and times, and other bytes.
  await own('touch -r a /tmp/t; echo evil > a; touch -r /tmp/t a');
  await refused('other bytes');
  await own('echo good > a; echo beside > d');
  await refused('one more file');
  await own('rm d; chmod 755 c');
  await refused('another mode');
  await own('rm c; ln -s a c');
  await refused('a link');
  await own('rm c; echo new > c');
  await main('echo 2 > a');
  await refused('the workspace');
  await main('echo 1 > a; echo 3 > c');
  await refused('in the way');
  await main('rm c');
  assert.equal(await main(everything), was);
  await main('echo elsewhere > b'); // what the merge does not touch is nobody's business
  assert.deepEqual(await merge(text), { exit: 0, text });
  assert.equal(await main('cat a b c'), 'good\nelsewhere\nnew\n');
});

test('attack-65 no link leads a merge out of the workspace; the twin, a directory of that name, takes it', async () => {
  await main('mkdir -p etc x; echo 1 > etc/f; echo 1 > x/f');
  await own('echo 2 > etc/f; echo new > etc/hosts; echo 2 > x/f');
  const text = await look();
  await main('rm -r etc; ln -s /etc etc');
  const { exit, text: said } = await merge(text);
  assert.equal(exit, 1);
  assert.match(said, /both: etc\/f\nboth: etc\/hosts/);
  assert.equal(await main('cat x/f'), '1\n');
  await main('rm etc; mkdir etc; echo 1 > etc/f');
  await merged();
  assert.equal(await main('cat etc/f etc/hosts x/f'), '2\nnew\n2\n');
});

test('a copy goes with its container once the workspace has all that is in it, and stays as long as it has not', async () => {
  await main('echo 1 > a');
  const { files } = names(box.place, apart);
  const there = async () => (await box.docker.listVolumes()).Volumes.some(({ Name }) => Name === files);
  await own('echo 2 > a');
  await box.tasks.retire(apart, true);
  await box.tasks.endCopy(apart, () => true);
  assert.equal(await own('cat a'), '2\n');
  await merged();
  await box.tasks.retire(apart, true);
  await box.tasks.endCopy(apart, () => true);
  assert.equal(await there(), false);
  await main('echo 3 > a');
  assert.equal(await own('cat a'), '3\n');
});

test('a copy that cannot be reached is not made anew, nor is one that is there; its twin that is busy for long is found at once', async () => {
  await main('echo 1 > a');
  await own('echo work > a');
  const afterRestart = () => makeTasks(box.docker, box.place).keep(apart.workspace, 'begun');
  const busy = inKeeper('flock', '/snapshots', 'sleep', '4');
  const began = Date.now();
  assert.equal((await afterRestart()).exit, 0);
  assert.ok(Date.now() - began < 4000);
  await busy;
  await inKeeper('bash', '-c', 'mv /snapshots/data /snapshots/d; touch /snapshots/data');
  await assert.rejects(afterRestart(), /cannot be reached.*nothing was run/);
  await inKeeper('bash', '-c', 'rm /snapshots/data; mv /snapshots/d /snapshots/data');
  const name = { ...apart, task: 'none', copyOf: box.name.workspace };
  await assert.rejects(fillCopy(box.docker, box.place, name), /there is a copy already/);
  assert.equal(await own('cat a'), 'work\n');
});

/** What becomes of this process when it comes to lay the path. */
const cutOffAt = (path: string) => `import os
code = open('/usr/lib/pocketcoder/keep.py').read().replace('__main__', '')
exec(code)
laid = place
def place(path, *rest):
    if path == b'${path}': os._exit(9)
    laid(path, *rest)
import sys
main('merge', '0', sys.argv[1])`;
for (const path of ['made/b', 'file', 'tree', 'x'])
  test(`a merge that was cut off before it laid ${path} goes on from where it stood`, async () => {
    await main('echo 1 > file; mkdir -p tree/in; echo 1 > tree/in/f; echo 1 > x; mkdir d');
    await own(`mkdir -m 750 made; echo a > made/a; echo b > made/b; rm -r file tree x; mkdir file; echo in > file/in
      echo now a file > tree; ln -s d x`);
    const text = await look();
    const { exit } = await inKeeper('python3', '-I', '-X', 'utf8', '-c', cutOffAt(path), sha256(text));
    assert.equal(exit, 9);
    await merged();
    assert.equal(await main(everything), await own(everything));
  });

test('attack-65 no merge changes what its card does not name; the twin, less at once, comes with every name and says what was not counted', async () => {
  await main('echo 1 > build.sh; echo 1 > gone');
  await own(`echo evil > build.sh; rm gone; mkdir many; cd many
    for i in {100..499}; do : > $i-${'long'.repeat(20)}; done`);
  const { exit, text } = await keep('bring');
  assert.deepEqual([exit, /^this is too much for one card: 403 lines/.test(text)], [1, true]);
  assert.equal((await merge(text)).exit, 1);
  await own(
    `rm -r many; mkdir d; printf 'a\\0' > d/binary; : > d/root; chmod 4755 d/root; rm build.sh; ln -s d build.sh`,
  );
  assert.equal(
    await merged(),
    '(+0 -2 lines, 1 files not counted)\nchanges file to link: build.sh\nwhich leads to: d\nremoves: gone\nadds: d/\nadds: d/binary\nadds mode 4755: d/root\n',
  );
});

test('a removed directory with a repository of its own stays for that, and all else is merged; its twin with something new in it is named', async () => {
  await main('git init -q sub/lib; echo 1 > sub/lib/f; echo 1 > a; mkdir x; git init -q x/lib');
  await own('rm -r sub; echo 2 > a');
  const text = await merged();
  assert.deepEqual(text.trimEnd().split('\n').slice(1, -1), [
    'changes: a',
    'removes: sub/lib/f',
    'stays for its .git: sub/',
    'stays for its .git: sub/lib/',
  ]);
  assert.equal(await main('cat a; ls -A sub/lib'), '2\n.git\n');
  await own('rm -r x; echo 3 > a');
  await main('echo new > x/lib/new');
  assert.match((await keep('bring')).text, /both: x\nboth: x\/lib\n/);
});

test('a copy that something began in while it was to end stays with it; what comes meanwhile waits', async () => {
  await main('echo 1 > a');
  await own('true');
  const ended = () => box.tasks.endCopy(apart, () => true);
  const busy = inKeeper('flock', '/snapshots', 'sleep', '2');
  const ends = ended(); // its container stands
  const next = own('cat a');
  assert.equal((await Promise.all([busy, ends, next]))[2], '1\n');
  await main('echo 2 > a');
  assert.equal(await own('cat a'), '1\n');
  await box.tasks.retire(apart, true);
  await box.tasks.endCopy(apart, () => false);
  assert.equal(await own('cat a'), '1\n');
  await box.tasks.retire(apart, true);
  await Promise.all([ended(), ended()]);
  assert.equal(await own('cat a'), '2\n');
});

test('a copy whose merge was undone stays, for it alone has that work; once the workspace has it again the copy goes', async () => {
  await main('echo 1 > a; echo 1 > b');
  await own('echo work > a; rm b');
  await merged();
  const left = () => keep('left').then(({ exit }) => exit);
  assert.equal(await left(), 0);
  await main('echo 1 > a; echo 1 > b');
  assert.equal(await left(), 1);
  await main('echo work > a');
  assert.equal(await left(), 1);
  await main('rm b; echo other > c');
  assert.equal(await left(), 0);
});

test('what waits for the end of a merge is answered then, not before, and makes no copy', async () => {
  assert.equal((await keep('wait')).exit, 0);
  const began = Date.now();
  const holds = inKeeper('flock', '/snapshots', 'sleep', '3');
  const isHeld = async () => (await inKeeper('flock', '-n', '/snapshots', 'true')).exit !== 0;
  await until('the keeper to be held up', isHeld);
  assert.equal((await keep('wait')).exit, 0);
  assert.ok(Date.now() - began > 2500);
  await holds;
  assert.equal((await inKeeper('test', '-e', '/snapshots/base')).exit, 1);
});
