/** Tool servers at a URL: reached by the real proxy, each by one of its own, which has no other way and alone has the secret. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { pino } from 'pino';
import { answeredBy } from '../../bot/src/room/answered.ts';
import { defaultPolicy } from '../../ledger/rules/policy.cjs';
import { itemHash } from '../../ledger/rules/servers.cjs';
import type { Server } from '../../ledger/rules/state.cjs';
import {
  type Action,
  type Asked,
  type CallArgs,
  digestOf,
  makeAction,
  newId,
  type ReachArgs,
  sha256,
} from '../../ledger/src/action.ts';
import { startExecutor } from '../../sandbox/src/executor.ts';
import { makeTasks, type Tasks } from '../../sandbox/src/tasks.ts';
import { startLedger } from '../harness/ledger.ts';
import { type Origin, startOrigin } from '../harness/origin.ts';
import { type Sandbox, startSandbox } from '../harness/sandbox.ts';
import { ownCommand, toolServerImage } from '../harness/toolserver/image.ts';
import { makeRemote } from '../harness/toolserver/remote.ts';
import { until } from '../harness/wait.ts';

const value = 'tok_0123/456789+SECRET';
const bearer = `Bearer ${value}`;
const folder = mkdtempSync(join(tmpdir(), 'secrets-'));
const remote = makeRemote();
let box: Sandbox;
let origin: Origin;
let tasks: Tasks;
before(async () => {
  box = await startSandbox();
  origin = await startOrigin(box.docker, box.place.project, remote.serve);
  const secrets = join(folder, 'secrets.json');
  const elsewhere = { host: 'other.test', user: 'x', value };
  writeFileSync(secrets, JSON.stringify({ MINE: { ...elsewhere, host: 'origin.test' }, OTHER: elsewhere }));
  tasks = makeTasks(origin.docker, { ...box.place, egress: { ...origin.egress, secrets } });
});
afterEach(async () => {
  await tasks.retire(box.name, false);
  await until('nothing of it is left', async () => (await left()) === 0);
  Object.assign(remote, { instead: undefined, json: false, deaf: false, description: 'says it back' });
  for (const list of [remote.shown, remote.said]) list.length = 0;
});
after(async () => {
  tasks?.close();
  await tasks?.sweep();
  await origin?.stop();
  await box?.stop();
  rmSync(folder, { recursive: true });
});

const url = 'https://origin.test/mcp';
/** Containers, networks and volumes of ways out. */
async function left(): Promise<number> {
  const filters = { label: [`org.pocketcoder.egress=${box.place.project}`] };
  const containers = await box.docker.listContainers({ all: true, filters });
  const { Volumes } = await box.docker.listVolumes({ filters });
  return containers.length + Volumes.length + (await box.docker.listNetworks({ filters })).length;
}
const look = (more: Partial<ReachArgs> = {}) => tasks.servers.look(newId(), { name: 'far', url, ...more });
async function pinned(more: Partial<ReachArgs> = {}): Promise<Server> {
  const { tools, era } = await look(more);
  const all = tools.map((item) => ({ class: 'network' as const, item }));
  return { name: 'far', url, ...more, era, tools: all, id: newId(), workspace: 'main' };
}
function callOf(pin: Server, tool: string, params: object): CallArgs {
  const item = pin.tools.find((one) => one.item.name === tool)?.item ?? assert.fail(tool);
  return { server: pin.name, tool, hash: itemHash(pin, item, sha256), params: { ...params } };
}
const call = (pin: Server, tool: string, params: object = {}, seconds = 30, id = newId()) =>
  tasks.servers.call(id, box.name, callOf(pin, tool, params), pin, seconds);
const says = async (pin: Server, text: string) => {
  const told = await call(pin, 'say', { text });
  assert.deepEqual(told, { end: 'answered', result: { content: [{ type: 'text', text }] } });
};
const textOf = (result: object) => answeredBy(JSON.stringify(result)).text;
const methods = () => remote.shown.map((one) => one.split(' ')[0]);

