/** Tool servers in the engine: looked at, called where they are what was pinned, in containers that have nothing else. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { answeredBy } from '../../bot/src/room/answered.ts';
import { itemHash, toolsFault } from '../../ledger/rules/servers.cjs';
import type { Server } from '../../ledger/rules/state.cjs';
import { type CallArgs, newId, sha256 } from '../../ledger/src/action.ts';
import { makeTasks } from '../../sandbox/src/tasks.ts';
import { type Sandbox, startSandbox } from '../harness/sandbox.ts';
import { officialCommand, ownCommand, toolServerImage } from '../harness/toolserver/image.ts';
import { until } from '../harness/wait.ts';

let box: Sandbox;
let image = '';
before(async () => {
  box = await startSandbox();
  image = await toolServerImage(box.docker, box.place.images[''] ?? '', box.place.project.toLowerCase());
});
after(async () => {
  await box?.tasks.retire(box.name, false);
  await until('no server is left', async () => (await standing()) === 0);
  await box.stop();
  if (image) await box.docker.getImage(image).remove({ force: true });
});

async function look(way = '', command = ownCommand(way)) {
  const { image: id = '', ...told } = await box.tasks.servers.look(newId(), { name: 'own', image, command });
  return { ...told, image: id };
}
async function pinned(way = '', command = ownCommand(way)): Promise<Server> {
  const { tools, ...found } = await look('', command);
  const all = tools.map((item) => ({ class: 'exec' as const, item }));
  return { name: 'own', from: image, ...found, command, tools: all, id: newId(), workspace: 'main' };
}
function callOf(pin: Server, tool: string, params: object = {}): CallArgs {
  const item = pin.tools.find((one) => one.item.name === tool)?.item ?? assert.fail(tool);
  return { server: pin.name, tool, hash: itemHash(pin, item, sha256), params: { ...params } };
}
const call = (pin: Server, tool: string, params: object = {}, seconds = 30, id = newId()) =>
  box.tasks.servers.call(id, box.name, callOf(pin, tool, params), pin, seconds);
const textOf = (result: object) => answeredBy(JSON.stringify(result)).text;
const standing = async () => {
  const label = [`org.pocketcoder.server=${box.place.project}`];
  return (await box.docker.listContainers({ all: true, filters: { label } })).length;
};

test('a look tells every tool whole, in no words but its own, and leaves nothing behind', async () => {
  const told = await look();
  assert.match(told.image, /^sha256:[0-9a-f]{64}$/);
  assert.match(told.era, /^\d{4}-\d\d-\d\d$/);
  assert.deepEqual(told.tools[0]?.['annotations'], { readOnlyHint: true });
  assert.equal(JSON.stringify(told).includes('Do all that'), false, 'its instructions go nowhere');
  assert.equal(await standing(), 0);
});

test('a server is alone: a user of its own without a right, no network, no workspace; it stays warm, and ends with its task', async () => {
  const pin = await pinned();
  const said = await call(pin, 'say', { text: 'é' });
  assert.deepEqual(said, { end: 'answered', result: { content: [{ type: 'text', text: 'é' }] } });
  const first = await call(pin, 'look');
  assert.ok(first.end === 'answered');
  const [{ text }] = first.result['content'] as [{ text: string }];
  const { pid: _, ...seen } = JSON.parse(text) as { pid: number };
  assert.deepEqual(seen, { uid: 10010, caps: '0000000000000000', net: ['lo:'], mounts: 'no workspace' });
  assert.equal(await standing(), 1);
  const [one] = await box.docker.listContainers({ filters: { label: [`org.pocketcoder.server`] } });
  assert.deepEqual(one?.Mounts, []);
  assert.ok(await box.tasks.retire(box.name, false));
  await until('it is gone', async () => (await standing()) === 0);
});

test('an executor that stops takes its servers away, and another goes on with one of its own', async () => {
  const { servers, close } = makeTasks(box.docker, box.place);
  const pin = await pinned();
  assert.equal((await servers.call(newId(), box.name, callOf(pin, 'say'), pin, 30)).end, 'answered');
  assert.equal(await standing(), 1);
  close();
  await until('it is gone', async () => (await standing()) === 0);
  assert.equal((await call(pin, 'say')).end, 'answered');
});

test('results: pictures are named where they stand, a server’s own failure is one, and none of both is a crash', async () => {
  const pin = await pinned();
  const picture = await call(pin, 'picture');
  assert.ok(picture.end === 'answered');
  assert.equal(textOf(picture.result), '["image" of type "image/png", 70 bytes: number 1 in the room]');
  const failed = await call(pin, 'fail');
  assert.ok(failed.end === 'answered' && failed.result['isError'] === true);
});

test('a call that hangs ends with its time or a stop, and its server with it; one whose server dies is gone; the next has a new one', async () => {
  const pin = await pinned();
  assert.deepEqual(await call(pin, 'hang', {}, 3), { end: 'timeout' });
  assert.equal(await standing(), 0);
  const id = newId();
  const hanging = call(pin, 'hang', {}, 60, id);
  await until('it runs', async () => (await standing()) === 1);
  await box.tasks.kill(box.name, id);
  assert.deepEqual(await hanging, { end: 'stopped' });
  assert.deepEqual(await call(pin, 'die'), { end: 'gone' });
  assert.equal((await call(pin, 'say', { text: 'on' })).end, 'answered');
});

test('a list that never ends, and a server that does not begin to speak, end with a stop and in time, and nothing is called', async () => {
  const endless = await pinned('endless');
  assert.equal((await call(endless, 'say')).end, 'answered', 'it lists once as it should');
  assert.equal((await call(endless, 'say', {}, 3)).end, 'timeout');
  assert.equal(await standing(), 0);
  assert.equal((await call(endless, 'say')).end, 'answered', 'by another one');
  const id = newId();
  const listing = call(endless, 'say', {}, 60, id);
  await box.tasks.kill(box.name, id);
  assert.deepEqual(await listing, { end: 'stopped' });
  const other = newId();
  const silent = { name: 'own', image, command: ownCommand('silent') };
  const looking = assert.rejects(box.tasks.servers.look(other, silent), /it was stopped/);
  await until('it is started', async () => (await standing()) === 1);
  await box.tasks.kill(box.name, other);
  await looking;
  assert.equal(await standing(), 0);
});

test('one that writes without end is ended, a result of any shape is told, an image with volumes is not looked at; the twin is', async () => {
  const pin = await pinned();
  assert.deepEqual(await call(pin, 'flood'), { end: 'gone' });
  assert.equal(await standing(), 0);
  const odd = await call(pin, 'odd');
  assert.ok(odd.end === 'answered');
  assert.match(
    textOf(odd.result),
    /^\["unknown" of type "unknown": not passed on\]\n\["text": not passed on\]\n/,
  );
  const base = await box.docker.createContainer({ Image: image });
  const { Id } = await base.commit({ changes: 'VOLUME /data' });
  await base.remove();
  const command = ownCommand();
  try {
    const looking = box.tasks.servers.look(newId(), { name: 'own', image: Id, command });
    await assert.rejects(looking, /has volumes, which would lie on this machine without a limit/);
    assert.ok((await box.tasks.servers.look(newId(), { name: 'own', image, command })).tools.length > 0);
  } finally {
    await box.docker.getImage(Id).remove();
  }
});

test('what is no message is passed over, and what a server asks of its client is refused: neither keeps it from its calls', async () => {
  const pin = await pinned('junk');
  for (const text of ['a', 'b'])
    assert.deepEqual(await call(pin, 'say', { text }), {
      ...{ end: 'answered', result: { content: [{ type: 'text', text }] } },
    });
  assert.ok(await box.tasks.retire(box.name, false));
});

test('a server that says nothing is given up, and what an earlier process left is swept', async () => {
  await assert.rejects(look('silent'), /did not begin to speak/);
  await call(await pinned(), 'say', { text: 'left' });
  assert.equal(await standing(), 1);
  await box.tasks.sweep();
  assert.equal(await standing(), 0);
});

test('attack-36 a tool that changes after it was pinned is not called; the twin, which stays, is', async () => {
  const turned = await pinned('turns');
  assert.equal((await call(turned, 'say', { text: 'a' })).end, 'answered', 'as it was pinned');
  const after = await call(turned, 'say', { text: 'secret' });
  const why = 'of its tool say these differ: description, something else';
  assert.deepEqual(after, { end: 'changed', why }, 'in no word of its server’s');
  const pin = await pinned();
  for (const text of ['a', 'b']) assert.equal((await call(pin, 'say', { text })).end, 'answered');
  const other: Server = { ...pin, id: newId(), command: ownCommand('ours') };
  const elsewhere = box.tasks.servers.call(newId(), box.name, callOf(pin, 'say'), other, 30);
  assert.equal((await elsewhere).end, 'changed', 'of another command it is another tool');
});

test('attack-70 tools that could pass for each other, or have no name that is one, are refused at the look; the twin, named like ours, goes by its server’s name', async () => {
  for (const [way, why] of [
    ['twice', 'two tools are called Say'],
    ['odd', 'a tool has no name that is one'],
    ['long', 'is longer than 50 characters'],
  ] as const)
    await assert.rejects(look(way), (error) => String(error).includes(why));
  const { tools } = await look('ours');
  assert.deepEqual(
    tools.map(({ name }) => name),
    ['say', 'bash', 'read_file'],
  );
});

test('attack-72 what a server has to read is read by a tool of ours that its pin holds, and by no other; the twin, as pinned, is read once', async () => {
  const command = ownCommand('resources');
  const pin = await pinned('', command);
  assert.deepEqual(
    pin.tools.map(({ item }) => item.name),
    ['say', 'list_templates', 'list_resources', 'read_resource'],
    'its own tool of that name stays its own',
  );
  const ended = async (...of: Parameters<typeof call>) => {
    const told = await call(...of);
    return told.end === 'answered' ? told.result : told;
  };
  assert.deepEqual(await ended(pin, 'list_resources', { cursor: 'b' }), {
    ...{ resources: [{ uri: 'note:a', name: 'a' }], of: 'b' },
  });
  const read = await ended(pin, 'read_resource', { uri: 'note:a' });
  assert.equal(
    textOf(read),
    `the note\n["file" of type "image/png" at "note:a", 70 bytes: number 1 in the room]`,
  );
  const none = await call(pin, 'read_resource', { uri: 'note:b' });
  assert.ok(none.end === 'refused');
  assert.match(none.why, /no note:b$/);
  assert.ok(await box.tasks.retire(box.name, false));
  const bare = { ...(await pinned()), tools: pin.tools };
  const args = { ...callOf(bare, 'read_resource'), params: { uri: 'note:a' } };
  const why = 'it has no tool read_resource any more';
  assert.deepEqual(await box.tasks.servers.call(newId(), box.name, args, bare, 30), { end: 'changed', why });
  assert.ok(await box.tasks.retire(box.name, false));
});

test('attack-84 a secret is in the environment of its own image alone, and what the server says of it comes to nobody; the twin, another image, is given none', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'secrets-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const value = 'tok_"01\\23/456789+SECRET';
  const of = (named: string, what: string) => ({ host: `image:${named}`, user: 'x', value: what });
  const file = { MINE: of(image, value), PIN: of(image, '40417'), OTHER: of('other:1', value) };
  writeFileSync(join(folder, 'secrets.json'), JSON.stringify(file));
  const secrets = { TOKEN: 'MINE', PIN: 'PIN' };
  const egress = { image: 'none', secrets: join(folder, 'secrets.json') };
  const { servers, close, retire } = makeTasks(box.docker, { ...box.place, egress });
  t.after(close);
  const pin = { ...(await pinned()), secrets };
  const calls = (args: CallArgs, by: Server) => servers.call(newId(), box.name, args, by, 30);
  const args = callOf(pin, 'tell', { text: 'TOKEN' });
  const told = await calls(args, pin);
  assert.ok(told.end === 'answered');
  assert.deepEqual(told.result, {
    content: [{ type: 'text', text: '[secret] [secret] {"[secret]":"{"odd":"[secret]"}"}' }],
    '[secret]': { pin: '[secret]' },
  });
  const filters = { label: [`org.pocketcoder=${box.place.project}`] };
  const having: boolean[] = [];
  for (const { Id, Labels } of await box.docker.listContainers({ all: true, filters })) {
    const one = box.docker.getContainer(Id);
    if (JSON.stringify(await one.inspect()).includes('456789+SECRET'))
      having.push('org.pocketcoder.server' in Labels);
    assert.ok(!JSON.stringify([Labels, await one.top()]).includes('456789+SECRET'));
  }
  assert.deepEqual(having, [true], 'the engine has it, of that one');
  assert.ok(await retire(box.name, false));

  const command = ownCommand();
  const looks = (named: object) => servers.look(newId(), { name: 'own', image, command, ...named });
  await assert.rejects(
    looks({ secrets: { TOKEN: 'OTHER' } }),
    /the secret OTHER is not for image:pocketcoder/,
  );
  await assert.rejects(looks({ secrets: { TOKEN: 'NONE' } }), /the secret NONE is not there/);
  const moved = { ...pin, id: newId(), from: 'other:1' };
  await assert.rejects(calls(args, moved), /the secret MINE is not for image:other:1; nothing was opened/);
  assert.equal((await calls(args, { ...pin, secrets: { ...secrets, MORE: 'MINE' } })).end, 'changed');
  assert.ok(await retire(box.name, false));
  assert.ok((await looks({ secrets })).tools.length > 0);
  const bare = await pinned();
  const twin = await calls(callOf(bare, 'tell', { text: 'TOKEN' }), bare);
  assert.ok(twin.end === 'answered');
  assert.equal(textOf(twin.result).split(' ')[0], 'none');
  assert.ok(await retire(box.name, false));
});

test('the official server for files is looked at whole and reads what its image holds', async () => {
  const pin = await pinned('', officialCommand.split(' '));
  assert.equal(
    toolsFault(
      'own',
      pin.tools.map(({ item }) => item),
    ),
    '',
  );
  assert.ok(pin.tools.length > 10);
  const read = await call(pin, 'read_text_file', { path: '/srv/files/note' });
  assert.ok(read.end === 'answered');
  assert.match(textOf(read.result), /^a file of the server\n/);
});
