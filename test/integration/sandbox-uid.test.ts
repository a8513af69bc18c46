/** That scripts have a uid of their own, whose limits are nobody else's, and that what an older release left as uid 1000's is theirs. */
import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { withTree } from '../../console/code/workspace-tree.ts';
import { newId, sha256 } from '../../ledger/src/action.ts';
import { bashScript, ran, type Sandbox, startSandbox } from '../harness/sandbox.ts';

let box: Sandbox;
before(async () => {
  box = await startSandbox();
});
after(() => box?.stop());

/** Runs a bash script beside the sandbox, with the engine's usual rights. @param volumes what it mounts, `VOLUME:PATH` */
async function outside(User: string, script: string, Binds: string[] = []): Promise<string> {
  const out = new PassThrough();
  const said = text(out);
  const HostConfig = { NetworkMode: 'none', AutoRemove: true, Binds };
  const options = { Entrypoint: [], Tty: true, User, HostConfig };
  await box.docker.run(box.place.images[''] ?? '', ['bash', '-euc', script], out, options);
  out.end();
  return (await said).replaceAll('\r', '').trim();
}

/** Whether its uid may have another inotify instance. */
const another = `import ctypes; print("none" if ctypes.CDLL(None).inotify_init() < 0 else "one")`;
/** Takes all that its uid may have, and as many open files as that needs; then waits to be let go. */
const takesAll = `
import ctypes, os, resource, subprocess, time
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
while ctypes.CDLL(None).inotify_init() >= 0: pass
subprocess.run(["python3", "-c", os.environ["ANOTHER"]])
while not os.path.exists("/workspace/go"): time.sleep(0.05)`;
/** What a program that watches its directory hears of a file that is made there. */
const watches = `
import ctypes, os
libc = ctypes.CDLL(None)
fd = libc.inotify_init()
libc.inotify_add_watch(fd, b"/tmp", 0x100)
open("/tmp/seen", "w").close()
print(os.read(fd, 4096)[16:].rstrip(b"\\0").decode())`;

test('attack-80 a script that holds all that its uid may leaves the machine’s user 1000 theirs; its twin, a program that watches files, hears of them', async () => {
  const held = Promise.withResolvers<void>();
  const script = bashScript(`python3 -c '${takesAll}'`, { env: { ANOTHER: another } });
  const holding = box.tasks.run(box.name, newId(), script, () => held.resolve());
  await Promise.race([held.promise, holding]);
  assert.equal(await outside('1000:1000', `python3 -c '${another}'`), 'one');
  await box.beside('touch', '/workspace/go');
  assert.equal(ran(await holding).text, 'none\n');
  assert.equal((await box.bash(`python3 -c '${watches}'`)).text, 'seen\n');
});

/** As an older release made and used it: a repository that came in, files of each kind, and a snapshot from before its last action. */
const older = `
  mkdir -m 755 /workspace/deep; echo theirs > /snapshots/theirs; mkdir /snapshots/folder; echo theirs > /snapshots/folder/file
  chown -R 1000:1000 /workspace /base /snapshots/theirs /snapshots/folder
  as() { setpriv --reuid=1000 --regid=1000 --clear-groups env HOME=/tmp bash -euc "$1"; }
  as 'git init -q --bare -b main /base; cd /workspace; git init -q; git config user.name x; git config user.email x
    echo secret > private; chmod 600 private; echo fixed > read-only; chmod 444 read-only; mkdir -m 700 shut; echo in > shut/in
    ln -s /snapshots/theirs out; ln -s /snapshots/folder folder; ln -s private inside; mkfifo pipe; ln private deep/twin
    git add private; git commit -qm first; git push -q /base HEAD:main'
  sed 's/^AGENT, FORMER = .*/AGENT, FORMER = 1000, 1001/' /usr/lib/pocketcoder/keep.py > /tmp/keep.py; echo take 1 | python3 /tmp/keep.py
  as 'cd /workspace; echo changed > private; rm -r shut; echo new > made'
  chown -h agent:agent /workspace/made /workspace/inside # as where what takes it over was broken off
  chown 1000:1000 /snapshots/theirs /snapshots/folder/file`;

/** A `chown` while something of uid 1000 still runs, which makes another file as soon as it is done, so often. */
const meanwhile = `#!/bin/bash
/usr/bin/chown "$@" || exit
left=$(cat /tmp/left)
[ $left = 0 ] && exit
echo $((left - 1)) > /tmp/left
touch /workspace/late$left
/usr/bin/chown 1000:1000 /workspace/late$left`;