test('a look and calls speak to it by one connection a task, by events or by JSON, and nothing of that is left', async () => {
  for (const json of [false, true]) {
    remote.json = json;
    remote.shown.length = 0;
    const pin = await pinned();
    assert.equal(await left(), 0, 'a look leaves nothing');
    assert.match(pin.era, /^\d{4}-\d\d-\d\d$/);
    assert.deepEqual(pin.tools[0]?.item['annotations'], { readOnlyHint: true });
    await says(pin, 'é <&>');
    await says(pin, 'x'.repeat(100_000));
    const begun = ['initialize', 'notifications/initialized', 'tools/list'];
    assert.deepEqual(methods(), [...begun, ...begun, 'tools/call', 'tools/list', 'tools/call']);
    assert.equal(await left(), 3, 'one container, with its network and volume');
    const [one] = await box.docker.listContainers({
      filters: { label: [`org.pocketcoder.egress=${box.place.project}`] },
    });
    const { Mounts, HostConfig } = await box.docker.getContainer(String(one?.Id)).inspect();
    assert.deepEqual([Mounts.length, HostConfig.ReadonlyRootfs, HostConfig.CapDrop], [1, true, ['ALL']]);
    assert.ok(await tasks.retire(box.name, false));
    await until('it ends with its task', async () => (await left()) === 0);
  }
});

test('one that forgot us is begun anew, once, before anything is called; one that keeps refusing is called by nobody', async () => {
  const pin = await pinned();
  await says(pin, 'a');
  remote.forget();
  remote.shown.length = 0;
  await says(pin, 'b');
  const begun = ['tools/list', 'initialize', 'notifications/initialized', 'tools/list', 'tools/call'];
  assert.deepEqual(methods(), begun);
  assert.deepEqual(remote.said, ['say a', 'say b']);
  remote.instead = (_, res) => res.writeHead(404).end();
  remote.shown.length = 0;
  await assert.rejects(
    call(pin, 'say', { text: 'c' }),
    /did not begin to speak: .*origin\.test answered 404/,
  );
  assert.deepEqual(methods(), ['tools/list', 'initialize']);
});

test('a call that is cut in the middle is gone, one that hangs ends with its time or a stop; the next goes by another connection', async () => {
  const pin = await pinned();
  assert.deepEqual(await call(pin, 'die'), { end: 'gone' });
  assert.deepEqual(remote.said, ['die undefined'], 'it came there, and was sent once');
  await says(pin, 'on');
  assert.deepEqual(await call(pin, 'hang', {}, 3), { end: 'timeout' });
  await until('its way is gone', async () => (await left()) === 0);
  const id = newId();
  const hanging = call(pin, 'hang', {}, 60, id);
  await until('it is called', async () => methods().filter((one) => one === 'tools/call').length === 4);
  await tasks.kill(box.name, id);
  assert.deepEqual(await hanging, { end: 'stopped' });
  await says(pin, 'and on');
});

test('a server that asks us in the middle of a call is answered, and what becomes of that answer is nothing of the call', async () => {
  const pin = await pinned();
  for (const deaf of [false, true]) {
    remote.deaf = deaf;
    assert.equal((await call(pin, 'ping')).end, 'answered');
  }
  assert.equal(methods().filter((one) => one === 'undefined').length, 12);
});

test('attack-36 a server at a URL whose tool changes after it was pinned is not called; the twin, which stays, is', async () => {
  const pin = await pinned();
  await says(pin, 'the twin');
  remote.description = 'says it to others';
  const why = 'of its tool say these differ: description';
  assert.deepEqual(await call(pin, 'say', { text: 'a secret' }), { end: 'changed', why });
  remote.description = 'says it back';
  const moved: Server = { ...pin, url: `${url}/other` };
  const args = callOf(pin, 'say', {});
  assert.equal((await tasks.servers.call(newId(), box.name, args, moved, 30)).end, 'changed');
  assert.deepEqual(remote.said, ['say the twin']);
});

