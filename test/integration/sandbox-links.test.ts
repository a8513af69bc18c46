/** That actions on files are done at the path that their card says: through no link, whatever else runs there, and without waiting on a name. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type RunArgs, sha256 } from '../../ledger/src/action.ts';
import { fileIn, type Sandbox, startSandbox } from '../harness/sandbox.ts';

let box: Sandbox;
before(async () => {
  box = await startSandbox();
});
after(() => box?.stop());

const file = <K extends keyof RunArgs>(kind: K, args: RunArgs[K], sent?: Uint8Array) =>
  fileIn(box, kind, args, sent);

/** Every action on a file, at this path. */
const all = (path: string) => [
  () => file('list', { path }),
  () => file('grep', { pattern: '.', path }),
  () => file('read_file', { path, offset: 0, limit: 0 }),
  () => file('get_file', { path }),
  () => file('write_file', { path, content: 'a secret' }),
  () => file('edit_file', { path, old: 'secret', new: 'x' }),
];

test('attack-32 a write to docs is one to docs: where a link makes it a hook of git’s, nothing is written; its twin without a link is', async () => {
  const hook = { path: 'docs/pre-commit', content: '#!/bin/sh\ntouch /workspace/ran\n' };
  await box.bash('git init -q; ln -s .git/hooks docs');
  const refused = await file('write_file', hook);
  assert.notEqual(refused.number, 0);
  assert.equal(
    refused.text,
    '/workspace/docs is a symbolic link to .git/hooks, and none is followed: give the path itself; nothing was done\n',
  );
  assert.equal((await box.bash('ls .git/hooks | grep -vc sample; rm docs')).text, '0\n');
  const twin = await file('write_file', hook);
  assert.equal(twin.text, `wrote ${hook.content.length} bytes to /workspace/docs/pre-commit\n`);
  assert.equal((await box.bash('cat docs/pre-commit')).text, hook.content);
});

test('attack-32 no action on a file goes through a link or to one, inside the workspace or out; at the path itself each does', async () => {
  await box.bash(
    "mkdir -p src/in outside; echo plain > src/in/a; echo secret > outside/a; ln -s ../outside src/link; ln -s ../../outside/a src/in/file; ln -s $'/etc\\n' src/odd; ln -s nowhere src/none",
  );
  const before = (await box.bash('ls -lR --time-style=full-iso src outside')).text;
  for (const [path, link] of [
    ['src/link/a', 'src/link is a symbolic link to ../outside,'],
    ['src/link/new/b', 'src/link is a symbolic link to ../outside,'],
    ['./src//link', 'src/link is a symbolic link to ../outside,'],
    ['src/in/file', 'src/in/file is a symbolic link to ../../outside/a,'],
    ['src/odd', 'src/odd is a symbolic link to /etc\\x0a,'],
    ['src/none', 'src/none is a symbolic link to nowhere,'],
  ] as const)
    for (const [n, act] of all(path).entries()) {
      const refused = await act();
      assert.notEqual(refused.number, 0, `${path} ${n}`);
      assert.ok(refused.text.startsWith(`/workspace/${link} and none is followed`), refused.text);
    }
  const put = (path: string) => file('put_file', { path, sha256: sha256('x'), size: 1 }, Buffer.from('x'));
  assert.match((await put('src/link/a')).text, /is a symbolic link to \.\.\/outside/);
  assert.equal((await box.bash('ls -lR --time-style=full-iso src outside')).text, before);
  // What is searched or listed below a directory goes through none either.
  assert.equal((await file('grep', { pattern: '.', path: 'src' })).text, 'src/in/a:1:plain\n');
  assert.equal(
    (await file('list', { path: 'src' })).text,
    'in/\nlink -> ../outside\nnone -> nowhere\nodd -> /etc\\x0a\n',
  );
  for (const twin of all('outside/a').slice(1)) assert.equal((await twin()).number, 0);
});

test('what could not be searched is no success; a directory that may be entered and not listed is gone through; a name with a slash at its end is no file', async () => {
  await box.bash(
    'mkdir -p shut/in; echo known > shut/in/a; echo known > open; echo no > closed; chmod 0 closed; chmod 311 shut',
  );
  assert.equal((await file('read_file', { path: 'shut/in/a', offset: 0, limit: 0 })).text, 'known\n');
  const searched = await file('grep', { pattern: 'unheard', path: '.' });
  assert.notEqual(searched.number, 0);
  assert.doesNotMatch(searched.text, /no line matches/);
  const some = await file('grep', { pattern: 'known', path: '.' });
  assert.match(some.text, /^open:1:known$/m);
  assert.match(some.text, /cannot search \/workspace\/closed: Permission denied/);
  await box.bash('chmod 755 shut; rm -rf shut open closed');
  assert.match((await file('grep', { pattern: 'unheard', path: '.' })).text, /^no line matches$/m);
  await assert.rejects(
    file('write_file', { path: 'new/', content: '' }),
    /new\/ names a directory, not a file/,
  );
});