test('what an older release left as uid 1000’s is the agent’s from the next action on, links and what they lead to as they were, and is undone', async (t) => {
  const name = { task: newId(), workspace: newId() };
  const { project } = box.place;
  const volumes = ['ws', 'base', 'snap'].map((of) => `${project}-${of}-${name.workspace}`);
  const binds = ['/workspace', '/base', '/snapshots'].map((at, i) => `${volumes[i]}:${at}`);
  for (const Name of volumes) await box.docker.createVolume({ Name, Labels: { 'org.pocketcoder': project } });
  const look = (script: string) => outside('0:0', script, binds);
  assert.equal(await look(older), '0 0');
  const where = { docker: box.docker, project, image: box.place.images[''] ?? '', workspace: name.workspace };
  const bash = async (script: string) =>
    ran(await box.tasks.run(name, newId(), bashScript(script), () => {}));

  const nothingGoesOut = () =>
    assert.rejects(
      withTree(where, ['export', 'directory'], (tree) => tree.run()),
      /the agent's only in part: .*nothing was done/,
    );

  await t.test('it goes out before that as it is', async () => {
    const facts = await withTree(where, ['export', 'directory'], (tree) => tree.run());
    assert.deepEqual([facts.odd, facts.files], [['pipe'], 7]);
    assert.equal(await look('stat -c %u /workspace /base'), '1000\n1000');
  });

  await t.test('what cannot be taken over is told, and looked at again', async () => {
    const fixed = `${project}-ws-fixed`;
    await box.docker.createVolume({ Name: fixed, Labels: { 'org.pocketcoder': project } });
    await outside('0:0', 'chown 1000:1000 /fixed', [`${fixed}:/fixed`]);
    const ask = 'echo own | python3 /usr/lib/pocketcoder/keep.py; stat -c %u /workspace /workspace/read-only';
    const said = await outside('0:0', ask, [binds[0] ?? '', `${fixed}:/workspace/deep/fixed:ro`]);
    assert.match(said, /^1 \d+\n.*cannot be made the agent's: .*Read-only file system\n0\n65525$/s);
    await look('rmdir /workspace/deep/fixed');
    await nothingGoesOut();
  });

  await t.test('what comes under the former number meanwhile is taken over too, or told', async () => {
    const own = (often: number) =>
      look(`mkdir /tmp/bin; echo ${often} > /tmp/left; printf %s ${Buffer.from(meanwhile).toString('base64')} | base64 -d > /tmp/bin/chown
        chmod +x /tmp/bin/chown; echo own | PATH=/tmp/bin:$PATH python3 /usr/lib/pocketcoder/keep.py
        find /workspace -maxdepth 1 ! -user agent -printf '%U %P,'; rm -f /workspace/late*`);
    assert.match(
      await own(100),
      /^1 \d+\n.*cannot be made the agent's: something still makes files there\n/s,
    );
    await nothingGoesOut();
    assert.equal(await own(3), '0 0');
  });

  await box.tasks.warm(name);
  assert.equal(await look('find /workspace /base ! -user agent -o ! -group agent'), '');
  assert.equal(await look('stat -c %u /snapshots/theirs /snapshots/folder/file'), '1000\n1000');
  const used =
    await bash(`cat private shut/in 2>&1; echo more >> private; chmod u+w read-only; echo more >> read-only
    cat read-only inside deep/twin; readlink out folder; stat -c '%a %n' read-only; git status --short -uno; git --git-dir=/base log --format=%s main`);
  const found =
    'changed\ncat: shut/in: No such file or directory\nfixed\nmore\nchanged\nmore\nchanged\nmore\n';
  assert.equal(used.text, `${found}/snapshots/theirs\n/snapshots/folder\n644 read-only\n M private\nfirst\n`);
  const { text: difference } = await box.tasks.keep(name.workspace, 'difference', '1');
  assert.match(
    difference,
    /^returns with 1 below: shut\/\nvanishes: made\nchanges: deep\/twin\nchanges: private\nchanges mode 644 to 444: read-only\nfrom the tree \w+\n$/,
  );
  assert.equal((await box.tasks.keep(name.workspace, 'restore', '1', sha256(difference))).exit, 0);
  const again = await bash('cat private shut/in read-only; stat -c "%U %a %n" * shut/in | LC_ALL=C sort');
  const files = ['444 read-only', '600 private', '644 pipe', '644 shut/in', '700 shut', '755 deep'];
  const links = ['777 folder', '777 inside', '777 out'];
  assert.equal(
    again.text,
    `secret\nin\nfixed\n${[...files, ...links].map((one) => `agent ${one}\n`).join('')}`,
  );
});
