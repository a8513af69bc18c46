/** From a real state over a backup to a real approval: everything lost, restored elsewhere, and the same phone goes on. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  appendFileSync,
  createReadStream,
  createWriteStream,
  existsSync,
  globSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { after, before, test } from 'node:test';
import { Decrypter, Encrypter, generateX25519Identity, identityToRecipient } from 'age-encryption';
import { extract, pack } from 'tar-stream';
import { stringify } from 'yaml';
import { through } from '../../console/backup/age.ts';
import { lastOf } from '../../console/backup/remembered.ts';
import { execIn } from '../../console/engine/containers.ts';
import { findEngine } from '../../console/engine/engine.ts';
import { checkout } from '../../console/instance/paths.ts';
import { pinsOf } from '../../console/instance/pins.ts';
import type { State } from '../../console/instance/state.ts';
import { answerOf, approve, askAndSee, numberOf, pollOf, sees } from '../harness/answers.ts';
import { type Front, startFront } from '../harness/front.ts';
import { type Instance, launch, ledgerOf, startInstance } from '../harness/instance.ts';
import { pairedPhone } from '../harness/paired.ts';
import { until } from '../harness/wait.ts';
import type { Card, Phone, Shown } from '../phone/types.ts';

const { docker } = findEngine();
const dir = mkdtempSync(join(tmpdir(), 'backup-'));
const file = join(dir, 'all.age');
const passphrase = 'four words of a test';
let old: Instance;
let restored: Instance | undefined;
let front: Front;
let phone: Phone;
/** Shown before the backup, approved after it: by a tap and by a vote. */
let open: { tapped: Card; voted: Card; vote: Shown };
let oldDevice: string;
const taken: Server[] = [];

const claims = async (instance: Instance): Promise<number> =>
  (await (await ledgerOf(instance)).since(0)).filter(({ kind }) => kind === 'claimed').length;
async function pollFor(card: Card): Promise<Card> {
  await phone.say(`!poll ${numberOf(card)}`);
  return pollOf(phone, numberOf(card));
}
/** The bot's identity and its devices, each with the identity's own signature or without. */
async function botKeys(bot: string): Promise<{ master: unknown; devices: Record<string, boolean> }> {
  const answer = await phone.api('POST', '/keys/query', { device_keys: { [bot]: [] } });
  const all = answer as Record<string, Record<string, Record<string, never>>>;
  const self = Object.keys((all['self_signing_keys']?.[bot]?.['keys'] as object | undefined) ?? {})[0] ?? '';
  const devices = Object.entries(
    (all['device_keys']?.[bot] ?? {}) as Record<string, { signatures?: object }>,
  );
  const signed = (d: { signatures?: object }) =>
    self in ((d.signatures as Record<string, object> | undefined)?.[bot] ?? {});
  return {
    master: all['master_keys']?.[bot]?.['keys'],
    devices: Object.fromEntries(devices.map(([id, device]) => [id, signed(device)])),
  };
}
/** Another program on that port, as another machine would have it. */
async function take(port: number): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  taken.push(server);
}

before(async () => {
  old = await startInstance({ overrides: { metrics: true } });
  front = await startFront(old.address);
  const { home, owner } = old;
  phone = await pairedPhone({ address: front.url, ...owner, home });
  await sees(phone, 'Paired.');
});
after(async () => {
  await phone?.close();
  front?.stop();
  for (const server of taken) server.close();
  await restored?.destroy();
  await old?.destroy();
  rmSync(dir, { recursive: true, force: true });
});