test('a pipe, a socket or a device by that name is said to be none to read or write, at once', async () => {
  await box.bash(
    'mkdir odd; mkfifo odd/pipe; cd odd; python3 -c "import socket; socket.socket(socket.AF_UNIX).bind(\'socket\')"; echo text > plain',
  );
  await box.beside('mknod', '-m', '666', '/workspace/odd/zero', 'c', '1', '5');
  for (const name of ['pipe', 'socket', 'zero'])
    for (const act of all(`odd/${name}`)) {
      const refused = await act();
      assert.equal(refused.how, 'exit');
      assert.notEqual(refused.number, 0);
      assert.match(refused.text, /^cannot (list|search|read|send|write) \/workspace\/odd\/\w+: /);
    }
  assert.equal((await file('grep', { pattern: '.', path: 'odd' })).text, 'odd/plain:1:text\n');
  assert.equal(
    (await box.bash('stat -c %F odd/*')).text,
    ['fifo', 'regular file', 'socket', 'character special file', ''].join('\n'),
  );
});

test('attack-78 what ripgrep or git would open, and is no file, is left out and named at once; its twin that is one is heeded', async () => {
  const grep = (path: string) => file('grep', { pattern: 'needle', path });
  await box.bash('git init -q; mkdir -p kept/sub; echo needle | tee kept/found kept/out kept/sub/found');
  const makes = ['mkfifo', 'ln -s /dev/zero', 'ln -s /proc/self/fd/0', 'mkdir'];
  for (const [at, name] of ['.gitignore', '.ignore', 'kept/.rgignore', 'kept/sub/.gitignore'].entries()) {
    await box.bash(`${makes[at]} ${name}`);
    const { how, number, text } = await grep('kept/sub');
    assert.deepEqual([how, number], ['exit', 0], `${name}: ${text}`);
    assert.match(text, new RegExp(`^left out, .*: /workspace/${name}$`, 'm'));
    assert.match(text, /^kept\/sub\/found:1:needle$/m);
    await box.bash(`rm -r ${name}; echo found > ${name}`);
    assert.match((await grep('kept/sub')).text, /^no line matches$/m, `the twin, ${name}`);
    await box.bash(`rm ${name}`);
  }
  // Names of directories that are no line, or no text.
  const odd = String.raw`$'kept/a\nb/.gitignore' $'kept/b\xff/.ignore'`;
  await box.bash(`mkdir $'kept/a\\nb' $'kept/b\\xff'; mkfifo ${odd}`);
  const { how, text } = await grep('kept');
  assert.equal(how, 'exit');
  for (const name of ['a\\x0ab/.gitignore', 'b\\xff/.ignore'])
    assert.ok(text.includes(`/workspace/kept/${name}\n`), text);
  assert.match(text, /^kept\/found:1:needle$/m);
  await box.bash(`rm ${odd}; echo found > $'kept/a\\nb/.gitignore'; echo needle > $'kept/a\\nb/found'`);
  assert.doesNotMatch((await grep('kept')).text, /left out|x0ab/);
  await box.bash(`rm -r kept/a* kept/b*`);
  await box.beside('mknod', '-m', '666', '/workspace/kept/.gitignore', 'c', '1', '5');
  await box.bash('rm .git/info/exclude; mkfifo .git/info/exclude');
  assert.match((await grep('kept')).text, /^left out, .*\/kept\/\.gitignore\nkept\/found:1/);
  await box.bash('rm -f kept/.gitignore');
});

test('attack-78 a pipe where a merge would have git read ends it at once, and by its name; its twin, a file, is merged', async () => {
  const merged = (make: string) =>
    box.bash(`rm -rf m; git init -q -b main m; cd m; mkdir sub; echo a > a; git add a; git commit -qm one
      git checkout -q -b other; echo o > o; git add o; git commit -qm two; git checkout -q main; git commit -q --allow-empty -m three
      mv /workspace/.git /workspace/before 2> /dev/null; own=$(git rev-parse main); their=$(git rev-parse other); ${make}
      mv .git ..; cd ..; mv m kept-m; timeout 20 /usr/lib/pocketcoder/workspace.sh merge $own $their
      echo "status $?"; rm -rf .git kept-m o sub .gitattributes; [ ! -e before ] || mv before .git`);
  for (const name of ['.git/index', '.git/packed-refs', '.git/logs/HEAD']) {
    const { text } = await merged(`rm -f ${name}; mkfifo ${name}`);
    assert.match(
      text,
      new RegExp(`^${name} is no file that can be read: .*nothing was merged\nstatus 1$`, 'm'),
    );
  }
  const attributes = (make: string) => `mkdir ../sub; ${make} ../sub/.gitattributes`;
  assert.match((await merged(attributes('mkfifo'))).text, /^sub\/\.gitattributes is no file.*\nstatus 1$/m);
  assert.match((await merged(attributes('touch'))).text, /Merge made[\s\S]*\nstatus 0$/m);
  // Git asks what is ignored in a directory that a file takes the place of.
  const ignored = (make: string) => `mkdir ../o; ${make} ../o/.gitignore`;
  assert.match((await merged(ignored('mkfifo'))).text, /^o\/\.gitignore is no file.*\nstatus 1$/m);
  assert.match((await merged(ignored('echo .gitignore >'))).text, /Merge made[\s\S]*\nstatus 0$/m);
});

