/** Snapshots of a real workspace and the way back: all that a tree can hold, all that an agent can put in the way. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { sha256 } from '../../ledger/src/action.ts';
import { runIn } from '../../sandbox/src/exec.ts';
import { type Sandbox, startSandbox } from '../harness/sandbox.ts';

let box: Sandbox;
before(async () => {
  box = await startSandbox();
});
after(() => box?.stop());

let number = 0;
const empty = 'chmod -R u+rwx . 2> /dev/null; find . -mindepth 1 -delete';
beforeEach(async () => void (await box.bash(empty)));

const keep = (...args: string[]) => box.tasks.keep(box.name.workspace, ...args);

/** A snapshot of what the first script makes. Returns its number. */
async function snapshotOf(script: string): Promise<string> {
  const made = await box.bash(script);
  assert.equal(made.number, 0, made.text);
  number++;
  assert.deepEqual(await keep('take', String(number)), { exit: 0, text: '' });
  return String(number);
}
async function restored(n: string): Promise<string> {
  const { exit, text } = await keep('difference', n);
  assert.equal(exit, 0, text);
  assert.deepEqual(await keep('restore', n, sha256(text)), { exit: 0, text });
  return text.replace(/from the tree [0-9a-f]{32}\n$/, '');
}
/** Everything of the tree that counts, in one text: of each name its kind, mode, owner, link count, target and bytes. */
const everything = () =>
  box.beside(
    ...['bash', '-c'],
    'cd /workspace; find . -printf "%y %m %U %G %l %p\\0" | LC_ALL=C sort -z | cat -v; find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum',
  );

const rich = `
  mkdir -p src/deep/er empty .git/objects locked; printf 'a\\nb\\n' > src/a; echo run > src/tool; chmod 755 src/tool; echo 1 > src/deep/er/x
  ln -s a src/link; ln -s /etc/passwd out; ln -s nowhere dangling; mkfifo pipe; echo ref > .git/HEAD; echo o > .git/objects/o
  printf x > $'new\\nline'; printf y > $'\\xff\\xfe'; printf z > '-rf *'; printf w > 'ü 🦊'
  echo s > locked/s; chmod 000 src/deep/er/x locked; ln src/a src/twin; echo ignored > junk; echo junk > .gitignore`;

test('all comes back: bash-made, deleted, modes, links, empty directories, .git, odd names, what nobody may read', async () => {
  const n = await snapshotOf(rich);
  const was = await everything();
  await box.bash(`chmod 700 locked; rm -rf .git empty src locked out pipe $'new\\nline' $'\\xff\\xfe' './-rf *' 'ü 🦊'
    mkdir -p src made/by/bash; echo other > src/a; ln -s /workspace empty; echo file > locked; echo n > made/by/bash/f; rm dangling; mkdir dangling`);
  assert.notEqual(await everything(), was);
  const said = await restored(n);
  assert.equal(await everything(), was);
  assert.match(said, /^returns with 3 below: \.git\/$/m);
  assert.match(said, /^vanishes with 3 below: made\/$/m);
  assert.match(said, /^changes: src\/a$/m);
  assert.match(said, /^returns: new\\x0aline$/m);
  assert.match(said, /^returns: \\xff\\xfe$/m);
  assert.match(said, /^returns: ü 🦊$/m);
  const nothing = await keep('difference', n);
  assert.deepEqual([nothing.exit, nothing.text.startsWith('nothing would change')], [1, true]);
});

test('modes and directories alone, and a file whose size and time were set back, are differences', async () => {
  const n = await snapshotOf(
    'mkdir d; chmod 750 d; echo abc > f; chmod 640 f; echo abc > g; echo same > touched; sleep 0.2',
  );
  const was = await everything();
  await keep('take', n); // by now nothing is too young to be known by its inode
  await box.bash(
    'chmod 700 d; chmod 600 f; touch -r g /tmp/t; echo xyz > g; touch -r /tmp/t g; touch touched',
  );
  const said = await restored(n);
  assert.equal(said, 'changes mode 700 to 750: d\nchanges mode 600 to 640: f\nchanges: g\n');
  assert.equal(await everything(), was);
});