test('a backup stands still for a moment, what runs runs on, and the file is encrypted and private', async () => {
  await approve(phone, await askAndSee(phone, '!run echo "$((6 * 7)) kept" > "kept: é ü"; echo written'));
  await sees(phone, 'written', 30);
  const tapped = await askAndSee(phone, '!run echo tapped >> ran; echo "$((6 * 7)) by the tap"');
  const other = await askAndSee(phone, '!run echo voted >> ran; echo "$((6 * 7)) by the vote"');
  const voted = await pollFor(other);
  const long = await askAndSee(phone, '!run echo begun; sleep 20; echo "$((6 * 7)) over"');
  await approve(phone, long);
  await sees(phone, 'begun', 30);

  assert.equal((await old.run(['secret', 'add', 'MINE', 'git.example'], 'its-value\n')).code, 0);
  const ran = await old.run(['backup', file, '--json'], `${passphrase}\n`);
  assert.equal(ran.code, 0, ran.out + ran.err);
  assert.equal(ran.out.includes(passphrase) || ran.err.includes(passphrase), false);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.equal((await old.run(['status'])).code, 0, 'all of it runs again');
  await sees(phone, '42 over', 60);
  const again = await old.run(['backup', file], `${passphrase}\n`);
  assert.deepEqual([again.code, /is there already, and nothing was done/.test(again.err)], [73, true]);

  // What the backup knows as open is decided and run after it.
  await approve(phone, tapped);
  await sees(phone, '42 by the tap', 30);
  const id = await phone.vote(voted.id, [answerOf(voted, 'Approve')]);
  await sees(phone, '42 by the vote', 30);
  const vote = await phone.until('the vote', (p) => p.timeline().find((e) => e.id === id));
  open = { tapped, voted, vote };
  oldDevice = Object.keys((await botKeys(old.bot)).devices)[0] ?? '';
});

/** All that a drill could touch of the running instance, as it is. */
async function untouched() {
  const filters = { label: [`com.docker.compose.project=${old.project}`] };
  const running = await docker.listContainers({ all: true, filters });
  const lives = running.map(async ({ Id }) => {
    const { State, RestartCount } = await docker.getContainer(Id).inspect();
    return [Id, State.Pid, State.StartedAt, RestartCount];
  });
  const volumes = (await docker.listVolumes()).Volumes.map(({ Name }) => Name);
  return {
    containers: (await Promise.all(lives)).sort(),
    volumes: volumes.filter((name) => name.startsWith(old.project)).sort(),
    files: readdirSync(old.home).filter((name) => name !== 'last-drill.json'),
    secrets: readFileSync(join(old.home, 'secrets.json'), 'utf8'),
    head: (await (await ledgerOf(old)).since(0)).at(-1),
  };
}
/** What there is of a drill on this machine. */
async function leftOver(): Promise<string[]> {
  const project = old.project.replace('pocketcoder-', 'pocketcoder-drill-');
  const containers = (await docker.listContainers({ all: true })).filter(
    ({ Labels }) => Labels['com.docker.compose.project'] === project,
  );
  const volumes = (await docker.listVolumes()).Volumes.map(({ Name }) => Name);
  const networks = (await docker.listNetworks()).map(({ Name }) => Name);
  return [
    ...containers.flatMap(({ Names }) => Names),
    ...[...volumes, ...networks].filter((name) => name.startsWith(project)),
    ...globSync('drill', { cwd: old.home }),
  ];
}
/** The backup with one file in it changed. */
async function rewritten(name: string, inside: string, change: (bytes: Buffer) => Buffer): Promise<string> {
  const decrypter = new Decrypter();
  decrypter.addPassphrase(passphrase);
  const from = (await through(decrypter, createReadStream(file))).pipe(extract());
  const to = pack();
  let changed = 0;
  const copied = (async () => {
    for await (const entry of from) {
      const bytes = await buffer(entry);
      const its = entry.header.name === inside;
      if (its) changed++;
      const content = its ? change(bytes) : bytes;
      await new Promise((done) => to.entry({ ...entry.header, size: content.length }, content, done));
    }
    to.finalize();
  })();
  const encrypter = new Encrypter();
  encrypter.setPassphrase(passphrase);
  encrypter.setScryptWorkFactor(10);
  await pipeline(await through(encrypter, Readable.from(to)), createWriteStream(join(dir, name)));
  await copied;
  assert.equal(changed, 1, inside);
  return join(dir, name);
}
const replaced = (from: string, to: string) => (bytes: Buffer) => {
  assert.ok(bytes.includes(from) && from.length === to.length, from);
  return Buffer.from(bytes.toString('latin1').replaceAll(from, to), 'latin1');
};

