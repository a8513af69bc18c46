/** A running instance whose disks have no room left, or whose ledger is gone: what is said, and that nothing is lost. */
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { findEngine } from '../../console/engine/engine.ts';
import { projectOf } from '../../console/instance/state.ts';
import { bash } from '../connection/inside.ts';
import { approve, askAndSee, endsWith, outputOf, sees } from '../harness/answers.ts';
import { type Instance, removeProject, startInstance } from '../harness/instance.ts';
import { pairedPhone } from '../harness/paired.ts';
import { until } from '../harness/wait.ts';
import type { Phone } from '../phone/types.ts';

const { docker } = findEngine();
let instance: Instance;
let phone: Phone;

/** A small disk of a service's own; compose takes a volume with these labels for its own. */
const smallDisk = (project: string, name: string, uid: number) =>
  docker.createVolume({
    Name: `${project}_${name}`,
    Driver: 'local',
    DriverOpts: { type: 'tmpfs', device: 'tmpfs', o: `size=96m,uid=${uid},gid=${uid},mode=700` },
    Labels: { 'com.docker.compose.project': project, 'com.docker.compose.volume': name },
  });

before(async () => {
  const home = mkdtempSync(join(tmpdir(), 'pocketcoder-outage-'));
  const project = projectOf(home);
  await smallDisk(project, 'ledger_data', 10001);
  await smallDisk(project, 'bot_data', 10002);
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
  assert.match(
    await sees(phone, 'Not asked: the ledger’s disk is full', 30),
    /nothing was run\. Make room, then ask again\./,
  );
  assert.equal(phone.cards().length, before);
  await bash(ledger, 'rm -f /data/fill /data/more');
  await approve(phone, await askAndSee(phone, '!run echo "$((6 * 7)) with room"'));
  await sees(phone, '42 with room', 30);
});

/** Fills the bot's disk but for so many bytes, through a container that keeps it while the bot is restarted. */
async function fillBot(holder: string, but: number): Promise<void> {
  const script = `cd /data; left=$(($(stat -f -c %a .) * $(stat -f -c %S .))); head -c $((left - ${but})) /dev/zero > fill`;
  await bash(holder, script);
}

test('a bot’s disk that is nearly full asks nothing new; a full one loses nothing and runs nothing twice', async () => {
  const bot = docker.getContainer(instance.container('bot'));
  const { Config, State } = await bot.inspect();
  const holder = `${instance.project}-holder`;
  const made = await docker.createContainer({
    name: holder,
    Image: Config.Image,
    Cmd: ['sleep', 'infinity'],
    HostConfig: { Binds: [`${instance.project}_bot_data:/data`] },
  });
  await made.start();
  const once = await askAndSee(phone, '!run echo once >> tally; sort tally');

  await fillBot(holder, 8 * 2 ** 20);
  const cards = phone.cards().length;
  await phone.say('!run echo refused >> tally');
  const said = await sees(phone, 'Not asked: the bot', 30);
  assert.match(said, /disk has \d MiB left of the 16 it needs\. Make room .* Nothing was run\./);
  assert.equal(phone.cards().length, cards);
  const doctor = await instance.run(['doctor', '--json']);
  assert.equal(doctor.code, 1);
  const tight = doctor.events.filter(({ check, level }) => check === 'room left' && level === 'fail');
  assert.match(JSON.stringify(tight), /\b[78] MiB free for the bot's data.*make room/);
  await bash(holder, 'rm /data/fill');

  await fillBot(holder, 0);
  await approve(phone, once);
  // Its card may be made while the one before still writes that file, and a card holds to what its words name: so they name none.
  await phone.say('!run f=tal; echo twice >> "$f"ly; sort "$f"ly');
  const logged = async () => String(await bot.logs({ stdout: true, stderr: true, follow: false }));
  await until('the log to say so', async () => (await logged()).includes('no room left on the disk'));
  const { RestartCount, State: now } = await bot.inspect();
  assert.deepEqual([RestartCount, now.StartedAt], [0, State.StartedAt], 'it waits, it does not fall over');
  // A restart changes nothing: it waits before it touches its keys.
  const lines = async () => (await logged()).split('no room left on the disk').length;
  const before = await lines();
  await bot.restart();
  await until('the bot that was restarted to wait as well', async () => (await lines()) > before);
  assert.equal(phone.cards().length, cards);

  await bash(holder, 'rm /data/fill');
  await endsWith(phone, once, 'exit 0', 60);
  const twice = await phone.until('the card of what was said meanwhile', (p) =>
    p.cards().find((c) => c.text.includes('echo twice') && c.chips.length === 3),
  );
  await approve(phone, twice);
  await endsWith(phone, twice, 'exit 0', 30);
  assert.equal(await outputOf(phone, twice), 'once\ntwice'); // each one time, the refused one never
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
