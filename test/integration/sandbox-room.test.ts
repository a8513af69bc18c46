/** That what fills the disk which the ledger shares is ended while there is room: in a workspace on a small disk of its own. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { newId } from '../../ledger/src/action.ts';
import { noRoom } from '../../sandbox/src/frames.ts';
import { resultOf } from '../../sandbox/src/result.ts';
import { bashScript, ran, type Sandbox, startSandbox } from '../harness/sandbox.ts';

let box: Sandbox;
/** A little above the floor; a tmpfs, whose bytes are the container's memory. */
const mb = 1200;
const name = { task: newId(), workspace: newId() };
before(async () => {
  box = await startSandbox({ memory_mb: 3000, pids: 128, cpus: 2 });
  const DriverOpts = { type: 'tmpfs', device: 'tmpfs', o: `size=${mb}m,uid=65525,gid=65525,mode=755` };
  const Labels = { 'org.pocketcoder': box.place.project };
  await box.docker.createVolume({ Name: `${box.place.project}-ws-${name.workspace}`, Labels, DriverOpts });
});
after(() => box?.stop());

const bash = (script: string) => box.tasks.run(name, newId(), bashScript(script), () => {});
const freeMb = async () => Number(ran(await bash('df --output=avail -m . | tail -1')).text);

test('attack-43 a script that fills the disk is ended while 512 MiB are free, and by its reason; its twin that writes less is not', async () => {
  await box.tasks.warm(name);
  assert.equal(
    ran(await bash('head -c 100M /dev/zero > little; sleep 0.3; rm little; echo done')).text,
    'done\n',
  );
  const filled = await bash(
    'for n in 1 2; do head -c 1G /dev/zero > big$n & done; wait; sleep 20; echo done',
  );
  assert.equal(ran(filled).how, 'room');
  const under = { limits: box.place.limits, timeout: 30 };
  const { kind, body } = resultOf('', filled, under);
  assert.deepEqual([kind, (body as { reason: string }).reason], ['killed', noRoom]);
  const free = await freeMb();
  assert.ok(free > 512 && free < 1024, `${free} MB`);
  // What begins below the floor may take away, and write a little; not much.
  assert.equal(ran(await bash('head -c 10M /dev/zero > little; sleep 0.3; echo done')).text, 'done\n');
  assert.equal(ran(await bash('head -c 400M /dev/zero > more; sleep 20')).how, 'room');
  assert.equal(ran(await bash('rm -f big* little more; sleep 0.3; echo done')).text, 'done\n');
  assert.equal(await freeMb(), mb);
});

test('attack-43 no call takes the whole disk at once; its twin, by writing, has what it needs', async () => {
  const take = (size: number) =>
    `python3 -c "import os; f = os.open('taken', os.O_RDWR | os.O_CREAT); os.posix_fallocate(f, 0, ${size} << 20); print(os.fstat(f).st_blocks >> 11)"`;
  assert.match(ran(await bash('fallocate -l 1100M taken')).text, /Operation not supported/);
  assert.equal(ran(await bash(`${take(1100)}; sleep 20`)).how, 'room');
  assert.ok((await freeMb()) > 512);
  await bash('rm taken');
  assert.equal(ran(await bash(take(50))).text, '50\n');
});

/** The `ioctl`s that are the same call, old and of 32-bit programs; then what stays: a terminal's, and a write. */
const asIoctl = `
import errno, fcntl, os, struct
f = os.open('taken', os.O_RDWR | os.O_CREAT)
space = struct.pack('hhxxxxqqiI16x', 0, 0, 0, 1100 << 20, 0, 0)
for call in 0x40305828, 0x4030582a, 0x40305839, 0x402c5828, 0x402c582a, 0x402c5839:
    try: fcntl.ioctl(f, call, space); print('done')
    except OSError as e: print(errno.errorcode[e.errno])
print(os.fstat(f).st_blocks, os.isatty(f), os.isatty(os.openpty()[1]), os.write(f, b'x'))`;

test('attack-43 nor does an ioctl that is the same call; its twins, a write and another ioctl, are done', async () => {
  await bash('rm -f *');
  const { how, text } = ran(await bash(`python3 -c "${asIoctl}"; rm -f taken`));
  assert.deepEqual([how, text], ['exit', `${'ENOTSUP\n'.repeat(6)}0 False True 1\n`]);
});

test('attack-43 a terminal that fills the disk is ended by its reason; its twin that does not ends by itself', async () => {
  await bash('rm -f *');
  const terminal = (script: string) =>
    box.tasks.terminal(name, newId(), { script, cwd: '.', seconds: 60 }, () => {});
  assert.equal((await terminal('head -c 1G /dev/zero > big; sleep 30')).why, noRoom);
  assert.ok((await freeMb()) > 512);
  await bash('rm -f *');
  assert.deepEqual(
    (({ exit, why }) => [exit, why])(await terminal('head -c 50M /dev/zero > little; sleep 0.3; exit 3')),
    [3, ''],
  );
});
