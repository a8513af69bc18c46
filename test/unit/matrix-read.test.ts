/** What a message says now, looked up again on real crypto: whatever the homeserver answers, no more than words come of it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { readEvent } from '../../bot/src/proof/read.ts';
import type { WireEvent } from '../../bot/src/types.ts';
import { forged, say } from '../adversary/small/answers.ts';
import { type SmallWorld, smallWorld } from '../adversary/small/world.ts';

let w: SmallWorld;
before(async () => {
  w = await smallWorld();
});
after(() => w.stop());

/** What is read where the homeserver answers so. */
function served(answer: () => unknown): Promise<unknown> {
  const client = { api: async () => answer() };
  return readEvent(w.crypto.decrypt, client, w.room, '$x' as WireEvent['event_id']);
}
const words = (body: string) => ({ msgtype: 'm.text', body });

test('the bot’s own message and a person’s are read, as their own sender edited them last', async () => {
  const first = await w.say('m.room.message', words('first'));
  assert.equal(await served(() => first), 'first');
  const replaces = { rel_type: 'm.replace', event_id: first.event_id };
  const edit = await w.say('m.room.message', {
    ...words('* all of it'),
    ...{ 'm.new_content': words('all of it'), 'm.relates_to': replaces },
  });
  const edited = (by: WireEvent) => ({ ...first, unsigned: { 'm.relations': { 'm.replace': by } } });
  assert.equal(await served(() => edited(edit)), 'all of it');
  const person = await say(w.owner, 'mine');
  await w.serve(person);
  assert.equal(await served(() => person), 'mine');
  assert.equal(await served(() => edited(person)), 'first', 'nobody else edits it');
});

test('what is no event, in the clear, or of a device that nobody signed, is nothing', async () => {
  const fresh = await w.device('@owner:x', 'FRESH');
  const unsigned = await say(fresh, 'x');
  await w.serve(unsigned);
  for (const answer of [undefined, null, 5, [], {}, forged('m.room.message', words('x')), unsigned])
    assert.equal(await served(() => answer), '');
  const gone = () => {
    throw new Error('not found');
  };
  assert.equal(await served(gone), '');
  assert.equal(await served(() => new Promise(() => {})), '', 'and one that never answers is not waited for');
});