test('attack-58 no link leads out of the tree: nothing of the container that restores is read, written or removed', async () => {
  const n = await snapshotOf(
    'mkdir -p a/b; echo 1 > a/b/f; echo 2 > hosts; mkdir snapshots; echo 3 > snapshots/data',
  );
  const was = await everything();
  await box.bash(
    'rm -rf a hosts snapshots; ln -s /snapshots a; ln -s /etc/hosts hosts; ln -s / snapshots; ln -s /usr/lib/pocketcoder x',
  );
  await keep('take', '900000'); // a snapshot of the links holds the links alone
  await restored(n);
  assert.equal(await everything(), was);
  assert.equal((await keep('take', '900001')).exit, 0, 'the snapshots and the program are there');
  assert.match(await restored('900000'), /^changes: a$/m);
  assert.equal(
    (await box.bash('readlink a hosts snapshots x')).text,
    '/snapshots\n/etc/hosts\n/\n/usr/lib/pocketcoder\n',
  );
});

test('attack-57 exactly what was approved, or nothing: a tree that changed since takes no undo, and its twin that did not does', async () => {
  const n = await snapshotOf('echo 1 > f');
  await box.bash('echo 2 > f');
  const { text } = await keep('difference', n);
  await box.bash('echo 3 > f');
  const refused = await keep('restore', n, sha256(text));
  assert.deepEqual([refused.exit, refused.text.includes('not as it was when the card was made')], [1, true]);
  assert.equal((await box.bash('cat f')).text, '3\n');
  await restored(n);
  assert.equal((await box.bash('cat f')).text, '1\n');
  assert.equal((await keep('restore', '424242', sha256(''))).exit, 1);
});

/** The program's own functions, with what a racing script does put between two of its steps: by chance that takes years. */
async function between(steps: string): Promise<string> {
  const program = `
source = open('/usr/lib/pocketcoder/keep.py').read().split('\\nif __name__')[0]
exec(source)
${steps}`;
  const keeper = box.docker.getContainer(`${box.place.project}-keep-${box.name.workspace}`);
  return (await runIn(keeper, ['python3', '-I', '-X', 'utf8', '-c', program])).text;
}

test('attack-58 a directory that becomes a link between a look and a step is not gone through; its twin that stays one is', async () => {
  await snapshotOf(
    'mkdir -p d/e s/t; echo inside > d/e/hosts; echo inside > s/t/hosts; ln -s /etc l; ln -s /etc/passwd p',
  );
  const seen = await between(`
real = os.lstat
def lstat(name, **more):
    about = real(name, **more)
    if name == b'e':
        os.rename('/workspace/d/e', '/workspace/d/f')
        os.symlink('/etc', '/workspace/d/e')
    return about
os.lstat = lstat
print(*sorted(p.decode() for p in tree_now() if p.count(b'/') > 1))`);
  assert.equal(seen.trim(), 's/t/hosts');
  const tried = await between(`
for path in (b'l/passwd', b's/t/hosts'):
    try:
        parent(path)
        print('reached')
    except OSError:
        print('refused')
for name in (b'p', b's/t/hosts'):
    try:
        opened(os.open(ROOT, DIRECTORY), name)
        print('opened')
    except OSError:
        print('refused')`);
  assert.equal(tried, 'refused\nreached\nrefused\nopened\n');
});

test('a way back that dies half-way is gone again from where it stands', async () => {
  const n = await snapshotOf('mkdir d; echo 1 > d/a; echo 2 > d/b; ln -s a d/c; echo 3 > z');
  const was = await everything();
  await box.bash('rm -r d z; echo other > d; mkdir z; echo 4 > z/y');
  const { text } = await keep('difference', n);
  await between(`
real, put = place, []
def place(*what):
    if put:
        os._exit(9)
    put.append(what)
    real(*what)
restore(b'${n}', '${sha256(text)}')`);
  assert.notEqual(await everything(), was);
  assert.equal((await keep('restore', n, sha256(text))).exit, 1, 'the tree is none that was approved');
  assert.notEqual(await restored(n), '');
  assert.equal(await everything(), was);
});

