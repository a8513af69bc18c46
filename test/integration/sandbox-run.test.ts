/** What a script is given and what comes back, in a real container. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { newId, type RunArgs, sha256 } from '../../ledger/src/action.ts';
import { resultOf } from '../../sandbox/src/result.ts';
import { bashScript, fileIn, ran, type Sandbox, startSandbox } from '../harness/sandbox.ts';
import { until } from '../harness/wait.ts';

let box: Sandbox;
before(async () => {
  box = await startSandbox();
});
after(() => box?.stop());

const file = <K extends keyof RunArgs>(kind: K, args: RunArgs[K], sent?: Uint8Array) =>
  fileIn(box, kind, args, sent);
const put = (path: string, bytes: Uint8Array) =>
  file('put_file', { path, sha256: sha256(bytes), size: bytes.length }, bytes);

test('the exit status is the one of the main process', async () => {
  for (const [script, how, number] of [
    ['true', 'exit', 0],
    ['exit 3', 'exit', 3],
    ['kill -TERM $$', 'signal', 15],
    ['kill -9 $$', 'signal', 9],
    ['(exit 9); exec sh -c "exit 7"', 'exit', 7],
    ['not-a-command', 'exit', 127],
  ] as const) {
    const result = await box.bash(script);
    assert.deepEqual({ how: result.how, number: result.number }, { how, number }, script);
  }
});

test('attack-39 output that looks like a status is output', async () => {
  const result = await box.bash('echo "exit 0 0"; echo succeeded; exit 4');
  assert.equal(result.text, 'exit 0 0\nsucceeded\n');
  assert.equal(result.number, 4);
});

test('both streams come in the order in which they were written', async () => {
  const result = await box.bash(
    'for i in 1 2 3; do echo o$i; echo e$i >&2; done; echo x >/dev/stdout; echo y >/dev/stderr',
  );
  assert.equal(result.text, 'o1\ne1\no2\ne2\no3\ne3\nx\ny\n');
});

test('20 MB of random bytes arrive unchanged', async () => {
  const script = 'head -c 20000000 /dev/urandom | tee /tmp/bytes; sha256sum /tmp/bytes | cut -c-64 > sum';
  const result = await box.bash(script);
  assert.equal(result.output.length, 20_000_000);
  const sum = (await box.bash('cat sum')).text.trim();
  assert.equal(result.sha256, sum);
  assert.equal(createHash('sha256').update(result.output).digest('hex'), sum);
});

test('output arrives while the script still runs', async () => {
  const chunks: Uint8Array[] = [];
  const running = box.tasks.run(
    box.name,
    newId(),
    bashScript('echo one; until [ -e go ]; do sleep 0.02; done; echo two'),
    (c) => chunks.push(c),
  );
  await until('the first chunk', () => Buffer.concat(chunks).toString() === 'one\n');
  await box.root('setpriv', '--reuid=agent', 'touch', '/workspace/go');
  assert.equal(ran(await running).text, 'one\ntwo\n');
});

test('a script finds its working directory, its variables and nothing of the container’s', async () => {
  await box.bash('mkdir -p "/workspace/a b/ü"');
  const result = await box.bash('pwd; echo "$MINE"; compgen -e | sort | tr "\\n" " "', {
    cwd: 'a b/ü',
    env: { MINE: '$(id) `id` "\'\n' },
  });
  const [cwd, ...rest] = result.text.split('\n');
  assert.equal(cwd, '/workspace/a b/ü');
  assert.equal(rest.slice(0, 2).join('\n'), '$(id) `id` "\'\n');
  assert.equal(rest.at(-1), 'HOME LANG LOGNAME MINE PATH PWD SHLVL TERM USER ');
});

test('a missing working directory is said and nothing runs', async () => {
  const result = await box.bash('touch /workspace/ran', { cwd: 'missing' });
  assert.equal(result.number, 126);
  assert.match(result.text, /cannot enter \/workspace\/missing: No such file or directory; nothing was run/);
  assert.equal((await box.bash('test -e ran')).number, 1);
});

test('files go between actions and tools are there', async () => {
  assert.equal((await box.bash('git init -q repo && cd repo && echo x > f && git add f')).number, 0);
  assert.equal((await box.bash('cd repo && git status --short')).text, 'A  f\n');
  assert.equal(
    (await box.bash('python3 -c "print(6*7)" && rg --version >/dev/null && make -v >/dev/null')).text,
    '42\n',
  );
  const exec = await box.bash('printf "#!/bin/sh\\necho ran\\n" > ~/tool; chmod +x ~/tool; ~/tool');
  assert.equal(exec.text, 'ran\n');
});

test('write_file, read_file and edit_file keep every byte of text and of path', async () => {
  const path = 'deep/dir/\'"$(x) \n ü -.txt';
  const content = 'one\r\n\u{feff}two\u{0}\u{1f98a}\nthree';
  assert.equal((await file('write_file', { path, content })).number, 0);
  assert.equal((await file('read_file', { path, offset: 0, limit: 0 })).text, content);
  assert.equal((await file('read_file', { path, offset: 1, limit: 1 })).text, '\u{feff}two\u{0}\u{1f98a}\n');
  assert.equal((await file('edit_file', { path, old: '\u{0}\u{1f98a}\n', new: '.*$1\n' })).number, 0);
  assert.equal(
    (await file('read_file', { path, offset: 0, limit: 0 })).text,
    'one\r\n\u{feff}two.*$1\nthree',
  );
});

test('write_file and edit_file keep the mode of a file, and leave nothing beside it', async () => {
  await box.bash('echo old > tool; chmod 755 tool');
  assert.equal((await file('write_file', { path: 'tool', content: 'new\n' })).number, 0);
  assert.equal((await file('edit_file', { path: 'tool', old: 'new', new: 'newer' })).number, 0);
  assert.equal(
    (await box.bash('cat tool; stat -c %a tool; ls -A | grep -c pocketcoder')).text,
    'newer\n755\n0\n',
  );
});

test('list gives a line for each name, whatever the name', async () => {
  await box.bash(
    'mkdir -p l/sub; printf 12345 > l/a; : > "l/b\\c  9 bytes"; ln -s /etc/passwd l/to; cd l && touch $\'new\\nline\'',
  );
  assert.equal(
    (await file('list', { path: 'l' })).text,
    'a  5 bytes\nb\\x5cc  9 bytes  0 bytes\nnew\\x0aline  0 bytes\nsub/\nto -> /etc/passwd\n',
  );
  assert.match((await file('list', { path: '.' })).text, /^l\/$/m);
  const missing = await file('list', { path: 'nowhere' });
  assert.equal(missing.number, 2);
  assert.match(missing.text, /cannot list \/workspace\/nowhere: No such file/);
  await box.bash('mkdir many; cd many; seq 1200 | xargs touch');
  assert.match((await file('list', { path: 'many' })).text, /\n\[200 more\]\n$/);
});

test('grep finds lines, is led by no option and no configuration in the tree, and says when nothing matches', async () => {
  await box.bash(
    'mkdir -p g/.git; cd g; printf "one\\ntwo -x\\n" > a; echo "two -x" > .git/config; echo b > .gitignore; echo two > b; seq 3000 > many; echo --hidden > .ripgreprc',
  );
  const found = async (pattern: string, path = 'g') => {
    const { text, number } = await file('grep', { pattern, path });
    return [text, number];
  };
  assert.deepEqual(await found('^two'), ['g/a:2:two -x\n', 0]);
  assert.deepEqual(await found('-x'), ['g/a:2:two -x\n', 0]);
  assert.deepEqual(await found('--pre=id'), ['no line matches\n', 0]);
  assert.deepEqual(await found('tw(o', 'g/a'), [
    (await file('grep', { pattern: 'tw(o', path: 'g/a' })).text,
    2,
  ]);
  assert.deepEqual(await found('e$', 'g/a'), ['g/a:1:one\n', 0]);
  assert.match(
    String((await found('.', 'g/many'))[0]),
    /^g\/many:1000:1000\n\[only the first 1000 lines\]\n$/m,
  );
  assert.equal((await found('x', 'nowhere'))[1], 2);
});

test('get_file gives every byte of a plain file, put_file adds one and replaces none', async () => {
  await box.bash('head -c 300000 /dev/urandom > bytes; mkfifo pipe; head -c 33554433 /dev/zero > large');
  const got = await file('get_file', { path: 'bytes' });
  assert.equal(got.sha256, (await box.bash('sha256sum bytes | cut -c-64')).text.trim());
  for (const [path, why] of [
    ['.', /it is a directory/],
    ['pipe', /no plain file/],
    ['large', /larger than 32 MiB/],
    ['nowhere', /No such file/],
  ] as const) {
    const result = await file('get_file', { path });
    assert.notEqual(result.number, 0, path);
    assert.match(result.text, why);
  }
  await box.bash('mkdir -p up; ln -s ../bytes up/link.txt; echo mine > up/a.tar.gz');
  assert.match(
    (await put('up/a.tar.gz', got.output)).text,
    /^wrote 300000 bytes to \/workspace\/up\/a\.tar-2\.gz\n$/,
  );
  assert.match((await put('up/link.txt', Buffer.from('x'))).text, /up\/link-2\.txt/);
  assert.match((await put('up/link.txt', Buffer.from(''))).text, /^wrote 0 bytes to .*link-3\.txt/);
  assert.match((await put('new/b', Buffer.from('\0ü'))).text, /new\/b\n/);
  const large = randomBytes(32 << 20);
  assert.match((await put('new/large', large)).text, /^wrote 33554432 bytes/);
  const sum = await box.bash('sha256sum new/large; rm new/large');
  assert.equal(sum.text, `${sha256(large)}  new/large\n`);
  assert.equal(
    (
      await box.bash(
        'cat up/a.tar.gz; cmp bytes up/a.tar-2.gz; cat up/link-2.txt; stat -c %s up/* new/b | tr "\\n" " "',
      )
    ).text,
    'mine\nx300000 5 1 0 8 3 ',
  );
});

test('put_file adds a file where its path says: in no directory that a link makes of it', async () => {
  const one = () => put('sent/in/b', Buffer.from('x'));
  await box.bash('mkdir -p elsewhere/in sent; ln -s ../elsewhere/in sent/in');
  for (const links of ['', 'rm -r sent; ln -s elsewhere sent']) {
    await box.bash(links);
    const refused = await one();
    assert.notEqual(refused.number, 0);
    assert.match(refused.text, /\/sent(\/in)? is a symbolic link to \S*elsewhere\S*, and none is followed/);
  }
  assert.equal((await box.bash('find elsewhere -type f; rm sent')).text, '');
  assert.equal((await one()).text, 'wrote 1 bytes to /workspace/sent/in/b\n');
});

test('edit_file changes nothing unless the old text is there exactly once', async () => {
  await file('write_file', { path: 'e', content: 'aXa aa' });
  for (const [old, why] of [
    ['b', /is not in/],
    ['aa', null],
    ['a', /is in \/workspace\/e 2 times, at lines 1, 1: give more/],
    ['', /is not in/],
  ] as const) {
    const result = await file('edit_file', { path: 'e', old, new: 'c' });
    if (why) assert.match(result.text, why);
    assert.equal(result.number === 0, why === null, old);
  }
  assert.equal((await file('read_file', { path: 'e', offset: 0, limit: 0 })).text, 'aXa c');
  // Overlapping occurrences are two.
  await file('write_file', { path: 'e', content: 'aaa' });
  assert.match((await file('edit_file', { path: 'e', old: 'aa', new: 'c' })).text, /2 times/);
  await file('write_file', { path: 'e', content: 'x\n'.repeat(12) });
  const often = await file('edit_file', { path: 'e', old: 'x', new: 'c' });
  assert.match(
    often.text,
    /is in \/workspace\/e 12 times, at lines 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and more: /,
  );
});

test('edit_file keeps the line ends of a file, and says where they are not all the same', async () => {
  const refused = /some of whose lines end with \\r\\n and some with \\n; nothing was changed/;
  for (const [content, old, to, after] of [
    ['a\r\nb\r\n', 'a\nb', 'c\nd\ne', 'c\r\nd\r\ne\r\n'],
    ['a\r\nb\r\n', 'a\r\nb', 'c\r\nd', 'c\r\nd\r\n'],
    ['a\r\nb\r\n', 'b', 'c\nd', 'a\r\nc\r\nd\r\n'],
    ['a\nb\n', 'a\nb', 'c\r\nd', 'c\r\nd\n'],
    ['a\r\nb\n', 'b\n', 'c\n', 'a\r\nc\n'],
    ['a\r\nb\n', 'a\nb', 'c', refused],
  ] as const) {
    await file('write_file', { path: 'ends', content });
    const { number, text } = await file('edit_file', { path: 'ends', old, new: to });
    assert.equal(number === 0, typeof after === 'string', text);
    if (typeof after !== 'string') assert.match(text, after);
    const now = await box.bash('od -An -c -v ends | tr -d " \\n"');
    const bytes = typeof after === 'string' ? after : content;
    assert.equal(now.text, bytes.replaceAll('\r', '\\r').replaceAll('\n', '\\n'));
  }
});

test('a file with a name of 250 bytes is written and edited, and nothing else is left beside it', async () => {
  const path = `long/${'n'.repeat(250)}`;
  assert.equal((await file('write_file', { path, content: 'one' })).number, 0);
  assert.equal((await file('edit_file', { path, old: 'one', new: 'two' })).number, 0);
  assert.equal((await box.bash('cat long/*; ls -A long | wc -l')).text, 'two1\n');
});

test('a file that cannot be read is an error with its reason', async () => {
  for (const [path, why] of [
    ['missing', /No such file/],
    ['.', /directory/],
  ] as const) {
    const result = await file('read_file', { path, offset: 0, limit: 0 });
    assert.notEqual(result.number, 0, path);
    assert.match(result.text, why);
  }
});

test('a time limit ends the script and says so; what it printed before is there', async () => {
  const result = await box.bash('echo before; trap "" TERM INT HUP; while :; do sleep 1; done', {
    timeout: 1,
  });
  assert.equal(result.how, 'timeout');
  assert.equal(result.text, 'before\n');
});

test('a stop ends the script, its twin without a stop ends by itself', async () => {
  const id = newId();
  let started = false;
  const running = box.tasks.run(box.name, id, bashScript('echo started; trap "" TERM; sleep 60'), () => {
    started = true;
  });
  await until('the first byte', () => started);
  await box.tasks.kill(box.name, id);
  assert.equal(ran(await running).how, 'stopped');
  assert.equal((await box.bash('echo started')).how, 'exit');
});

test('more than 1000 MiB of output end the script, and what it wrote by then is no more than the ledger takes', async () => {
  const outcome = await box.tasks.run(
    box.name,
    newId(),
    bashScript('cat /dev/zero', { timeout: 300 }),
    () => {},
  );
  assert.ok(outcome.end === 'done');
  const { status, output } = outcome;
  assert.deepEqual([status.how, status.size], ['flood', output.size]);
  assert.ok(output.size > 1000 << 20 && output.size < 1 << 30, String(output.size));
  assert.deepEqual(resultOf('d', outcome, { limits: box.place.limits, timeout: 300 }).body, {
    ...{ digest: 'd', exit: null, signal: 'SIGKILL', reason: 'its output was larger than 1000 MiB' },
    ...{ bytes: output.size, sha256: output.sha256 },
  });
});