test('a drill says what comes back of the newest backup, touches nothing that runs, and leaves nothing', async () => {
  const before = await untouched();
  const project = old.project.replace('pocketcoder-', 'pocketcoder-drill-');
  const filters = { label: [`com.docker.compose.project=${project}`] };
  const networks = new Set<string>();
  let over = false;
  const env = { POCKETCODER_HOME: old.home };
  const drilled = launch(['drill', '--json'], { env, input: `${passphrase}\n` }).finally(() => {
    over = true;
  });
  while (!over)
    for (const { HostConfig } of await docker.listContainers({ filters }))
      networks.add(HostConfig.NetworkMode.replace(/:.*/, ':'));
  const ran = await drilled;
  assert.equal(ran.code, 0, ran.out + ran.err);
  const { events } = ran;
  const said = events.find(({ event }) => event === 'drill');
  const { seconds, ...rest } = said as { seconds: Record<string, number> } & Record<string, unknown>;
  assert.deepEqual(Object.keys(seconds), ['check', 'restore', 'contents', 'ledger', 'audit', 'remove']);
  assert.deepEqual(
    [rest['event'], rest['file'], rest['workspaces'], rest['identity']],
    ['drill', file, 1, true],
  );
  const entries = await (await ledgerOf(old)).since(0);
  assert.equal(rest['head'], entries[Number(rest['entries']) - 1]?.hash, 'it is the ledger as it was then');
  assert.ok(Number(rest['files']) > 0 && Number(rest['roomKeys']) > 0, JSON.stringify(rest));
  assert.equal(ran.out.includes(passphrase), false);
  // The look and the ledger have no network; what audits the ledger stands in its namespace.
  assert.deepEqual([...networks].sort(), ['container:', 'none']);
  assert.deepEqual(await untouched(), before);
  assert.deepEqual(await leftOver(), []);
  const people = await old.run(['drill', file], `${passphrase}\n`);
  assert.equal(people.code, 0, people.err);
  assert.match(people.out, /ledger: done \([\d.]+ s\)/);
  assert.match(
    people.out,
    /comes back whole, as of .*: \d+ volumes, of 1 workspaces \d+ files, a ledger of \d+ entries/,
  );
});

/** A drill to which this is done as its look at the contents begins; `gone` is a terminal that is closed, and its output with it. */
async function drilledUntil(signal: 'SIGKILL' | 'SIGTERM' | 'SIGHUP', gone = false) {
  const env = { ...process.env, POCKETCODER_HOME: old.home };
  const child = spawn(join(checkout, 'pocketcoder'), ['drill', '--json'], { env });
  const ended = once(child, 'exit');
  child.stdin.end(`${passphrase}\n`);
  child.stderr.resume();
  const said: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    said.push(line);
    if (!/"contents","state":"started"/.test(line)) continue;
    child.kill(signal);
    if (gone) break;
  }
  if (gone) for (const stream of [child.stdout, child.stderr]) stream.destroy();
  await ended;
  return { code: child.exitCode, said };
}

test('a drill that is interrupted takes away what it made, and what one that was killed had left; neither is remembered', async () => {
  const before = lastOf(old.home, 'drill');
  await drilledUntil('SIGKILL');
  const left = await leftOver();
  assert.ok(left.length > 3 && left.includes('drill'), left.join());
  assert.equal(statSync(join(old.home, 'drill')).mode & 0o777, 0o700);
  const { code, said } = await drilledUntil('SIGTERM');
  assert.deepEqual([code, /was interrupted/.test(said.at(-1) ?? '')], [75, true], said.join('\n'));
  assert.deepEqual(await leftOver(), []);
  const gone = await drilledUntil('SIGHUP', true);
  assert.deepEqual([gone.code, await leftOver()], [141, []]);
  assert.deepEqual(lastOf(old.home, 'drill'), before);
});