test('a name that is no UTF-8 is listed and found by its bytes', async () => {
  await box.bash(`mkdir bytes; echo needle > $'bytes/b\\xff\\\\'; echo needle > 'bytes/ü 漢'`);
  assert.equal((await file('list', { path: 'bytes' })).text, 'b\\xff\\x5c  7 bytes\nü 漢  7 bytes\n');
  assert.equal(
    (await file('grep', { pattern: 'needle', path: 'bytes' })).text,
    'bytes/b\\xff\\x5c:1:needle\nbytes/ü 漢:1:needle\n',
  );
});

/** Makes a link of a directory and of a file, and takes it back, as fast as it can: there is never a moment without the name. */
const racer = `
import ctypes, os
os.chdir('/workspace/race')
swap = ctypes.CDLL(None).renameat2
assert swap(-100, b'd', -100, b'l', 2) == 0
while True:
    swap(-100, b'd', -100, b'l', 2)
    os.symlink('../beyond/secret', 'n')
    os.rename('n', 'f')
    swap(-100, b'd', -100, b'l', 2)
    with open('n', 'w') as file: file.write('plain')
    os.rename('n', 'f')
`;
/** Has file.pl, read once, do what actions have it do, a process each, and counts how they ended. */
const driver = `
use Fcntl;
my %ended;
my $text = do { local (@ARGV, $/) = '/usr/lib/pocketcoder/file.pl'; <> };
my $act = do { local $SIG{__WARN__} = sub { }; eval "sub { $text }" } or die $@;
for my $n (1 .. shift) {
    my @all = (
        ['write', "race/d/w$n", 'x'], ['read', 'race/d/secret', 0, 0], ['edit', 'race/d/secret', 'plain', 'plain '],
        ['put', "race/d/p$n"], ['read', 'race/f', 0, 0], ['get', 'race/f'], ['write', 'race/f', 'plain'], ['list', 'race/d'],
        ['write', "race/d/made/$n", 'x'], $n % 50 ? ['edit', 'race/f', 'plain', 'plain'] : ['grep', 'race', '.']);
    open my $input, '>', '/tmp/input'; print {$input} map { pack 'N/a*', $_ } @{ $all[$n % @all] }; close $input;
    my $child = open(my $output, '-|') // die;
    if (!$child) { open STDERR, '>&', *STDOUT; @ARGV = '/tmp/input'; eval { $act->() }; print $@; exit }
    my $text = join '', <$output>;
    $ended{ $text =~ /SECRET|only/ ? 'beyond' : $text =~ /symbolic link/ ? 'refused' : 'done' }++;
}
print join(' ', map { "$_ " . ($ended{$_} // 0) } qw(beyond refused done)), "\\n";
`;

test('attack-32 while another program swaps links in and out, nothing is read or lands beyond one in two thousand tries', {
  timeout: 240_000,
}, async () => {
  await box.bash(
    'mkdir -p race/d beyond; echo plain > race/d/secret; echo plain > race/f; ln -s ../beyond race/l; echo SECRET > beyond/secret; : > beyond/only; chmod 640 beyond/*',
  );
  const state = 'cd beyond; find . -printf "%p %m %s %i %T@\\n"; cat secret';
  const before = (await box.bash(state)).text;
  const as = 'setpriv --reuid=agent --regid=agent --clear-groups';
  const told = await box.beside(
    'bash',
    '-c',
    `${as} python3 -c "$1" & ${as} perl -e "$2" 2000; kill $!`,
    'bash',
    racer,
    driver,
  );
  const [, beyond, refused, done] = /beyond (\d+) refused (\d+) done (\d+)/.exec(told) ?? [];
  assert.equal(beyond, '0', told);
  assert.ok(Number(refused) > 200 && Number(done) > 200, told);
  assert.equal((await box.bash(state)).text, before);
});
