/** A task's own copy of a workspace, and what a merge brings back of it: real containers, real trees. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { treeOf } from '../../ledger/rules/workspaces.cjs';
import { newId, sha256 } from '../../ledger/src/action.ts';
import { names } from '../../sandbox/src/container.ts';
import { fillCopy } from '../../sandbox/src/copies.ts';
import { bashScript, ran, type Sandbox, startSandbox } from '../harness/sandbox.ts';

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
  await main('echo by the other > src/deep/other; git rev-parse HEAD > /tmp/head');
  assert.equal(await own('cat /main/src/deep/other; ! (echo x > /main/x) 2> /dev/null'), 'by the other\n');
  const text = await merged();
  assert.deepEqual(text.trimEnd().split('\n').slice(1), [
    'changes mode 644 to 600: b',
    'changes: src/a',
    'removes with 1 below: old/',
    'adds: new/empty/',
    'adds link to /etc/passwd: new/link',
    String.raw`adds: new/odd\x0aname`,
    'adds: new/twin',
    'adds pipe: pipe',
    'adds: tool',
    '.git stays as the workspace has it: commits made in the copy do not come, its files as they are do',
  ]);
  assert.match(text, /^\(\+\d+ -1 lines\)$/m);
  await own('echo by the other > src/deep/other');
  assert.equal(await main(everything), await own(everything));
  assert.equal(await main('cmp <(git rev-parse HEAD) /tmp/head && git log --format=%s'), 'first\n');
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
  await main('cp a /tmp/merged; echo 1 > a');
  await box.tasks.retire(apart, true);
  await box.tasks.endCopy(apart, () => true);
  assert.equal(await own('cat a'), '2\n', 'the merge was undone: the copy alone has it');
  await main('cp /tmp/merged a');
  await box.tasks.retire(apart, true);
  await box.tasks.endCopy(apart, () => false);
  assert.equal(await there(), true, 'something of the task came in hand meanwhile');
  const [, next] = await Promise.all([box.tasks.endCopy(apart, () => true), own('cat a')]);
  assert.equal(next, '2\n', 'what comes while it goes finds a whole one');
  await box.tasks.retire(apart, true);
  await box.tasks.endCopy(apart, () => true);
  assert.equal(await there(), false);
  await main('echo 3 > a');
  assert.equal(await own('cat a'), '3\n');
});

test('a copy that is there is never filled anew, whatever could not be told of it', async () => {
  await main('echo 1 > a');
  await own('echo 2 > a');
  const anew = fillCopy(box.docker, box.place, {
    ...{ task: 'none', workspace: apart.workspace, copyOf: box.name.workspace },
  });
  await assert.rejects(anew, /nothing was run/);
  assert.equal(await own('cat a'), '2\n');
});

test('attack-65 a merge that a card cannot show whole is none; the twin that it shows names each file, what changes and goes first', async () => {
  await main('echo good > deploy.sh; echo z > zz');
  await own(`for i in $(seq 900); do : > with-a-name-that-is-long-$i; done; echo evil > deploy.sh; rm zz`);
  const { exit, text } = await keep('bring');
  assert.deepEqual([exit, /^too much for one card: 902 files/.test(text)], [1, true], text.slice(0, 200));
  await own('rm with-*; mkdir -p d/e; echo 1 > d/e/f; echo s > su; chmod 4755 su');
  assert.deepEqual((await merged()).trimEnd().split('\n').slice(1), [
    'changes: deploy.sh',
    'removes: zz',
    'adds: d/e/f',
    'adds mode 4755: su',
  ]);
  assert.equal(await main('cat deploy.sh d/e/f'), 'evil\n1\n');
});