test('a backup that would not come back fails its drill, in words, and nothing is touched or left', async () => {
  const before = await untouched();
  const bytes = readFileSync(file);
  writeFileSync(join(dir, 'cut.age'), bytes.subarray(0, bytes.length - 3));
  const ledger = 'backup/volumes/_ledger_data/data.db';
  const changed = await rewritten('changed.age', ledger, replaced('echo written', 'echo wrotten'));
  const another = Buffer.alloc(32, 7).toString('base64').replace('=', '');
  const impostor = await rewritten('impostor.age', 'backup/bot/identity.json', (json) =>
    Buffer.from(JSON.stringify({ ...(JSON.parse(String(json)) as object), master: another })),
  );
  const dead = await rewritten('dead.age', ledger, (db) => db.fill(0, 0, 4096));
  const holes = await rewritten('holes.age', 'backup/volumes/_homeserver_data/homeserver.db', (db) =>
    db.fill(0, 4096),
  );
  const settings = await rewritten('settings.age', 'backup/home/pocketcoder.yaml', () =>
    Buffer.from('nonsense: 1\n'),
  );
  const foreign = await rewritten('foreign.age', 'backup/home/secrets.json', (json) => {
    const state = JSON.parse(String(json)) as State;
    return Buffer.from(
      JSON.stringify({ ...state, homeserver: { ...state.homeserver, macaroon: 'another' } }),
    );
  });
  for (const [name, code, words, kept] of [
    [join(dir, 'cut.age'), 1, /cut\.age was not tried: it is cut off/, true],
    [changed, 1, /What was restored is not whole: the ledger is off at entry \d+: /, true],
    [dead, 1, /No ledger comes up from that backup\. It says:\n./, true],
    [impostor, 1, /the bot's identity in it is not one that its homeserver states/, true],
    [holes, 1, /not whole: .*(homeserver\.db is damaged|malformed)/, true],
    [settings, 1, /The settings in it cannot be read: .*there is no setting "nonsense"\.$/m, true],
    [join(dir, 'none.age'), 1, /none\.age was not tried: ENOENT/, false],
    [foreign, 78, /foreign\.age is a backup of another instance \(pocketcoder-.*was not tried/, false],
  ] as const) {
    rmSync(join(old.home, 'last-drill.json'), { force: true });
    const ran = await old.run(['drill', name], `${passphrase}\n`);
    assert.deepEqual([ran.code, words.test(ran.err)], [code, true], `${name}: ${ran.out}${ran.err}`);
    assert.equal(lastOf(old.home, 'drill')?.why !== undefined, kept, name);
    assert.deepEqual(await leftOver(), [], name);
  }
  rmSync(join(old.home, 'last-drill.json'), { force: true });
  const wrong = await old.run(['drill'], 'another\n');
  assert.deepEqual([wrong.code, /was not tried: .*does not open it/.test(wrong.err)], [1, true]);
  assert.equal(lastOf(old.home, 'drill'), undefined);
  assert.deepEqual(await untouched(), before);
});

test('the logs about one action are shown by its number, of bot and executor', async () => {
  const { events } = await old.run(['logs', '--action', '#1', '--json']);
  const times = events.map(({ at }) => String(at));
  assert.deepEqual(times, times.toSorted());
  const of = (part: string) =>
    events.flatMap((e) => (e['part'] === part ? [(e['line'] as { msg?: string }).msg] : []));
  assert.deepEqual(of('executor'), ['claimed', 'first byte', 'over']);
  assert.deepEqual(
    of('bot').filter((msg) => msg !== 'entry'),
    ['decision', 'outcome shown'],
  );
  assert.equal(of('bot').length, 2 + 7);
  assert.deepEqual((await old.run(['logs', '--action', '999', '--json'])).events, []);
});

test('without a FILE a backup is made as the settings have it, and the oldest of this instance go', async () => {
  const none = await old.run(['backup']);
  assert.deepEqual([none.code, /backup takes FILE, or backup: \{ folder/.test(none.err)], [64, true]);
  const folder = mkdtempSync(join(dir, 'kept-'));
  const identity = await generateX25519Identity();
  const kept = { folder, to: await identityToRecipient(identity), keep: 2 };
  appendFileSync(join(old.home, 'pocketcoder.yaml'), stringify({ backup: kept }));
  const own = `${old.project}-${createHash('sha256').update(old.secrets.homeserver.macaroon).digest('hex').slice(0, 8)}`;
  const [first, second] = ['01', '02'].map((day) => `${own}-2026-01-${day}T00-00-00.age`);
  const others = [`${old.project}-00000000-2026-01-01T00-00-00.age`, `${own}-mine.age`];
  for (const name of [first, second, ...others]) writeFileSync(join(folder, name ?? ''), '');
  const ran = await old.run(['backup', '--json']);
  assert.equal(ran.code, 0, ran.out + ran.err);
  assert.deepEqual(ran.events.at(-1), { event: 'kept', gone: [first] });
  const left = readdirSync(folder);
  const [made = ''] = left.filter((name) => !others.includes(name) && name !== second);
  assert.deepEqual([left.length, lastOf(old.home, 'backup')?.file], [4, join(folder, made)]);
  const figure = `pocketcoder_backup_timestamp_seconds ${Date.parse(lastOf(old.home, 'backup')?.at ?? '') / 1000}\n`;
  const told = async () => (await (await fetch(`${old.ledgerUrl}/metrics`)).text()).includes(figure);
  await until('the bot to tell of it in its figures', told, { seconds: 30 });
  const drilled = await old.run(['drill'], `${identity}\n`);
  assert.deepEqual([drilled.code, drilled.out.includes(made)], [0, true], drilled.err);
  const doctor = await old.run(['doctor']);
  assert.match(doctor.out, /ok {4}backup .*newest backup: 0 days old/);
  assert.match(doctor.out, /ok {4}backup .*the drill 0 days ago, of .*\.age, went well/);
});

test('what is not right changes nothing', async () => {
  const { home, project } = old;
  const there = await old.run(['restore', file], `${passphrase}\n`);
  assert.deepEqual([there.code, /is not empty\. Nothing was changed/.test(there.err)], [73, true]);
  assert.equal((await old.run(['status'])).code, 0);
  await old.destroy();
  const none = await old.run(['restore', `${file}.none`]);
  assert.deepEqual(
    [none.code, /\.none was not restored: ENOENT.*Nothing was changed/.test(none.err)],
    [1, true],
  );
  const wrong = await old.run(['restore', file], 'another\n');
  assert.deepEqual([wrong.code, /does not open it\. Nothing was changed/.test(wrong.err)], [1, true]);
  assert.equal(existsSync(home), false);
  const names = ((await docker.listVolumes()).Volumes ?? []).map(({ Name }) => Name);
  assert.deepEqual(
    names.filter((name) => name.startsWith(project)),
    [],
  );
});

test('restored elsewhere, the same phone approves without being paired anew', async () => {
  for (const port of Object.values(old.secrets.ports)) await take(port);
  const home = join(dir, 'home');
  const ran = await launch(['restore', file, '--json'], {
    env: { POCKETCODER_HOME: home },
    input: `${passphrase}\n`,
  });
  assert.equal(ran.code, 0, ran.out + ran.err);
  assert.equal(old.secrets.server_name, ran.events.at(-1)?.['server_name']);
  restored = await startInstance({ home });
  assert.notEqual(restored.address, old.address);
  assert.equal(restored.room, old.room);
  assert.deepEqual(restored.secrets.passwords, old.secrets.passwords);
  assert.deepEqual(restored.secrets.hosts?.['MINE'], {
    ...{ host: 'git.example', user: 'x-access-token', value: 'its-value' },
  });
  const read = ['sh', '-c', 'stat -c %a /run/pocketcoder/secrets.json; cat /run/pocketcoder/secrets.json'];
  const { out: executors } = await execIn(docker, restored.project, 'executor', read);
  assert.equal(executors, `400\n${JSON.stringify(restored.secrets.hosts)}`);
  const { out: bots } = await execIn(docker, restored.project, 'bot', read);
  assert.equal(bots, '400\n{"MINE":"git.example"}');
  front.to(restored.address);
  await sees(phone, 'Restored from a backup', 60);

  const keys = await botKeys(restored.bot);
  assert.deepEqual(Object.values(keys.devices), [true], 'one device, signed');
  assert.equal(oldDevice in keys.devices, false);

  const before = await claims(restored);
  const voteAgain = (): Promise<object> => {
    const path = `/rooms/${encodeURIComponent(phone.room())}/send/m.room.encrypted/again-${Math.random()}`;
    return phone.api('PUT', path, open.vote.wire.content);
  };
  await voteAgain();
  const thawed = await restored.run(['thaw']);
  assert.equal(thawed.code, 0, thawed.err);
  await approve(phone, open.tapped);
  await voteAgain();
  const fresh = await askAndSee(phone, '!run cat kept*; cat ran || echo "$((6 * 7)) times nothing"');
  await approve(phone, fresh);
  await sees(phone, '42 kept', 60);
  await sees(phone, '42 times nothing');
  const signed = await pollFor(await askAndSee(phone, '!run echo "$((6 * 7)) signed"'));
  await phone.vote(signed.id, [answerOf(signed, 'Approve')]);
  await sees(phone, '42 signed', 60);
  assert.equal(await claims(restored), before + 2);
  const audit = await restored.run(['audit']);
  assert.equal(audit.code, 0, audit.err);
  const ended = (await (await ledgerOf(restored)).since(0)).filter(({ author }) => author === 'operator');
  assert.deepEqual(
    ended.map(({ kind }) => kind).filter((kind) => ['void', 'unknown', 'alarm', 'frozen'].includes(kind)),
    ['frozen', 'void', 'void', 'unknown', 'alarm'],
  );
});

test('a ledger that lacks what was seen of it is told, and taken as it is once repin says so, frozen as after a restore', async () => {
  const here = restored ?? assert.fail('nothing was restored');
  // The executor writes what it saw within a second, and would write over this.
  const head = (await (await ledgerOf(here)).since(0)).at(-1)?.seq;
  await until(
    'the executor kept the head',
    async () => (await pinsOf(docker, here.project)).executor?.seq === head,
  );
  const further = `echo '{"seq":99999,"hash":"x"}' > /var/lib/pocketcoder/ledger.pin`;
  await execIn(docker, here.project, 'executor', ['sh', '-c', further]);
  const audit = await here.run(['audit']);
  assert.deepEqual(
    [audit.code, /entry 99999: the executor saw it, but the chain ends at/.test(audit.err)],
    [1, true],
  );
  const doctor = await here.run(['doctor']);
  assert.match(doctor.out, /FAIL {2}chain .*does not have entry 99999 as the executor saw it/);
  const early = await here.run(['repin']);
  assert.deepEqual([early.code, /The bot runs, so nothing was changed/.test(early.err)], [69, true]);
  assert.equal((await here.run(['stop'])).code, 0);
  assert.equal((await here.run(['repin'])).code, 0);
  restored = await startInstance({ home: here.home });
  const again = await restored.run(['audit']);
  assert.equal(again.code, 0, again.err);
  const last = (await (await ledgerOf(restored)).since(0)).filter(({ author }) => author === 'operator');
  assert.deepEqual(
    last.slice(-2).map(({ kind }) => kind),
    ['frozen', 'alarm'],
  );
});
