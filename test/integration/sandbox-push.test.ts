/** Pushes by real executors, containers, proxies and git, to a repository behind TLS and a login: exactly what the card said, or nothing. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pino } from 'pino';
import type { Page } from '../../bot/src/approval/view.ts';
import type { Whole } from '../../bot/src/room/output.ts';
import { createPush } from '../../bot/src/room/push.ts';
import { defaultPolicy } from '../../ledger/rules/policy.cjs';
import { type Action, type Args, type Asked, digestOf, makeAction } from '../../ledger/src/action.ts';
import { type Executor, startExecutor } from '../../sandbox/src/executor.ts';
import { makeTasks } from '../../sandbox/src/tasks.ts';
import { makeRepositories } from '../harness/git-backend.ts';
import { startLedger, type TestLedger } from '../harness/ledger.ts';
import { type Origin, startOrigin } from '../harness/origin.ts';
import { type Sandbox, startSandbox } from '../harness/sandbox.ts';
import { until } from '../harness/wait.ts';

const host = 'origin.test';
const value = 'a value that nobody sees';
const basic = `Basic ${Buffer.from(`x-access-token:${value}`).toString('base64')}`;
const repositories = makeRepositories('mine.git', 'other.git');
const at = (...words: string[]) =>
  execFileSync('git', ['-C', join(repositories.root, 'mine.git'), ...words], { encoding: 'utf8' }).trim();

let box: Sandbox;
let origin: Origin;
let server: TestLedger;
let executor: Executor;
let bot: Awaited<ReturnType<TestLedger['connect']>>;
let dir: string;
const keys = { user: '@owner:test', master: 'm', device: 'D', ed25519: 'e', curve25519: 'c' };

before(async () => {
  box = await startSandbox();
  origin = await startOrigin(box.docker, box.place.project, (req, res, body) => {
    if (req.url?.startsWith('/slow.git/')) return; // it never answers
    if (req.headers.authorization === basic) return repositories.serve(req, res, body);
    res.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
  });
  dir = mkdtempSync(join(tmpdir(), 'push-'));
  writeFileSync(join(dir, 'secrets.json'), JSON.stringify({ MINE: { host, user: 'x-access-token', value } }));
  server = await startLedger();
  bot = await server.connect('bot');
  await (await server.connect('operator')).append({ kind: 'identity.enrolled', body: keys });
  await start();
  await runs(
    'git init -q -b main . && echo 1 > a && git add a && git commit -qm "First" && echo 2 > a && git commit -qam "Second \u202e one"',
  );
});
after(async () => {
  await executor?.stop();
  await server?.stop();
  await origin?.stop();
  await box?.stop();
  repositories.remove();
  rmSync(dir, { recursive: true });
});

async function start(): Promise<void> {
  const secrets = join(dir, 'secrets.json');
  const tasks = makeTasks(origin.docker, { ...box.place, egress: { ...origin.egress, secrets } });
  const log = pino({ level: process.env['LOG'] ?? 'silent' });
  executor = startExecutor({ ledger: await server.connect('executor'), tasks, name: 'one', log });
  await executor.ready;
}
async function asks<K extends 'bash' | 'push_look' | 'push' | 'pull'>(
  kind: K,
  args: Args[K],
): Promise<Action> {
  const asked = { kind, args, ...box.name, requester: keys.user } as Asked;
  const action = makeAction(asked, defaultPolicy, 'signed');
  const put = (entry: string, body: object) => bot.append({ kind: entry, action: action.id, body });
  await put('requested', action);
  await put('posted', { digest: digestOf(action), room: '!r', event: '$e', form: 'poll' });
  return action;
}
async function approve(action: Action): Promise<void> {
  const evidence = { user: keys.user, device: keys.device, event: `$${action.id}`, form: 'poll' };
  const body = { digest: digestOf(action), grade: 'signed', evidence };
  await bot.append({ kind: 'approved', action: action.id, body });
}
async function ended(
  action: Action,
): Promise<{ kind: string; output: string; reason?: string; up?: number }> {
  const ends = ['succeeded', 'failed', 'killed', 'unknown'];
  const end = await until(
    `the end of ${action.kind}`,
    async () => (await bot.story(action.id)).find(({ kind }) => ends.includes(kind)),
    { seconds: 60 },
  );
  return { kind: end.kind, ...JSON.parse(end.body) };
}
async function approved(action: Action): ReturnType<typeof ended> {
  await approve(action);
  return ended(action);
}
async function runs(script: string): Promise<string> {
  const { kind, output } = await approved(await asks('bash', { script, cwd: '.', env: {}, timeout: 60 }));
  assert.equal(kind, 'succeeded', output);
  return output.trim();
}
const look = async (branch = '') => approved(await asks('push_look', { branch }));
/** What `!push` would ask for after this look. */
function pushOf(output: string, over: Partial<Args['push']> = {}): Promise<Action> {
  const [branch = '', commit = '', ...commits] = output.split('\n');
  return asks('push', {
    host,
    path: '/mine.git',
    secret: 'MINE',
    branch,
    commit,
    commits: commits.join('\n'),
    ...over,
  });
}
const containers = async () =>
  (await box.docker.listContainers({ filters: { label: [`org.pocketcoder=${box.place.project}`] } })).length;

