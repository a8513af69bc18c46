/** What comes into a workspace by which name, and what an export may write on this machine. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { after, test } from 'node:test';
import { extract, type Headers, pack } from 'tar-stream';
import { writeResult } from '../../console/code/workspace-result.ts';
import { readSource, sourceOf } from '../../console/code/workspace-source.ts';

const dir = mkdtempSync(join(tmpdir(), 'workspace-unit-'));
const home = join(dir, 'home');
mkdirSync(join(home, 'below'), { recursive: true });
mkdirSync(join(dir, 'homely'));
after(() => rmSync(dir, { recursive: true, force: true }));

for (const [named, form, name] of [
  ['https://me:secret@host/shop.git?token=secret#secret', 'git', 'https://host/shop.git'],
  ['ssh://git@host:22/shop', 'git', 'ssh://host:22/shop'],
  ['git@host:me/shop.git', 'git', 'git@host:me/shop.git'],
  ['work:me/shop.git', 'git', 'work:me/shop.git'],
  ['work:shop.git', 'git', 'work:shop.git'],
  ['file:///srv/shop', 'git', 'file:///srv/shop'],
  [join(dir, 'homely'), 'directory', join(dir, 'homely')],
] as const)
  test(`${form}: ${named} is told as ${name}`, () => {
    assert.deepEqual(sourceOf(named, home), { form, from: named, name });
  });

for (const named of [dir, home, join(home, 'below')])
  test(`${named.slice(dir.length) || 'what is above'}: a directory with the secrets never comes in`, () => {
    assert.throws(() => sourceOf(named, home), /holds the secrets/);
  });

for (const named of [
  '',
  'ext::sh -c id',
  'fd::7',
  '--upload-pack=id',
  '-x@host:shop',
  'git@host:-x',
  'ftp://host/x',
  'javascript:1',
  'ext::a/b.git',
  'work:-x/y',
  'work:me/a b',
  'ftp:a b/c',
  'gopher://host/x.git',
])
  test(`${JSON.stringify(named)} is neither directory nor repository`, () => {
    assert.throws(() => sourceOf(named, home), /is no directory, and .* is no address/);
  });

test('a repository that is not to be had: its credentials are not in the words about it', async () => {
  const source = sourceOf('https://me:hush@127.0.0.1:1/shop', home);
  const put = () => assert.fail('nothing came');
  await assert.rejects(readSource(source, put), (error: Error) => {
    assert.match(
      error.message,
      /git .*failed[\s\S]*https:\/\/127.0.0.1:1\/shop[\s\S]*Nothing was brought in/,
    );
    return !error.message.includes('hush');
  });
});

test('what changes, goes or becomes a pipe while a directory is read comes as it is then, or is left out and named', async () => {
  const from = mkdtempSync(join(dir, 'changing-'));
  const at = (name: string) => join(from, name);
  mkdirSync(at('gone'));
  writeFileSync(at('a-first'), 'x'.repeat(2 ** 20));
  for (const name of ['gone/x', 'less', 'more', 'pipe', 'removed']) writeFileSync(at(name), 'content');
  writeFileSync(at('empty'), '');
  symlinkSync(Buffer.from([0x61, 0xff]), at('to-no-utf-8'));
  writeFileSync(Buffer.concat([Buffer.from(`${from}/z`), Buffer.from([0xff])]), '');
  const came: Record<string, string> = {};
  const left = await readSource({ form: 'directory', from, name: from }, async (_path, tar) => {
    for await (const entry of tar.pipe(extract())) {
      // The rest of the first file holds up what comes after it: nothing of that was looked at yet.
      if (entry.header.name === 'a-first') {
        rmSync(at('gone'), { recursive: true });
        for (const name of ['removed', 'pipe']) rmSync(at(name));
        execFileSync('mkfifo', [at('pipe')]);
        writeFileSync(at('less'), 'c');
        writeFileSync(at('more'), 'content and more');
      }
      const bytes = await text(entry);
      if (entry.header.name !== 'a-first') came[entry.header.name] = bytes;
    }
  });
  assert.deepEqual(came, { empty: '', less: 'c', more: 'content and more' });
  assert.deepEqual(left, ['gone', 'pipe', 'removed', 'to-no-utf-8', 'z\ufffd']);
});

test('a file too large to be held that shrinks while it is read: nothing comes, and the words say which', async () => {
  const from = mkdtempSync(join(dir, 'shrinking-'));
  writeFileSync(join(from, 'large'), Buffer.alloc(17 * 2 ** 20));
  const read = readSource({ form: 'directory', from, name: from }, async (_path, tar) => {
    for await (const bytes of tar) if (bytes) truncateSync(join(from, 'large'), 1);
  });
  await assert.rejects(
    read,
    /^Error: large changed while it was read. Nothing was brought in, .*: say it again/,
  );
});

/** Writes a tar of these into a fresh place. */
async function write(
  ...entries: [Headers, string?][]
): Promise<{ into: string; left: string[]; bytes: number }> {
  const tar = pack();
  for (const [header, content = ''] of entries) tar.entry(header, content);
  tar.finalize();
  const into = join(mkdtempSync(join(dir, 'out-')), 'result');
  return { into, ...(await writeResult(tar, into)) };
}
const folder = (name: string): [Headers] => [{ name: `result/${name}`, type: 'directory' }];
const link = (name: string, linkname: string): [Headers] => [
  { name: `result/${name}`, type: 'symlink', linkname },
];
const file = (name: string, mode = 0o644): [Headers, string] => [{ name: `result/${name}`, mode }, 'content'];