test('attack-38 a way to a server leads to its host alone: not where it redirects to, nor inside, nor to who has another certificate; the twin is reached', async () => {
  origin.seen.length = 0;
  remote.instead = (_, res) => res.writeHead(307, { location: `https://${origin.names.machine}/mcp` }).end();
  await assert.rejects(look(), /origin\.test answered 307; no redirect is followed/);
  remote.instead = (_, res) => res.writeHead(307, { location: '/elsewhere' }).end();
  await assert.rejects(look(), /no redirect is followed/);
  assert.deepEqual(
    origin.seen.splice(0).map((one) => one.slice(0, 9)),
    ['POST /mcp', 'POST /mcp'],
  );
  remote.instead = undefined;
  for (const host of [origin.names.inside, origin.names.machine])
    await assert.rejects(look({ url: `https://${host}/mcp` }), /leads to an address of the inside/);
  const believes = makeTasks(origin.docker, { ...box.place, egress: { image: origin.egress.image } });
  await assert.rejects(
    believes.servers.look(newId(), { name: 'far', url }),
    /origin\.test could not be reached, or not to the end: .*certificate/,
  );
  believes.close();
  const bare = makeTasks(origin.docker, box.place);
  await assert.rejects(bare.servers.look(newId(), { name: 'far', url }), /no image for a way out/);
  bare.close();
  assert.deepEqual(origin.seen, []);
  await says(await pinned(), 'the twin');
});

test('attack-38 a server of an image with a way out reaches its hosts alone, only while it is called, and nothing of that is left; the twin, without one, has no network', async (t) => {
  const tag = `${box.place.project.toLowerCase()}-out`;
  const image = await toolServerImage(box.docker, box.place.images[''] ?? '', tag);
  t.after(() => box.docker.getImage(image).remove({ force: true }));
  remote.instead = (_, res) => res.end('from outside');
  const where = { name: 'own', image, command: ownCommand(), hosts: ['origin.test', origin.names.inside] };
  const { image: id = '', tools, era } = await tasks.servers.look(newId(), where);
  assert.equal(await left(), 0, 'a look leaves nothing');
  const all = tools.map((item) => ({ class: 'network' as const, item }));
  const pin: Server = { ...where, from: image, image: id, era, tools: all, id: newId(), workspace: 'main' };
  const fetched = async (by: Server, to: string) => {
    const told = await call(by, 'fetch', { text: to });
    return told.end === 'answered' ? textOf(told.result) : told.end;
  };
  origin.seen.length = 0;
  assert.equal(await fetched(pin, 'https://origin.test/a?b'), '200 from outside');
  assert.equal(await left(), 0, 'its way ended with the call');
  for (const name of [origin.names.machine, origin.names.inside, 'other.test'])
    assert.match(await fetched(pin, `https://${name}/`), /^(not reached|[45]\d\d PocketCoder: )/, name);
  assert.match(await fetched(pin, `http://${origin.address}/`), /^not reached/);
  assert.deepEqual(origin.seen, ['GET /a?b'], 'nothing else came there');
  const seen = await call(pin, 'look');
  assert.ok(seen.end === 'answered');
  const { pid: _, ...alone } = JSON.parse(textOf(seen.result)) as { pid: number };
  assert.deepEqual(alone, { uid: 10010, caps: '0000000000000000', net: ['lo:'], mounts: 'no workspace' });
  await Promise.all(['a', 'b'].map((text) => says(pin, text)));
  const stopped = newId();
  const hanging = call(pin, 'hang', {}, 60, stopped);
  const filters = { label: [`org.pocketcoder.server=${box.place.project}`] };
  await until('it runs', async () => (await box.docker.listContainers({ filters })).length === 1);
  await tasks.kill(box.name, stopped);
  assert.deepEqual(await hanging, { end: 'stopped' });
  assert.deepEqual([await left(), (await box.docker.listContainers({ all: true, filters })).length], [0, 0]);
  const elsewhere: Server = { ...pin, hosts: ['other.test'] };
  const other = tasks.servers.call(newId(), box.name, callOf(pin, 'fetch', {}), elsewhere, 30);
  assert.equal((await other).end, 'changed', 'with another way it is another tool');
  const { hosts: __, ...inward } = pin as typeof pin & { hosts: string[] };
  assert.match(await fetched(inward, 'https://origin.test/a'), /^not reached/);
});