test('a look shows what a push would bring, by its commit; the push brings exactly that, with the identity of the settings', async () => {
  const { kind, output } = await look();
  assert.equal(kind, 'succeeded', output);
  assert.match(
    output,
    /^main\n[0-9a-f]{40}\ncommits since the import: 2\n[0-9a-f]{7} Second .*one\n[0-9a-f]{7} First\n [\s\S]* files? changed, .*\n$/,
  );
  const before = await containers();
  const pushed = await approved(await pushOf(output));
  assert.equal(pushed.kind, 'succeeded', pushed.output);
  assert.match(pushed.output, /\[new branch\] +[0-9a-f]+ -> main/);
  assert.equal(at('rev-parse', 'main'), output.split('\n')[1]);
  assert.ok((pushed.up ?? 0) > 200);
  const { name, email } = box.place.git;
  assert.equal(at('log', '-1', '--format=%an %ae', 'main'), `${name} ${email}`);
  // Nothing of it stands, and nothing of the task's container was shown the way.
  assert.equal(await containers(), before);
  assert.equal(await runs('printenv HTTPS_PROXY || echo none'), 'none');
});

test('attack-60 a branch that moved between the card and its yes: what the card said is pushed; the twin, asked anew, brings the rest', async () => {
  await runs('git branch moved');
  const { output } = await look('moved');
  const action = await pushOf(output);
  await runs('echo 3 > a && git commit -qam "Not on the card" && git branch -f moved');
  assert.equal((await approved(action)).kind, 'succeeded');
  assert.equal(at('rev-parse', 'moved'), output.split('\n')[1]);
  assert.equal((await approved(await pushOf((await look('moved')).output))).kind, 'succeeded');
  assert.match(at('log', '-1', '--format=%s', 'moved'), /Not on the card/);
});

test('attack-60 a card counts what comes on top of the last push of its branch, which no reference of the agent’s decides; the twin, a branch that was never pushed, from the import on', async () => {
  await runs('echo pushed > a && git commit -qam "Pushed"');
  assert.equal((await approved(await pushOf((await look('main')).output))).kind, 'succeeded');
  await runs(
    'echo 4 > a && git commit -qam "On top" && git update-ref refs/remotes/origin/main HEAD && git update-ref refs/remotes/origin/never HEAD && git branch -f never',
  );
  const subjects = async (branch: string) => (await look(branch)).output.split('\n').slice(2);
  const [count, ...top] = await subjects('main');
  const told = top.filter((line) => /^[0-9a-f]{7} /.test(line)).map((line) => line.slice(8));
  assert.deepEqual([count, told], ['commits since its last push or pull: 1', ['On top']]);
  assert.equal((await subjects('never'))[0], 'commits since the import: 5');
});

test('attack-60 a card that does not tell the truth of its commit pushes nothing, nor what would rewrite a branch; the twin is pushed', async () => {
  await runs('git branch lie');
  const { output } = await look('lie');
  const moved = at('rev-parse', 'moved');
  const [, , ...rest] = output.split('\n');
  const commits = rest.join('\n');
  const first = await runs('git rev-parse HEAD~1');
  const shown = 'the commits are not what the card showed; nothing was pushed\n';
  for (const [over, why] of [
    [{ commit: first }, shown],
    [{ commits: commits.replace('Not on the card', 'A small thing') }, shown],
    [{ commit: 'ab'.repeat(20) }, 'its commits cannot all be read\n'],
  ] as const) {
    const { kind, output: said } = await approved(await pushOf(output, over));
    assert.deepEqual([kind, said], ['failed', why]);
  }
  await runs(
    'git checkout -qb other HEAD~3 && echo x > b && git add b && git commit -qm "Beside it" && git branch -f moved',
  );
  const beside = (await look()).output;
  const forced = await approved(await pushOf((await look('moved')).output));
  assert.deepEqual([forced.kind, /rejected/.test(forced.output)], ['failed', true], forced.output);
  assert.deepEqual([at('rev-parse', 'moved'), at('branch', '--list', 'lie')], [moved, '']);
  const twin = await approved(await pushOf(beside));
  assert.deepEqual([twin.kind, at('log', '-1', '--format=%s', 'other')], ['succeeded', 'Beside it']);
});

