/** A running instance whose ledger has no room left, then is gone: what the room and `status` say, and that nothing is lost. */
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { findEngine } from '../../config/src/engine.ts';
import { projectOf } from '../../config/src/state.ts';
import { bash } from '../connection/inside.ts';
import { approve, askAndSee, sees } from '../harness/answers.ts';
import { type Instance, removeProject, startInstance } from '../harness/instance.ts';
import { pairedPhone } from '../harness/paired.ts';
import { until } from '../harness/wait.ts';
import type { Phone } from '../phone/types.ts';

const { docker } = findEngine();
let instance: Instance;
let phone: Phone;

before(async () => {
  const home = mkdtempSync(join(tmpdir(), 'pocketcoder-outage-'));
  const project = projectOf(home);
  // A small disk of the ledger's own; compose takes a volume with these labels for its own.
  await docker.createVolume({
    Name: `${project}_ledger_data`,
    Driver: 'local',
    DriverOpts: { type: 'tmpfs', device: 'tmpfs', o: 'size=64m,uid=10001,gid=10001,mode=700' },
    Labels: { 'com.docker.compose.project': project, 'com.docker.compose.volume': 'ledger_data' },
  });
  try {
    instance = await startInstance({ home });
  } catch (error) {
    await removeProject(project);
    throw error;
  }
  phone = await pairedPhone({ address: instance.address, home, ...instance.owner });
  await sees(phone, 'Paired.');
});
after(async () => {
  await phone?.close();
  await instance?.destroy();
});

test('a full disk of the ledger runs nothing; once there is room the same words work', async () => {
  const ledger = instance.container('ledger');
  await bash(ledger, 'cat /dev/zero > /data/fill');
  assert.match((await bash(ledger, 'echo x > /data/more')).out, /No space left/);
  const before = phone.cards().length;
  await phone.say('!run echo "$((6 * 7)) with room"');
  await sees(phone, '⚠️ The ledger', 30);
  assert.equal(phone.cards().length, before);
  await bash(ledger, 'rm -f /data/fill /data/more');
  await approve(phone, await askAndSee(phone, '!run echo "$((6 * 7)) with room"'));
  await sees(phone, '42 with room', 30);
});

test('a ledger that is gone is told by status, and start brings it back', async () => {
  await docker.getContainer(instance.container('ledger')).stop();
  const status = await instance.run(['status', '--json']);
  assert.equal(status.code, 69);
  assert.match(String(status.events.at(-1)?.['message']), /Not up: ledger\. \.\/pocketcoder start -d/);
  const facts = status.events.find(({ event }) => event === 'status') as { bot?: { ledger?: string } };
  await until('the bot to say so as well', async () => {
    const again = await instance.run(['status', '--json']);
    const said = again.events.find(({ event }) => event === 'status') as typeof facts;
    return said.bot?.ledger === 'down';
  });
});
