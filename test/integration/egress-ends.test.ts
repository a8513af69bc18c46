/** How a network lease ends: by its bytes, its time, who holds it; who brings its listener; and what it costs who holds it. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import tls from 'node:tls';
import { ensureImage } from '../../console/engine/images.ts';
import type { Serve } from '../harness/origin.ts';
import { type LeaseProxy, type Leases, startLeases } from '../harness/proxy.ts';
import { asks, get, host, readOf, rule, secured, status, tunnelOf } from '../harness/tunnel.ts';
import { until } from '../harness/wait.ts';

const serve: Serve = (req, res) => {
  if (req.url === '/endless') {
    const timer = setInterval(() => res.write(Buffer.alloc(2000, 'x')), 20);
    res.on('close', () => clearInterval(timer));
  } else res.end(req.url === '/large' ? Buffer.alloc(4e6, 'x') : 'from outside\n');
};

let leases: Leases;
before(async () => {
  leases = await startLeases(serve);
});
afterEach(() => leases?.end());
after(() => leases?.stop());

test('attack-38 bytes either way are what the origin counts, and are cut to the byte whatever carries them; the twin of as many goes through', async () => {
  const proxy = await leases.open({ down: 5_000_000, rules: [{ ...rule, class: 'any' }] });
  leases.origin.bytes();
  assert.equal((await asks(proxy, get('/large'))).length > 4e6, true);
  await asks(proxy, get('/small', `Content-Length: 100000\n`, 'POST').concat('x'.repeat(100_000)));
  await until('a tick', () => (proxy.lines.at(-1)?.up ?? 0) > 100_000);
  proxy.release();
  const counted = leases.origin.bytes();
  assert.deepEqual(await proxy.over, { end: 'its executor let go', ...counted });
  assert.ok(counted.up > 100_000 && counted.down > 4e6);
  // Paths, and headers, take from what may go up.
  const little = await leases.open({ up: 20_000 });
  leases.origin.bytes();
  for (let n = 0; n < 40 && little.lines.at(-1)?.end === undefined; n++)
    await asks(little, get(`/${'x'.repeat(500)}`, `X: ${'y'.repeat(500)}\n`)).catch(() => {});
  assert.deepEqual(
    [(await little.over)?.end, (await little.over)?.up],
    ['its bytes up were used up', 20_000],
  );
  // What the proxy handed over may still be on its way, or be gone with it: less may have arrived, never more.
  const arrived = leases.origin.bytes().up;
  assert.ok(arrived > 0 && arrived <= 20_000, String(arrived));
  const less = await leases.open({ down: 1_000_000 });
  const several = await Promise.all([1, 2, 3].map(() => asks(less, get('/large'))));
  assert.deepEqual(
    [(await less.over)?.end, (await less.over)?.down],
    ['its bytes down were used up', 1_000_000],
  );
  assert.ok(several.join('').length < 1_000_000);
});

/** What of a stream that never ends has come, until it is over. */
async function streaming(proxy: LeaseProxy): Promise<{ heard(): number; over: Promise<string> }> {
  const conn = await secured(proxy);
  let heard = 0;
  conn.on('data', ({ length }: Buffer) => {
    heard += length;
  });
  const over = readOf(conn);
  conn.write(get('/endless').replaceAll('\n', '\r\n'));
  await until('it flows', () => heard > 10_000);
  return { heard: () => heard, over };
}
const isOver = async (proxy: LeaseProxy) => assert.rejects(tunnelOf(proxy), /ECONNREFUSED/);

test('attack-38 a lease is over at its moment, with its stdin, after 15 s of silence, and by kill -9, and what flowed with it; the twin flowed', async () => {
  const at = Date.now() + 6000;
  const short = await leases.open({ until: new Date(at).toISOString() });
  const flow = await streaming(short);
  await flow.over;
  const late = Date.now() - at;
  assert.ok(late >= 0 && late < 2000, `${late} ms late`);
  assert.equal((await short.over)?.end, 'its time was over');
  await isOver(short);
  const [released, silent, killed] = [await leases.open(), await leases.open(), await leases.open()];
  const flows = await Promise.all([released, silent, killed].map(streaming));
  released.release();
  assert.equal((await released.over)?.end, 'its executor let go');
  await killed.container.kill({ signal: 'SIGKILL' });
  await Promise.all([flows[0]?.over, flows[2]?.over]);
  await Promise.all([isOver(released), isOver(killed)]);
  const since = Date.now();
  silent.silence();
  const before = flows[1]?.heard() ?? 0;
  await flows[1]?.over;
  assert.ok(
    Date.now() - since > 10_000 && (flows[1]?.heard() ?? 0) > before + 100_000,
    'it flowed meanwhile',
  );
  assert.equal((await silent.over)?.end, 'its executor was silent');
  await isOver(silent);
});

