/** Code comes in, is worked on from its own room, and goes out, on a whole instance: what was planted in it is never run. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { readSource } from '../../console/code/workspace-source.ts';
import { withTree } from '../../console/code/workspace-tree.ts';
import { findEngine } from '../../console/engine/engine.ts';
import { ensureImage } from '../../console/engine/images.ts';
import { connectLedger, type Ledger } from '../../ledger/src/client.ts';
import { approve, askAndSee, endsWith, outputOf, sees } from '../harness/answers.ts';
import { type Instance, ledgerOf, type Ran, startInstance } from '../harness/instance.ts';
import { pairedPhone } from '../harness/paired.ts';
import { until } from '../harness/wait.ts';
import type { Phone } from '../phone/phone.ts';

const dir = mkdtempSync(join(tmpdir(), 'workspaces-'));
const repository = join(dir, 'shop');
let instance: Instance;
let ledger: Ledger;
let phone: Phone;

/** Runs a script on this machine, below `dir`, with a git that is nobody's. */
const sh = (script: string, cwd = dir): string =>
  execFileSync('bash', ['-euc', script], {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    env: {
      PATH: process.env['PATH'],
      HOME: dir,
      ...Object.fromEntries(
        ['AUTHOR', 'COMMITTER'].flatMap((who) => [
          [`GIT_${who}_NAME`, 'me'],
          [`GIT_${who}_EMAIL`, 'me@example.org'],
        ]),
      ),
    },
  }).trim();

before(async () => {
  mkdirSync(repository);
  // Line ends that an attribute would convert, a link, a program, a file that is named by .gitignore.
  sh(
    `git init -q -b trunk; printf 'one\\r\\ntwo\\n' > text; printf '*.log\\n' > .gitignore; echo log > kept.log
     echo '* text=auto eol=crlf' > .gitattributes; printf '#!/bin/sh\\necho "$((6 * 7)) in the shop"\\n' > run; chmod +x run
     mkdir folder; echo old > folder/file; ln -s folder/file link; git add -f -A; git commit -qm first
     echo more > folder/more; git add -A; git commit -qm second`,
    repository,
  );
  instance = await startInstance();
  const { address, home, owner } = instance;
  ledger = await ledgerOf(instance);
  phone = await pairedPhone({ address, home, ...owner });
  await sees(phone, 'Paired.');
});
after(async () => {
  await phone?.close();
  await instance?.destroy();
  rmSync(dir, { recursive: true, force: true });
});

const said = (ran: Ran, event: string): Record<string, unknown> => {
  assert.equal(ran.code, 0, ran.out + ran.err);
  return ran.events.find((one) => one['event'] === event) ?? assert.fail(`${event}: ${ran.out}`);
};
const workspace = (...words: string[]) => instance.run(['workspace', ...words, '--json']);
const bodies = async (kind: string) =>
  (await ledger.since(0)).flatMap((e) =>
    e.kind === kind ? [JSON.parse(e.body) as Record<string, unknown>] : [],
  );

/** The room of a workspace that was just added, once the phone is in it. */
async function roomOf(ran: Ran): Promise<string> {
  const { room } = said(ran, 'workspace');
  await phone.until('the invitation', (p) => p.rooms().includes(String(room)));
  // It refuses to send before it has seen that the room is encrypted.
  await until('words there', () => phone.say('!pending', String(room)));
  return String(room);
}
/** Asks for a script in a room, approves its card, and returns what it put out. */
async function runIn(room: string, script: string, ending = 'exit 0'): Promise<string> {
  const card = await askAndSee(phone, `!run ${script}`, room);
  assert.equal(card.room, room);
  await approve(phone, card);
  await endsWith(phone, card, ending, 40);
  return outputOf(phone, card);
}

