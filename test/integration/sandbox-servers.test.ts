/** Tool servers in the engine: looked at, called where they are what was pinned, in containers that have nothing else. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { itemHash, toolsFault } from '../../ledger/rules/servers.cjs';
import type { Server } from '../../ledger/rules/state.cjs';
import { type CallArgs, newId, sha256 } from '../../ledger/src/action.ts';
import { type Sandbox, startSandbox } from '../harness/sandbox.ts';
import { officialCommand, ownCommand, toolServerImage } from '../harness/toolserver/image.ts';

let box: Sandbox;
let image = '';
before(async () => {
  box = await startSandbox();
  image = await toolServerImage(box.docker, box.place.images[''] ?? '', box.place.project.toLowerCase());
});
after(async () => {
  await box?.stop();
  if (image) await box.docker.getImage(image).remove({ force: true });
});

const look = (way = '', name = 'own') =>
  box.tasks.servers.look(newId(), { name, image, command: ownCommand(way) });
async function pinned(way = '', command = ownCommand(way)): Promise<Server> {
  const { tools, ...found } = await box.tasks.servers.look(newId(), { name: 'own', image, command });
  const all = tools.map((item) => ({ class: 'exec' as const, item }));
  return { name: 'own', from: image, ...found, command, tools: all, id: newId(), workspace: 'main' };
}
function callOf(pin: Server, tool: string, params: object = {}): CallArgs {
  const item = pin.tools.find((one) => one.item.name === tool)?.item ?? assert.fail(tool);
  return { server: pin.name, tool, hash: itemHash(pin, item, sha256), params: { ...params } };
}
const call = (pin: Server, tool: string, params: object = {}, seconds = 30, id = newId()) =>
  box.tasks.servers.call(id, box.name, callOf(pin, tool, params), pin, seconds);
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
  for (let left = 50; left > 0 && (await standing()) > 0; left--) await new Promise(setImmediate);
  await box.tasks.warm(box.name);
  assert.equal(await standing(), 0);
});