test('attack-60 neither hooks, settings nor other references of the agent’s run or change what is shown and pushed; the twin, its commit, is', async () => {
  await runs(
    `git checkout -q main && git commit -q --allow-empty -m "Shown as it is" && printf '#!/bin/sh\necho ran >> /workspace/ran\n' > .git/hooks/pre-push &&
      cp .git/hooks/pre-push .git/hooks/reference-transaction && chmod 755 .git/hooks/* &&
      git config core.sshCommand 'touch /workspace/ran' && git config credential.helper '!touch /workspace/ran' && git config core.fsmonitor /workspace/.git/hooks/pre-push &&
      git config url.https://${host}/other.git.pushInsteadOf https://${host}/mine.git && git config remote.pushDefault elsewhere &&
      rm -f ran && git replace HEAD "$(git commit-tree -m 'Looks harmless' 'HEAD^{tree}')" && rm -f ran`,
  );
  const { output } = await look();
  assert.match(output, /Shown as it is/);
  origin.seen.length = 0;
  const { kind, output: said } = await approved(await pushOf(output));
  assert.equal(kind, 'succeeded', said);
  assert.equal(await runs('cat ran 2> /dev/null || echo none'), 'none');
  assert.equal(at('--no-replace-objects', 'log', '-1', '--format=%s', 'main'), 'Shown as it is');
  assert.ok(origin.seen.every((one) => !one.includes('other.git')));
});

test('attack-60 a commit that passes for another in the agent’s own repository is not shown and not pushed; the twin, itself again, is', async () => {
  await runs(
    `git commit -q --allow-empty -m "Steal all" && git branch evil && at=.git/objects/$(git rev-parse evil | sed 's|..|&/|') &&
      good=$(git commit-tree -p HEAD~1 -m "Mend it" 'HEAD^{tree}') && cp $at kept && chmod u+w $at && cp .git/objects/$(echo $good | sed 's|..|&/|') $at && git log -1 --format=%s evil`,
  );
  const { kind, output } = await look('evil');
  assert.deepEqual([kind, output], ['failed', 'its commits cannot all be read\n']);
  await runs(`cp kept .git/objects/$(git rev-parse evil | sed 's|..|&/|') && rm kept`);
  const again = await look('evil');
  assert.match(again.output, /Steal all/);
  assert.equal((await approved(await pushOf(again.output))).kind, 'succeeded');
});

test('attack-60 what runs in the task has nothing of a push’s way; the twin, the push, has it', async () => {
  await runs('git branch spied');
  const spy = asks('bash', {
    ...{ cwd: '.', env: {}, timeout: 60 },
    script:
      'touch spying; while [ -e spying ]; do tail -n +2 /proc/net/tcp; ls /run/egress.pem; sleep 0.05; done 2> /dev/null | sort | uniq -c; ls -A /proc/1/root 2> /dev/null | head -1',
  });
  const action = await spy;
  const over = approved(action);
  await until('it looks', async () => (await bot.story(action.id)).some((e) => e.kind === 'running'));
  const { output } = await look('spied');
  assert.equal((await approved(await pushOf(output))).kind, 'succeeded');
  await box.beside('rm', '-f', '/workspace/spying');
  assert.deepEqual(await over.then(({ kind, output: seen }) => [kind, seen]), ['succeeded', '']);
});

test('a look says what there is not: a branch, a commit, a name; a push without its secret’s host says why', async () => {
  for (const [branch, words] of [
    ['none', /there is no commit on a branch none/],
    ['a..b', /no name of a branch/],
    ['../../config', /no name of a branch/],
  ] as const) {
    const { kind, output } = await look(branch);
    assert.deepEqual([kind, words.test(output)], ['failed', true], output);
  }
  await runs('git branch fresh');
  const { output } = await look('fresh');
  const without = await approved(await pushOf(output, { secret: 'NONE' }));
  assert.deepEqual(
    [without.kind, /NONE is not there; nothing was opened/.test(without.output)],
    ['failed', true],
  );
  const elsewhere = await approved(await pushOf(output, { path: '/none.git' }));
  assert.deepEqual(
    [elsewhere.kind, /answered 404 to the secret MINE/.test(elsewhere.output)],
    ['failed', true],
    elsewhere.output,
  );
  await runs('git checkout -q --detach');
  assert.match((await look()).output, /no branch is checked out/);
});