let shop = '';
test('a repository comes in with its history; its room, files and processes are its own', async () => {
  const source = `file://${repository}`;
  shop = await roomOf(await workspace('add', 'shop', source));
  const [commit, tree] = sh('git rev-parse HEAD HEAD^{tree}', repository).split('\n');
  const [body] = await bodies('workspace.imported');
  const bytes = Number(
    sh(`git ls-tree -rl HEAD | grep -v ^120000 | awk '{ s += $4 } END { print s }'`, repository),
  );
  assert.deepEqual(body, { workspace: 'shop', form: 'git', source, commit, tree, files: 7, bytes });

  assert.equal(
    await runIn(
      shop,
      'git remote get-url origin; git remote get-url --push origin; git status --short; git log --format=%s; git branch --show-current; od -c text | head -1; ./run; cat link kept.log',
    ),
    `/base\n${source}\nsecond\nfirst\ntrunk\n0000000   o   n   e  \\n   t   w   o  \\n\n42 in the shop\nold\nlog`,
  );
  assert.equal(
    await runIn(instance.room, 'ls -A /workspace /base; echo mine > file; cat file'),
    '/base:\n\n/workspace:\nmine',
  );
  assert.equal(
    await runIn(shop, 'ls; git --git-dir=/base log --format=%s'),
    'folder\nkept.log\nlink\nrun\ntext\nsecond\nfirst',
  );

  const sleeping = await askAndSee(phone, '!run echo begun; sleep 613');
  await approve(phone, sleeping);
  await endsWith(phone, sleeping, '▶️ running since');
  assert.equal(await runIn(shop, 'pgrep -f "sleep 61[3]" || echo none'), 'none');
  await phone.say('!stop', shop);
  await sees(phone, 'Nothing was running or waiting.');
  const twin = await askAndSee(phone, '!run echo after');
  await approve(phone, twin);
  assert.equal((await bodies('stop')).length, 0, 'the other workspace runs on');
  await phone.say('!stop');
  await endsWith(phone, sleeping, '🛑 stopped by');
});

test('the same command again changes nothing; another source is refused', async () => {
  const again = said(await workspace('add', 'shop', `file://${repository}`), 'workspace');
  assert.deepEqual([again['room'], again['made']], [shop, false]);
  const other = await workspace('add', 'shop', dir);
  assert.equal(other.code, 1);
  assert.match(other.out, /There is a workspace shop already, from file:.*Nothing was changed/);
  assert.deepEqual((await bodies('workspace.imported')).length, 1);
  assert.deepEqual(
    (await bodies('workspace.created')).map((b) => b['workspace']),
    ['main', 'shop'],
  );
});

test('what is planted in a workspace is not run when it is exported; all three forms are its tree', async () => {
  // Each of these would end the git that runs it; which they do where the workspace's own settings count.
  const trap = `printf '#!/bin/sh\\ntouch /tmp/sprung\\nkill -9 $PPID\\n' > .git/trap; chmod +x .git/trap; T=/workspace/.git/trap`;
  const planted = `${trap}
    echo new > folder/file; git rm -q folder/more; printf 'a\\0b' > binary; ln -s ../../etc/passwd out; echo x > made.log
    printf '* filter=trap diff=trap\\n' > .gitattributes; mkdir .git/hooks; cp $T .git/hooks/post-index-change; cp $T .git/hooks/pre-commit
    git init -q nested; echo x > nested/x; git -C nested add x; git -C nested -c user.name=a -c user.email=b commit -qm x
    for r in . nested; do git -C $r config core.fsmonitor $T; git -C $r config filter.trap.clean $T; git -C $r config filter.trap.smudge $T
      git -C $r config filter.trap.required true; git -C $r config diff.trap.command $T; git -C $r config diff.trap.textconv $T
      git -C $r config diff.external $T; done; echo planted`;
  assert.equal(await runIn(shop, planted), 'planted');
  // The twin: here they are heeded.
  assert.match(
    await runIn(shop, 'git status; ls /tmp/sprung; rm /tmp/sprung; git -C nested status; ls /tmp/sprung'),
    /sprung[\s\S]*sprung/,
  );

  const trees: string[] = [];
  for (const out of ['shop.bundle', 'shop.patch', 'out']) {
    const exported = said(await workspace('export', 'shop', join(dir, out)), 'exported');
    trees.push(String(exported['tree']));
  }
  const clone = (name: string, then: string) =>
    sh(`git clone -q ${name === 'one' ? '-n' : ''} shop ${name}; cd ${name}; ${then}`);
  const fetched = clone(
    'one',
    'git fetch -q ../shop.bundle pocketcoder; git checkout -q FETCH_HEAD; git rev-parse HEAD^ HEAD^{tree}',
  );
  const applied = clone('two', 'git apply --index ../shop.patch; git write-tree');
  assert.deepEqual(fetched.split('\n'), [sh('git rev-parse HEAD', repository), trees[0]]);
  assert.deepEqual([applied, trees[1]], [trees[0], trees[0]]);
  assert.equal(
    sh('cat one/folder/file; od -An -c one/binary; ls one; readlink one/out'),
    `new\n   a  \\0   b\nbinary\nfolder\nkept.log\nlink\nout\nrun\ntext\n../../etc/passwd`,
  );
  // A link that leads out of it is no part of the directory.
  assert.equal(trees[2], trees[0]);
  assert.equal(
    sh('rm -r one/.git one/out; diff -r --no-dereference one out && ls -A out'),
    '.gitattributes\n.gitignore\nbinary\nfolder\nkept.log\nlink\nrun\ntext',
  );
  const entries = await bodies('workspace.exported');
  assert.deepEqual(
    entries.map(({ workspace: name, form, tree, files }) => [name, form, tree, files]),
    [
      ['shop', 'bundle', trees[0], 5],
      ['shop', 'patch', trees[0], 5],
      ['shop', 'directory', trees[0], 9],
    ],
  );
  assert.equal(entries[1]?.['bytes'], readFileSync(join(dir, 'shop.patch')).length);
  await sees(phone, 'Exported at the console as a bundle');
  const there = await workspace('export', 'shop', join(dir, 'out'));
  assert.match(there.out, /is there already. Nothing was exported/);
  assert.equal(there.code, 73);
});