test('a file is written as a file, a directory with its modes and the links that stay inside', async () => {
  const one = await write([{ name: 'result' }, 'bundle']);
  assert.deepEqual([readFileSync(one.into, 'utf8'), one.bytes], ['bundle', 6]);
  const { into, bytes, left } = await write(
    ...[folder(''), folder('a/'), folder('a/b/'), file('a/b/run', 0o4755), file('text', 0o600)],
    ...[link('a/b/up', '../../text'), link('a/here', '.'), link('dangling', 'nowhere')],
  );
  assert.deepEqual([bytes, left], [14, []]);
  assert.deepEqual(
    ['a/b/run', 'text'].map((name) => lstatSync(join(into, name)).mode & 0o7777),
    [0o755, 0o644].map((mode) => mode & ~process.umask()),
  );
  assert.equal(readFileSync(join(into, 'a/b/up'), 'utf8'), 'content');
  assert.deepEqual(
    ['a/here', 'dangling'].map((name) => readlinkSync(join(into, name))),
    ['.', 'nowhere'],
  );
});

test('a link that leads out of it is left out, also by way of another one', async () => {
  const bad = {
    absolute: '/etc',
    up: '..',
    'a/up': '../..',
    around: 'a/../..',
    through: 'here/..',
    many: 'x/../y',
  };
  const links = Object.entries(bad).map(([name, target]) => link(name, target));
  const { into, left } = await write(folder(''), folder('a/'), link('here', '.'), ...links);
  assert.deepEqual(left, Object.keys(bad));
  for (const name of left) assert.throws(() => lstatSync(join(into, name)));
});

for (const [name, ...entries] of [
  ['out of it', folder(''), file('../evil')],
  ['an absolute path', folder(''), [{ name: '/evil' }, 'x']],
  ['a path through a link', folder(''), link('here', '.'), file('here/evil')],
  ['over a link', folder(''), link('evil', 'elsewhere'), file('evil')],
  ['over a file', folder(''), file('evil'), file('evil')],
  ['settings of git', folder(''), folder('.git/'), file('.git/config')],
  ['settings of git in capitals', folder(''), file('.GIT')],
  ['a link as the whole', [{ name: 'result', type: 'symlink', linkname: '/etc/passwd' }]],
  ['a hard link', folder(''), [{ name: 'result/evil', type: 'link', linkname: '/etc/passwd' }]],
  ['another name', [{ name: 'evil' }, 'x']],
] as unknown as [string, ...[Headers, string?][]][])
  test(`${name}: refused`, async () => {
    await assert.rejects(write(...entries), /can't be written safely|is a |EEXIST/);
    assert.ok(!existsSync(join(dir, 'evil')) && !existsSync('/evil'));
  });

/** A repository of its own, made by these words of git's; what came of it is the HEAD that goes along. */
async function headOf(...words: string[][]): Promise<string> {
  const repository = mkdtempSync(join(dir, 'repository-'));
  const git = (args: string[]) =>
    execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=b', ...args], {
      cwd: repository,
      stdio: 'pipe',
    });
  git(['init', '-q', '-b', 'trunk']);
  for (const one of words) git(one);
  const found = extract();
  let head = '';
  found.on('entry', (entry: Headers, stream, next) => {
    void text(stream).then((bytes) => {
      if (entry.name === 'HEAD') head = bytes;
      next();
    });
  });
  await readSource(
    sourceOf(`file://${repository}`, home),
    async (_, tar) => void (await pipeline(tar, found)),
  );
  return head.trim();
}
const commit = ['commit', '-q', '--allow-empty', '-m', 'first'];
const nowhere = ['symbolic-ref', 'HEAD', 'refs/heads/nowhere'];

test('a HEAD that names a branch comes in as it is', async () => {
  assert.equal(await headOf(commit, ['branch', 'main']), 'ref: refs/heads/trunk');
});
test('where the HEAD names none, the only branch is taken', async () => {
  assert.equal(await headOf(commit, nowhere), 'ref: refs/heads/trunk');
});
test('where the HEAD names none of several, main is taken', async () => {
  assert.equal(await headOf(commit, ['branch', 'main'], nowhere), 'ref: refs/heads/main');
});
test('where the HEAD names none and no name is the usual one, the repository is refused in words', async () => {
  await assert.rejects(headOf(commit, ['branch', 'other'], nowhere), /HEAD that names no branch of it/);
});
test('an empty repository is refused in words', async () => {
  await assert.rejects(headOf(), /has no commit\. Nothing was brought in/);
});
