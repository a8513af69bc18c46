/** That what a script leaves in its home or a temporary directory has no part in a later one, and what it fetched has. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileIn, type Sandbox, startSandbox } from '../harness/sandbox.ts';

let box: Sandbox;
before(async () => {
  box = await startSandbox();
});
after(() => box?.stop());

/** Settings of git, Python, npm, bash and ripgrep, each of which leaves a file in the workspace, or hides one, where it is heeded. */
const plant = `
  printf '[core]\\nfsmonitor = "touch /workspace/git; false"\\nexcludesFile = ~/hidden\\n' > ~/.gitconfig; echo found > ~/hidden
  mkdir -p ~/.config/git "$(python3 -m site --user-site)"; echo found > ~/.config/git/ignore
  echo "open('/workspace/python', 'w')" > "$(python3 -m site --user-site)/usercustomize.py"
  echo 'script-shell=/tmp/shell' > ~/.npmrc; echo 'touch /workspace/bash' | tee ~/.bashrc ~/.profile ~/.bash_profile > /dev/null
  printf '#!/bin/sh\\ntouch /workspace/npm\\n' > /tmp/shell; chmod +x /tmp/shell; echo x > /dev/shm/x; `;
const act = 'git status > /dev/null 2>&1; python3 -c 1; npm run -s x; bash -lc true; ls';
const others = ['found', 'package.json'];

test('attack-77 what an action planted in its home acts in no later one; its twin, one action that does both, is led by it', async () => {
  const search = () => fileIn(box, 'grep', { pattern: 'needle', path: '.' });
  await box.bash(`git init -q; echo needle > found; echo '{"scripts":{"x":"true"}}' > package.json`);
  await box.bash(plant);
  assert.equal((await search()).text, 'found:1:needle\n');
  await box.bash(plant);
  assert.deepEqual((await box.bash(act)).text.trim().split('\n'), others);
  const twin = (await box.bash(plant + act)).text.trim().split('\n');
  assert.deepEqual(twin, ['bash', 'found', 'git', 'npm', 'package.json', 'python']);
});

test('nothing is left in the home, /tmp and /dev/shm but caches, whatever it is, how deep and how locked', async () => {
  const caches = ['.cache/pip/a', '.npm/_cacache/a', '.cargo/registry/a', 'go/pkg/mod/x@v1/a'];
  const made =
    await box.bash(`cd ~; mkdir -p .cache/pip .npm/_cacache .npm/_logs .cargo/registry go/pkg/mod/x@v1 go/bin .0 .1/x
    echo kept | tee ${caches.join(' ')} .npm/_logs/a .cargo/config.toml go/bin/a; chmod a-w go/pkg/mod/x@v1; ln -s /workspace .cargo/git
    for d in ~ /tmp /dev/shm; do mkdir -p $d/locked/in/it; mkfifo $d/locked/pipe; ln -s /workspace $d/link; chmod 0 $d/locked/in $d/locked; done
    python3 -c "
import os
os.chdir('/tmp')
for n in range(5000): os.mkdir('d'); os.chdir('d')"
    for n in {1..2000}; do : > /tmp/$n; done; echo here > /workspace/here; chmod 0 ~; echo made`);
  assert.match(made.text, /made\n$/);
  const left = await box.bash(
    'cd /; find ~ /tmp /dev/shm ! -type d; cat /workspace/here; stat -c %a ~; touch ~/x /tmp/x',
  );
  const kept = caches.map((name) => `/home/agent/${name}`).sort();
  assert.deepEqual(left.text.trim().split('\n').sort(), [...kept, '700', 'here'].sort());
  assert.deepEqual((await box.bash('ls -A /tmp /dev/shm')).text, '/dev/shm:\n\n/tmp:\n');
});

test('attack-77 no name that an action left keeps later ones from beginning with nothing there; its twin, in one action, is there', async () => {
  const there = 'find ~ /tmp /dev/shm -name y 2> /dev/null | wc -l';
  for (const at of ['/home/agent', '/tmp', '/dev/shm']) {
    const plant = `mkdir -p ${at}/.{0..9}/d/x/y; chmod 0 ${at}/.1/d; `;
    assert.equal((await box.bash(plant + there)).text, '9\n');
    const { how, text } = await box.bash(`${there}; ls -A /tmp /dev/shm`);
    assert.deepEqual([how, text], ['exit', '0\n/dev/shm:\n\n/tmp:\n'], at);
  }
});

test('a cache that is a link is none: it goes, and what it leads to stays', async () => {
  await box.bash(
    'rm -rf ~/.cache; mkdir -p own/registry; ln -s /workspace/own ~/.cache; rm -rf ~/.cargo; ln -s /workspace/own ~/.cargo',
  );
  assert.equal(
    (await box.bash('ls -Ad ~/.cache ~/.cargo 2>&1 | grep -c "No such file"; ls own')).text,
    '2\nregistry\n',
  );
});
