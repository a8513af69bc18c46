/** Leases of the network as a task has them: real programs in containers that have no network, each with a way of its own. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { makeRepositories } from '../harness/git-backend.ts';
import type { Serve } from '../harness/origin.ts';
import { type Leases, startLeases } from '../harness/proxy.ts';
import { host, rule } from '../harness/tunnel.ts';

const repositories = makeRepositories('mine.git', 'other.git');
/** What a registry says of a package. */
const registry: Record<string, string> = {
  '/packages/one': JSON.stringify({
    name: 'one',
    'dist-tags': { latest: '1.2.3' },
    versions: { '1.2.3': { name: 'one', version: '1.2.3' } },
  }),
  '/packages/two/': '<a href="/packages/two-4.5.6-py3-none-any.whl">two-4.5.6-py3-none-any.whl</a>',
};
const serve: Serve = (req, res, body) => {
  const said = registry[String(req.url)];
  if (/^\/\w+\.git\//.test(String(req.url))) repositories.serve(req, res, body);
  else if (said) res.setHeader('content-type', said[0] === '<' ? 'text/html' : 'application/json').end(said);
  else res.end('from outside\n');
};

let leases: Leases;
before(async () => {
  leases = await startLeases(serve);
});
afterEach(() => leases?.end());
after(async () => {
  repositories.remove();
  await leases?.stop();
});

test('curl, git, npm and pip go by it from a container without a network, and print why something did not', async () => {
  const task = await leases.idle('none');
  const packages = { ...rule, path: '/packages' };
  const fetches = { ...rule, class: 'git-fetch', path: '/mine.git' };
  const proxy = await leases.open({ rules: [packages, fetches] }, {}, task);
  const curl = (more: string) => leases.runs(task, proxy, `curl -sS -w ' by %{http_version}' ${more}`);
  assert.equal(await curl(`https://${host}/packages/x`), 'from outside\n by 2');
  assert.equal(await curl(`--http1.1 https://${host}/packages/x`), 'from outside\n by 1.1');
  const told = /PocketCoder: no lease covers (\S+ \S+)\. The tool `network`/;
  assert.equal(
    told.exec(await curl(`-d x https://${host}/packages/x`))?.[1],
    `POST https://${host}/packages/x`,
  );
  assert.equal(told.exec(await curl('https://other.test/'))?.[1], 'GET https://other.test/');
  const npm = (name: string, at = 'packages') =>
    leases.runs(task, proxy, `npm view ${name} version --registry https://${host}/${at} --cache /tmp/npm`);
  assert.match(await npm('one'), /^1\.2\.3$/m);
  assert.equal(told.exec(await npm('one', 'no'))?.[1], `GET https://${host}/no/one`);
  const versions = await leases.runs(
    task,
    proxy,
    `pip index versions two --index-url https://${host}/packages`,
  );
  assert.match(versions, /^two \(4\.5\.6\)$/m);
  const make =
    'git init -q -b main w && cd w && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m first && ' +
    `git remote add o https://${host}`;
  assert.match(await leases.runs(task, proxy, `${make}/mine.git && git push -q o main`), told);
  assert.match(await leases.runs(task, proxy, `git ls-remote https://${host}/other.git`), told);
  assert.equal(
    leases.origin.seen.some((one) => /receive-pack|other\.git/.test(one)),
    false,
  );
  proxy.release();

  const pushes = await leases.open({ rules: [{ ...fetches, class: 'git-push' }] }, {}, task);
  assert.equal(await leases.runs(task, pushes, 'cd w && git push -q o main'), '');
  const fetching = await leases.open({ rules: [fetches] }, {}, task);
  assert.equal(
    await leases.runs(task, fetching, `git clone -q https://${host}/mine.git c && git -C c log --format=%s`),
    'first\n',
  );
  assert.match(
    await leases.runs(
      task,
      fetching,
      'cat /proc/net/dev | grep -c :; curl -sS --noproxy "*" https://192.0.2.1',
    ),
    /^1\n.*[Cc]ouldn't connect|^1\n.*unreachable|^1\n.*Failed to connect/,
  );
});

test('attack-38 two leases are apart: no task has the other’s way, authority or rules, nor has one that was; the twins have theirs', async () => {
  const [one, two] = [await leases.idle('none'), await leases.idle('none')];
  const first = await leases.open({ rules: [{ ...rule, path: '/one' }] }, {}, one);
  const second = await leases.open({ rules: [{ ...rule, path: '/two' }] }, {}, two);
  leases.origin.seen.length = 0;
  const reach = (path: string) => `curl -sS https://${host}${path} 2>&1`;
  assert.equal(await leases.runs(one, first, reach('/one')), 'from outside\n');
  assert.equal(await leases.runs(two, second, reach('/two')), 'from outside\n');
  assert.match(await leases.runs(one, first, reach('/two')), /no lease covers/);
  assert.match(
    await leases.runs(two, { ...second, port: first.port }, reach('/two')),
    /Failed to connect|Connection refused/,
  );
  assert.match(await leases.runs(one, { ...first, ca: second.ca }, reach('/one')), /certificate/);
  first.release();
  await first.over;
  // A way of its own again, and the one before stays shut.
  const again = await leases.open({ rules: [{ ...rule, path: '/again' }] }, {}, one);
  assert.match(await leases.runs(one, first, reach('/one')), /Failed to connect|Connection refused/);
  assert.match(await leases.runs(one, { ...first, port: again.port }, reach('/again')), /certificate/);
  assert.equal(await leases.runs(one, again, reach('/again')), 'from outside\n');
  assert.deepEqual(leases.origin.seen, ['GET /again']);
});