test('attack-38 a listener is lent once, and none where somebody stands on its port; the twin was lent', async () => {
  const taken = net.createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  try {
    const proxy = await leases.open();
    assert.match(await asks(proxy, get('/small')), /from outside/);
    const { port } = taken.address() as net.AddressInfo;
    await assert.rejects(leases.lend(proxy, leases.here, port), /could not be made/);
    await assert.rejects(leases.lend(proxy, leases.here, port + 1), /could not be made/);
    assert.match(await asks(proxy, get('/small')), /from outside/);
  } finally {
    taken.close();
  }
});

test('attack-38 a flood of refusals costs who holds the lease little; the twin of them is told', async () => {
  const proxy = await leases.open({ rules: [{ ...rule, path: '/pkg' }] });
  const conn = await secured(proxy);
  const over = readOf(conn);
  const since = Date.now();
  for (let n = 0; n < 2000; n++) conn.write(`GET /${n}${'x'.repeat(1000)} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  conn.write(get('/pkg').replaceAll('\n', '\r\n'));
  assert.match(await over, /from outside/);
  const told = proxy.lines.filter(({ refused }) => refused);
  const most = 10 * (2 + (Date.now() - since) / 1000);
  assert.ok(told.length >= 10 && told.length <= most, `${told.length} of ${most}`);
  assert.ok(told.every((line) => JSON.stringify(line).length < 700));
  assert.match(told[0]?.refused ?? '', /^GET https:\/\/origin\.test\/0x+$/);
});

/** Writes until there is no room. @throws Error then */
function fill(pipe: number): never {
  for (;;) writeSync(pipe, Buffer.alloc(4096));
}

test('attack-38 who does not read what a proxy prints holds up neither requests nor its end; the twin reads its last word', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'egress-'));
  try {
    // Here and not in a container: an engine reads ahead of who asks it.
    const { id } = await leases.docker.createContainer({ Image: await ensureImage('egress') });
    const unpacking = spawn('tar', ['-xC', dir], { stdio: ['pipe', 'ignore', 'inherit'] });
    (await leases.docker.getContainer(id).getArchive({ path: '/egress' })).pipe(unpacking.stdin);
    await once(unpacking, 'exit');
    await leases.docker.getContainer(id).remove();
    const program = join(dir, 'egress');
    for (const stalled of [true, false]) {
      const [printed, lend] = [join(dir, `printed-${stalled}`), join(dir, `lend-${stalled}`)];
      execFileSync('mkfifo', [printed]);
      const pipe = openSync(printed, constants.O_RDWR | constants.O_NONBLOCK);
      if (stalled) assert.throws(() => fill(pipe), /EAGAIN/);
      const child = spawn('sh', ['-c', 'exec "$0" > "$1"', program, printed], {
        stdio: ['pipe', 'ignore', 'ignore'],
      });
      const gone = once(child, 'exit');
      const order = { rules: [rule], up: 1, down: 1, until: new Date(Date.now() + 60_000), socket: lend };
      child.stdin.write(`${JSON.stringify(order)}\n`);
      const port = randomInt(20_000, 32_000);
      execFileSync(program, ['lend', `127.0.0.1:${port}`, lend]);
      for (let n = 0; n < 5; n++) {
        const options = { socket: await tunnelOf({ port }), servername: host, rejectUnauthorized: false };
        const conn = tls.connect(options);
        conn.write(get('/', '', 'PUT').replaceAll('\n', '\r\n'));
        assert.equal(status(await readOf(conn)), '403');
      }
      const since = Date.now();
      child.stdin.end();
      await gone;
      assert.ok(Date.now() - since < 5000);
      const [bytes, last] = [Buffer.alloc(100_000), /"end":"its executor let go"/];
      if (stalled) assert.doesNotMatch(bytes.toString('latin1', 0, readSync(pipe, bytes)), last);
      else assert.match(bytes.toString('latin1', 0, readSync(pipe, bytes)), last);
      closeSync(pipe);
    }
  } finally {
    rmSync(dir, { recursive: true });
  }
});
