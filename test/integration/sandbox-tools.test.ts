/** What the sandbox has for a project of another's: found, of use as the agent without a network, and told as it is. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { withTree } from '../../console/code/workspace-tree.ts';
import { ensureTaskImage, fileOf } from '../../console/engine/images.ts';
import { silent } from '../../console/report.ts';
import { type Sandbox, startSandbox } from '../harness/sandbox.ts';

let box: Sandbox;
before(async () => {
  box = await startSandbox();
});
after(() => box?.stop());

async function runs(script: string): Promise<string> {
  const { number, text } = await box.bash(`set -e\n${script}`);
  assert.equal(number, 0, text);
  return text.trimEnd();
}

test('what the agent is told is there is there, in that version', async () => {
  const told = (
    await fileOf(box.docker, String(box.place.images['']), '/usr/lib/pocketcoder/tools')
  ).toString();
  assert.match(
    told,
    /^Debian GNU\/Linux 12 \(bookworm\) with bash [\d.]+, git [\d.]+, curl .*, rg .*, python3 3\.[\d.]+, .*node 24\.[\d.]+, npm [\d.]+/,
  );
  for (const one of told.replace(/^.* with /, '').split(', ')) {
    const [tool, version] = one.split(' ');
    assert.ok((await runs(`${tool} --version`)).includes(String(version)), one);
  }
});

test('a project for node runs its scripts and tests', async () => {
  const seen = await runs(`mkdir -p n && cd n
    echo '{"name":"n","version":"1.0.0","scripts":{"test":"node --test"}}' > package.json
    echo 'require("node:test")("adds", () => require("node:assert").equal(1 + 1, 2))' > a.test.js
    npm test 2>&1; npm pack --silent; npx --version`);
  assert.match(seen, /pass 1/);
  assert.match(seen, /n-1\.0\.0\.tgz/);
});

test('a project for Python has venv, pip and its standard library', async () => {
  const seen = await runs(`mkdir -p p && cd p && python3 -m venv .venv && .venv/bin/pip --version
    printf 'import unittest, sqlite3, ssl, ctypes\\nclass T(unittest.TestCase):\\n  def test(self): self.assertEqual(1 + 1, 2)\\n' > test_a.py
    .venv/bin/python -m unittest 2>&1`);
  assert.match(seen, /pip .* from .*\.venv/);
  assert.match(seen, /^OK$/m);
});

test('text is UTF-8, and the host has a name that resolves', async () => {
  assert.equal(
    await runs(`python3 -c 'print("ü🦊".encode())'; locale charmap`),
    "b'\\xc3\\xbc\\xf0\\x9f\\xa6\\x8a'\nUTF-8",
  );
  assert.equal(
    await runs('python3 -c "import socket; print(socket.gethostbyname(socket.gethostname()))"'),
    '127.0.0.1',
  );
});

test('json and text are searched and cut by the usual programs', async () => {
  assert.equal(await runs(`echo '{"a":[1,2]}' | jq -c '.a[1]'; echo needle > hay; rg -l needle`), '2\nhay');
});

test('all of it is laid on an image of the owner’s own, whoever is called agent there; one that is not there is named', async (t) => {
  const home = mkdtempSync(join(tmpdir(), 'own-image-'));
  mkdirSync(join(home, 'own'));
  t.after(() => rmSync(home, { recursive: true }));
  const made = `ARG BASE\nFROM \${BASE}\nRUN useradd --create-home agent\nCOPY theirs /etc/theirs\nUSER agent\nENV PATH=./bin:$PATH BASH_ENV=./env\nENTRYPOINT ["false"]\n`;
  const image = (name: string) => ensureTaskImage(name, home, box.docker, silent);
  await assert.rejects(
    image('own/Dockerfile'),
    /sandbox\.image: there is no .*Dockerfile\. Nothing was built/,
  );
  for (const where of ['', 'own']) writeFileSync(join(home, where, 'Dockerfile'), made);
  for (const above of ['Dockerfile', 'own/../Dockerfile'])
    await assert.rejects(image(above), /has to lie in a folder of its own.*Nothing was built/);
  writeFileSync(join(home, 'own', 'theirs'), 'of their own\n');
  const own = await startSandbox(undefined, await image('own/Dockerfile'));
  t.after(() => own.stop());
  const { number, text } = await own.bash(
    'cat /etc/theirs; id -un; echo w > /workspace/w; node -e "console.log(1)"',
  );
  assert.deepEqual([number, text], [0, 'of their own\nagent\n1\n']);
  // Where the agent's work lies, root finds nothing by that image's PATH, and no shell of its begins by reading it.
  const planted = `mkdir bin; for one in id stat chown setpriv find python3 git; do echo 'exit 9' > bin/$one; done; chmod +x bin/*; echo exit 9 > env`;
  assert.equal((await own.bash(planted)).number, 0);
  const where = { docker: own.docker, project: own.place.project, image: own.place.images[''] ?? '' };
  const { workspace } = own.name;
  const facts = await withTree({ ...where, workspace }, ['export', 'directory'], (tree) => tree.run());
  assert.equal(facts.files, 9);
  assert.equal((await own.bash('echo goes on')).text, 'goes on\n');
});