test('a push that is stopped, or whose executor is restarted, ends, and leaves no way and no container', async () => {
  await runs('git checkout -qf main');
  const { output } = await look('fresh');
  const before = await containers();
  const slow = await pushOf(output, { path: '/slow.git' });
  await approve(slow);
  await until('it is asked', () => origin.seen.some((one) => one.includes('/slow.git/')));
  await bot.append({ kind: 'stop', action: slow.id, body: { by: keys.user } });
  const { kind, reason } = await ended(slow);
  assert.deepEqual([kind, reason], ['killed', 'stopped']);
  assert.equal(await containers(), before);
  await executor.stop();
  // As an executor leaves it that dies with a push in hand.
  const cut = await pushOf(output, { branch: 'cut' });
  await approve(cut);
  const body = { digest: digestOf(cut), executor: 'one' };
  await (await server.connect('executor')).append({ kind: 'claimed', action: cut.id, body });
  await start();
  const end = await ended(cut);
  assert.deepEqual(
    [end.kind, /restarted meanwhile: look at the repository/.test(end.reason ?? '')],
    ['unknown', true],
  );
  assert.equal(at('branch', '--list', 'cut'), '');
});

const ann = () => join(dir, 'ann');
const anns = (...words: string[]) =>
  execFileSync('git', ['-C', ann(), '-c', 'user.name=Ann', '-c', 'user.email=a@b', ...words], {
    encoding: 'utf8',
  }).trim();
/** Ann writes a file, and pushes it. @returns her commit */
function annPushes(name: string, text: string, subject: string): string {
  writeFileSync(join(ann(), name), text);
  anns('add', name);
  anns('commit', '-qm', subject);
  anns('push', '-q');
  return anns('rev-parse', 'HEAD');
}
/** She has what was pushed. */
function annFollows(): void {
  if (existsSync(ann())) anns('pull', '-q');
  else execFileSync('git', ['clone', '-q', '-b', 'main', join(repositories.root, 'mine.git'), ann()]);
}
/** Nothing is left of what tests before planted in the agent's repository. */
const clean = () =>
  runs(
    'git checkout -qf main && git reset -q --hard; (git replace -d $(git replace); rm -f .git/hooks/*; git config --remove-section core; git config core.bare false) > /dev/null 2>&1',
  );
const pull = async (branch = '') =>
  approved(await asks('pull', { host, path: '/mine.git', secret: 'MINE', branch }));
/** The card that follows what a pull fetched. */
async function mergeOf(output: string): Promise<Action> {
  const asked: Asked[] = [];
  const follows = createPush({
    desk: {
      async ask(what) {
        asked.push(what);
        return { action: what.kind, number: 1 };
      },
    },
    book: { page: () => undefined },
    repository: () => assert.fail(),
    say: async (_, text) => assert.fail(text),
  });
  const first = Buffer.from(output);
  const page = { action: { id: 'x', kind: 'pull', args: {}, ...box.name, requester: keys.user } };
  await follows(page as unknown as Page, { state: 'succeeded', size: first.length, first } as Whole);
  const [one] = asked;
  return asks('bash', one?.kind === 'bash' ? one.args : assert.fail());
}