test('attack-59 a secret is shown to its own host by the proxy alone, and what the server says of it comes to nobody; the twin, without one, shows none', async () => {
  const pin = await pinned({ secret: 'MINE' });
  const told = await call(pin, 'tell');
  assert.ok(told.end === 'answered');
  assert.equal(textOf(told.result), 'Bearer [secret] Bearer [secret]');
  assert.ok(remote.shown.length > 0 && remote.shown.every((one) => one.endsWith(` ${bearer}`)));
  const filters = { label: [`org.pocketcoder=${box.place.project}`] };
  for (const { Id } of await box.docker.listContainers({ all: true, filters }))
    assert.ok(!JSON.stringify(await box.docker.getContainer(Id).inspect()).includes('456789+SECRET'));
  // As other writers of JSON have it, and within a text that is JSON again.
  const escaped = (text: string) => text.replaceAll('+', '\\u002B').replaceAll('/', '\\/');
  const message = `no such token: ${value} ${escaped(value)} ${escaped(escaped(value).replaceAll('\\', '\\\\'))}`;
  remote.instead = (_, res, body) => {
    const { id } = JSON.parse(body.toString('utf8'));
    res.setHeader('content-type', 'application/json');
    const all = { jsonrpc: '2.0', id, error: { code: -1, message } };
    res.end(JSON.stringify(all).replaceAll('+', '\\u002b'));
  };
  await assert.rejects(look({ secret: 'MINE' }), /no such token: \[secret\] \[secret\] \[secret\]$/);
  remote.instead = undefined;
  remote.shown.length = 0;
  await assert.rejects(look({ secret: 'OTHER' }), /the secret OTHER is not for origin\.test; nothing was/);
  await assert.rejects(look({ secret: 'NONE' }), /the secret NONE is not there/);
  assert.deepEqual(remote.shown, []);
  const open = await pinned();
  const twin = await call(open, 'tell');
  assert.ok(twin.end === 'answered');
  assert.equal(textOf(twin.result), ' ');
});

test('attack-72 by the real ledger and executor: from the look to a call, each by a signed answer, and nothing goes out before one, nor by a tap; the twin, as pinned, is answered once', async () => {
  const server = await startLedger();
  const [bot, operator] = [await server.connect('bot'), await server.connect('operator')];
  const keys = { user: '@owner:test', master: 'm', device: 'D', ed25519: 'e', curve25519: 'c' };
  await operator.append({ kind: 'identity.enrolled', body: keys });
  const ledger = await server.connect('executor');
  const executor = startExecutor({ ledger, tasks, name: 'one', log: pino({ level: 'silent' }) });
  await executor.ready;
  const put = (action: Action, kind: string, body: object) =>
    bot.append({ kind, action: action.id, body: { digest: digestOf(action), ...body } });
  async function asks(what: object, requester: string): Promise<Action> {
    const action = makeAction({ ...what, ...box.name, requester } as Asked, defaultPolicy);
    await bot.append({ kind: 'requested', action: action.id, body: action });
    await put(action, 'posted', { room: '!r', event: '$e', form: 'poll' });
    return action;
  }
  const approve = (action: Action, grade = 'signed') =>
    put(action, 'approved', {
      grade,
      evidence: { user: keys.user, device: 'D', event: `$${action.id}`, form: 'poll' },
    });
  const ends = async (action: Action, kind: string): Promise<string> => {
    const entry = await until(`${kind} of ${action.kind}`, async () =>
      (await bot.story(action.id)).find((e) => e.kind === kind),
    );
    return String(JSON.parse(entry.body).output);
  };
  try {
    const where = { name: 'far', url, secret: 'MINE' };
    const looks = await asks({ kind: 'server_reach', args: where }, keys.user);
    await assert.rejects(approve(looks, 'sealed'), /grade/);
    assert.deepEqual(remote.shown, []);
    await approve(looks);
    const { tools, era } = JSON.parse(await ends(looks, 'succeeded'));
    const all = tools.map((item: object) => ({ class: 'network', item }));
    const args = { ...where, era, tools: all };
    const pin: Server = { ...args, id: newId(), workspace: box.name.workspace };
    const call = { kind: 'mcp_out', args: { ...callOf(pin, 'say', { text: 'hi' }), url } };
    await assert.rejects(asks(call, 'brain'), /not_pinned/);
    const pins = await asks({ kind: 'server_pin', args }, keys.user);
    await approve(pins);
    const { workspace, task } = box.name;
    await put(pins, 'applied', {
      kind: 'server_pin',
      args,
      workspace,
      task,
      by: [{ user: keys.user, device: 'D' }],
    });
    const calls = await asks(call, 'brain');
    await assert.rejects(approve(calls, 'sealed'), /grade/);
    assert.deepEqual(remote.said, []);
    await approve(calls);
    assert.equal(answeredBy(await ends(calls, 'succeeded')).text, 'hi');
    assert.deepEqual(remote.said, ['say hi']);
  } finally {
    await executor.stop();
    await server.stop();
  }
});