test('what an action changed is counted in files and lines', async () => {
  const n = await snapshotOf("printf 'a\\nb\\nc\\n' > t; echo gone > g; printf '\\0\\1' > bin; mkdir d");
  await box.bash("printf 'a\\nB\\nc\\nd\\n' > t; rm g; printf '\\0\\2' > bin; printf 'x\\ny' > new; mkdir e");
  assert.deepEqual(await keep('changes', n), { exit: 0, text: '2 1 1 4 2\n' });
});

test('old snapshots are thinned, never the last ten; bytes that one still has stay', async () => {
  await box.bash('echo forever > f');
  for (let i = 0; i < 60; i++) {
    await box.bash(`echo ${i} > g`);
    assert.equal((await keep('take', String(920_000 + i))).exit, 0);
  }
  const first = await keep('difference', '920000');
  assert.equal(first.exit, 1);
  assert.match(first.text, /no snapshot from before #920000 any more/);
  await box.bash('rm f g');
  await restored('920050');
  assert.equal((await box.bash('cat f g')).text, 'forever\n50\n');
});

test('what was taken last counts as the last, whatever its number; cards that nobody approved push out none that ran', async () => {
  const old = await snapshotOf('echo ran > f');
  assert.equal((await keep('changes', old)).exit, 0); // its action ran
  for (let i = 0; i < 70; i++) assert.equal((await keep('take', String(940_000 + i))).exit, 0);
  assert.equal((await keep('take', '7')).exit, 0);
  await box.bash('echo now > f');
  await restored('7');
  await box.bash('echo now > f');
  assert.equal(await restored(old), 'changes: f\n');
  assert.equal((await keep('difference', '940000')).exit, 1);
});

test('what there is no room for leaves nothing behind; the next that fits is taken', async () => {
  await box.bash('truncate -s 9000000000000 sparse; echo 1 > f');
  const refused = await keep('take', '950000');
  assert.deepEqual([refused.exit, refused.text], [1, 'there would be less than 1 GiB of the disk left\n']);
  await box.bash('rm sparse');
  const before = await between("print(len(os.listdir(DATA)), os.path.exists(KEPT + b'/run'))");
  assert.match(before, / True\n$/);
  await snapshotOf('echo 2 > f');
  assert.match(await between("print(os.path.exists(KEPT + b'/run'))"), /^False\n$/);
});

test('no name reads as words of ours', async () => {
  const n = await snapshotOf('echo 1 > f');
  await box.bash("touch 'a' 'a with 9 below: b'; mkdir -p 'd and 999 below it'");
  const { text } = await keep('difference', n);
  assert.deepEqual(text.split('\n').slice(0, 3), [
    'vanishes: a',
    'vanishes: a with 9 below: b',
    'vanishes: d and 999 below it/',
  ]);
});

test('a step that dies, and a keeper that does, are told; what is asked next is answered by a new one', async () => {
  const n = await snapshotOf('echo 1 > f');
  const keeper = box.docker.getContainer(`${box.place.project}-keep-${box.name.workspace}`);
  await keeper.pause();
  const told = assert.rejects(keep('take', '960000'), /ended/);
  await keeper.kill();
  await told;
  await box.bash('echo 2 > f');
  assert.equal(await restored(n), 'changes: f\n');
  const answers = await Promise.all(
    ['960001', '960002', '1'].map((one) => keep(one === '1' ? 'difference' : 'take', one)),
  );
  assert.deepEqual(
    answers.map(({ exit }) => exit),
    [0, 0, 1],
  );
});

test('no task’s container mounts the snapshots, and the one that does has no network', async () => {
  await keep('take', '930000');
  const task = await box.container.inspect();
  assert.deepEqual(
    task.Mounts.filter((m) => m.Name?.includes('-snap-')),
    [],
  );
  assert.equal((await box.bash('ls /snapshots')).number, 2);
  const keeper = await box.docker.getContainer(`${box.place.project}-keep-${box.name.workspace}`).inspect();
  assert.equal(keeper.HostConfig.NetworkMode, 'none');
});