test('a pull fetches what others pushed and shows what it would bring; nothing is merged by it, and then exactly that is', async () => {
  await clean();
  assert.equal((await approved(await pushOf((await look()).output))).kind, 'succeeded');
  annFollows();
  const none = await pull();
  assert.deepEqual([none.kind, none.output], ['failed', 'it has no commits that main lacks\n']);

  const theirs = annPushes('hats', 'ten\n', 'Count the hats');
  const before = await runs('git rev-parse HEAD');
  const { kind, output } = await pull();
  assert.equal(kind, 'succeeded', output);
  const brings = `commits that main lacks: 1\n${theirs.slice(0, 7)} Count the hats\n hats | 1 +\n 1 file changed, 1 insertion(+)\n`;
  assert.equal(output, `main\n${theirs}\ninto ${before}\n${brings}`);
  assert.equal(await runs('git rev-parse HEAD; ls hats 2> /dev/null || echo none'), `${before}\nnone`);
  const merged = await approved(await mergeOf(output));
  assert.equal(merged.kind, 'succeeded', merged.output);
  assert.equal(await runs('cat hats; git rev-parse HEAD; git status --porcelain -uno'), `ten\n${theirs}`);

  const clash = annPushes('hats', 'twelve\n', 'Two more');
  await runs('echo eleven > hats && git commit -qam "One more"');
  const both = await pull('main');
  assert.match(both.output, /both changed, to be put together by hand:\nhats\n$/, both.output);
  const merging = await approved(await mergeOf(both.output));
  assert.deepEqual([merging.kind, /CONFLICT .*hats/.test(merging.output)], ['failed', true]);
  assert.equal(await runs('git rev-parse MERGE_HEAD; git status --porcelain -uno'), `${clash}\nUU hats`);
  const twice = await approved(await mergeOf(both.output));
  assert.equal(twice.output, 'another merge is under way; nothing was merged\n');
  await runs('echo twelve > hats && git commit -qam "Together" && ! git rev-parse -q --verify MERGE_HEAD');
  const late = await approved(await mergeOf(both.output));
  assert.equal(late.output, 'main is not where it was when the card was made; nothing was merged\n');
  const elsewhere = await pull('nowhere');
  assert.deepEqual(
    [elsewhere.kind, /couldn't find remote ref/.test(elsewhere.output)],
    ['failed', true],
    elsewhere.output,
  );
});

test('attack-63 neither settings, attributes nor hooks of the agent’s run in a merge or change what it makes; the twin, without any, makes the same', async () => {
  const lines = (first: string, last: string) => `${first}\n2\n3\n4\n5\n6\n7\n8\n${last}\n`;
  const write = (text: string, subject: string) =>
    runs(`printf %s '${text}' > song && git add song && git commit -qm '${subject}'`);
  await clean();
  await write(lines('1', '9'), 'A song');
  assert.equal((await approved(await pushOf((await look()).output))).kind, 'succeeded');
  annFollows();
  const theirs = annPushes('song', lines('one', '9'), 'Its beginning');
  await write(lines('1', 'nine'), 'Its end');
  const own = await runs(
    'git rev-parse HEAD; printf "song merge=union filter=mine\n" > .git/info/attributes',
  );
  const { output } = await pull();

  const twin = await approved(await mergeOf(output));
  assert.equal(twin.kind, 'succeeded', twin.output);
  const made = 'git show HEAD:song; cat song; git rev-parse HEAD^1 HEAD^2; git log -1 --format="%an %ae"';
  const { name, email } = box.place.git;
  const song = lines('one', 'nine');
  assert.equal(await runs(made), `${song}${song}${own}\n${theirs}\n${name} ${email}`);

  const hooks =
    'post-merge pre-merge-commit commit-msg prepare-commit-msg reference-transaction post-index-change';
  const evil = '/workspace/.git/evil';
  await runs(`git reset -q --hard ${own} && cp .git/config kept
    printf '#!/bin/sh\necho ran >> /workspace/ran\necho evil\n' > ${evil} && chmod 755 ${evil} && mkdir -p .git/hooks
    for hook in ${hooks}; do cp ${evil} .git/hooks/$hook; done
    cat >> .git/config <<-'E'
	[merge "mine"]
	driver = "${evil} > %A"
	[filter "mine"]
	smudge = ${evil}
	clean = ${evil}
	required
	[diff "mine"]
	textconv = ${evil}
	[diff]
	external = ${evil}
	[core]
	fsmonitor = ${evil}
	[branch "main"]
	mergeOptions = --strategy=ours
	[commit]
	gpgSign = true
	[gpg]
	program = ${evil}
	[user]
	name = Somebody
	E
    cp .git/config ~/.gitconfig
    echo '* merge=mine filter=mine diff=mine' > .git/info/attributes && rm -f ran`);
  const again = await approved(await mergeOf(output));
  assert.equal(again.kind, 'succeeded', again.output);
  const ran =
    'cat ran 2> /dev/null || { mv kept .git/config; rm -rf ~/.gitconfig .git/hooks .git/info ran; }';
  assert.equal(await runs(ran), '', 'nothing of it ran');
  assert.equal(await runs(made), `${song}${song}${own}\n${theirs}\n${name} ${email}`);
});