test('a directory comes in as it is, without settings of git and what leads out of it', async () => {
  const source = join(dir, 'plain');
  const secret = join(dir, 'secret');
  writeFileSync(secret, 'of this machine');
  sh('mkdir -p plain/sub/.git; cd plain; git init -q; mkfifo pipe; echo text > sub/file; chmod 600 sub/file');
  for (const [target, name] of [
    [secret, 'out'],
    ['../secret', 'up'],
    ['sub/file', 'in'],
  ] as const)
    symlinkSync(target, join(source, name));
  const added = await workspace('add', 'plain', source);
  assert.deepEqual(said(added, 'left')['left'], ['out', 'pipe', 'up']);
  const room = await roomOf(added);
  assert.equal(
    await runIn(room, 'find . -mindepth 1 | sort; cat in; git --git-dir=/base log --format=%s', 'exit 0'),
    './in\n./sub\n./sub/file\ntext\nimported',
  );
  const unchanged = await workspace('export', 'plain', join(dir, 'plain.patch'));
  assert.equal(said(unchanged, 'unchanged')['workspace'], 'plain');
  assert.ok(!existsSync(join(dir, 'plain.patch')));
  await runIn(room, 'echo more > sub/more');
  said(await workspace('export', 'plain', join(dir, 'plain.bundle')), 'exported');
  assert.equal(
    sh('git clone -q -b pocketcoder plain.bundle three; cd three; git log --format=%s; cat sub/more'),
    'As it is in the workspace\nimported\nmore',
  );

  for (const [words, why] of [
    [['add', 'home', instance.home], /holds the secrets of this instance/],
    [['add', 'home', join(instance.home, '..')], /holds the secrets of this instance/],
    [['add', 'none', join(dir, 'none')], /is no directory, and/],
    [['add', 'none', 'ext::sh -c id'], /is no address of a repository/],
    [['add', 'none', `file://${dir}/none`], /was not brought in, and no workspace was made/],
    [['add', 'No'], /A name has small letters/],
    [['export', 'none', join(dir, 'none')], /There is no workspace none/],
  ] as const) {
    const ran = await workspace(...words);
    assert.notEqual(ran.code, 0, words.join(' '));
    assert.match(ran.out, why);
  }
  const all = said(await workspace('list'), 'workspaces')['workspaces'] as { name: string }[];
  assert.deepEqual(
    all.map(({ name }) => name),
    ['main', 'shop', 'plain'],
  );
  assert.deepEqual(
    readdirSync(dir).filter((name) => name.includes('.bundle.') || name.startsWith('none')),
    [],
  );
});

test('what was cut off is gone on with: half an import is no part of what comes, a whole one does not come again', async () => {
  const { docker } = findEngine();
  const image = await ensureImage('task');
  const where = { docker, project: instance.project, image, workspace: 'half' };
  const cut = withTree(where, ['import', 'directory'], async (box) => {
    await readSource({ form: 'directory', from: join(dir, 'plain'), name: 'plain' }, box.put);
    throw new Error('cut off');
  });
  await assert.rejects(cut, /cut off/);
  const half = await roomOf(await workspace('add', 'half'));
  assert.equal(await runIn(half, 'ls -A /workspace /base'), '/base:\n\n/workspace:');

  const [{ workspace: _, ...came } = {}] = (await bodies('workspace.imported')).slice(-1);
  const { operator: password } = instance.secrets.passwords.ledger;
  const operator = await connectLedger({ url: instance.ledgerUrl, identity: 'operator', password });
  await operator.append({ kind: 'workspace.imported', body: { workspace: 'whole', ...came } });
  const whole = await workspace('add', 'whole', join(dir, 'plain'));
  assert.equal(said(whole, 'workspace')['made'], true);
  assert.ok(!whole.events.some((e) => e['phase'] === 'import'));
  assert.equal((await bodies('workspace.imported')).filter((b) => b['workspace'] === 'whole').length, 1);
});

test('the ledger tells the same story: it audits clean', async () => {
  assert.equal((await instance.run(['audit'])).code, 0);
});
