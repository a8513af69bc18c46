/** What uninstall takes away, and that an instance beside it does not notice. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pack } from 'tar-stream';
import { removeHome, removeImages } from '../../console/care/uninstall.ts';
import { findEngine } from '../../console/engine/engine.ts';
import { drillOf } from '../../console/instance/state.ts';
import { type Instance, startInstance } from '../harness/instance.ts';

const { docker } = findEngine();

/** Everything of the engine whose name begins with the project's. */
async function traces({ project }: Instance): Promise<string[]> {
  const containers = await docker.listContainers({ all: true });
  const names = [
    ...containers.flatMap(({ Names }) => Names.map((name) => name.slice(1))),
    ...(await docker.listNetworks()).map(({ Name }) => Name),
    ...((await docker.listVolumes()).Volumes ?? []).map(({ Name }) => Name),
  ];
  return names.filter((name) => name.startsWith(project)).sort();
}

test('uninstall leaves nothing of its instance and all of the one beside it', async () => {
  const gone = await startInstance();
  const stays = await startInstance();
  try {
    const before = await traces(stays);
    assert.ok((await traces(gone)).length > 10);
    const drill = drillOf(gone.project);
    await docker.createVolume({
      Name: `${drill}_ledger_data`,
      Labels: { 'com.docker.compose.project': drill },
    });
    const unasked = await gone.run(['uninstall']);
    assert.deepEqual([unasked.code, /^Nothing was removed\./.test(unasked.err)], [64, true]);
    assert.equal((await gone.run(['status'])).code, 0);

    const ran = await gone.run(['uninstall', '--yes', '--json']);
    assert.equal(ran.code, 0, ran.out + ran.err);
    assert.deepEqual([await traces(gone), await traces({ ...gone, project: drill })], [[], []]);
    assert.equal(existsSync(gone.home), false);
    assert.equal((await gone.run(['status'])).code, 69);
    assert.equal((await stays.run(['status'])).code, 0);
    assert.deepEqual(await traces(stays), before);
    assert.equal(ran.events.at(-1)?.['images'], 0, 'they are the other one’s as well');
  } finally {
    await gone.destroy();
    await stays.destroy();
  }
});

test('what is not the instance’s in its directory stays, its own goes', () => {
  const home = mkdtempSync(join(tmpdir(), 'pocketcoder-test-'));
  for (const folder of ['bin', 'drill']) mkdirSync(join(home, folder));
  const own = [
    ...['secrets.json', 'secrets.json.new', 'pocketcoder.yaml', 'compose.env', 'bin/docker-compose-v5.6.1'],
    ...['last-backup.json', 'last-drill.json', 'last-drill.json.new', 'drill/secrets.json'],
  ];
  const others = ['bin/mine', 'last-words.json', 'notes'];
  for (const name of [...own, ...others]) writeFileSync(join(home, name), '');
  assert.deepEqual(removeHome(home).sort(), ['bin', 'last-words.json', 'notes']);
  assert.deepEqual(readdirSync(join(home, 'bin')), ['mine']);
  for (const name of others) rmSync(join(home, name));
  assert.deepEqual([removeHome(home), existsSync(home)], [[], false]);
});

test('images go by their label, those in use stay', async (t) => {
  const label = `org.pocketcoder.test=${randomBytes(6).toString('hex')}`;
  const image = async (name: string): Promise<string> => {
    const tar = pack();
    tar.entry({ name: 'Dockerfile' }, `FROM scratch\nCOPY Dockerfile /${name}\n`);
    tar.finalize();
    const [key = '', value = ''] = label.split('=');
    const options = { t: `pocketcoder-test/${name}:${value}`, labels: { [key]: value } };
    const stream = await docker.buildImage(tar, options);
    await new Promise<void>((resolve, reject) => {
      docker.modem.followProgress(stream, (error) => (error ? reject(error) : resolve()));
    });
    return options.t;
  };
  const [free, used] = [await image('free'), await image('used')];
  const container = await docker.createContainer({ Image: used, Cmd: ['none'] });
  t.after(() =>
    docker
      .getImage(used)
      .remove()
      .catch(() => {}),
  );
  const there = async () =>
    (await docker.listImages({ filters: { label: [label] } })).flatMap(({ RepoTags }) => RepoTags ?? []);
  try {
    assert.deepEqual((await there()).sort(), [free, used].sort());
    assert.equal(await removeImages(docker, label), 1);
    assert.deepEqual(await there(), [used]);
  } finally {
    await container.remove();
  }
});
