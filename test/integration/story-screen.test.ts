/** `!screen`: what the task's terminal shows, as text in the room, while it is there to be seen. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { approve, askAndSee, endsWith, hears } from '../harness/answers.ts';
import { type Rig, startRig } from '../harness/rig.ts';
import { until } from '../harness/wait.ts';

let rig: Rig;
before(async () => {
  rig = await startRig();
});
after(() => rig?.stop());

/** What it decided: the kinds of its entries, and whose answer that was. */
async function decided(nth: number): Promise<[kinds: string[], form: string]> {
  const { action } = await until('it', async () => (await screens())[nth]);
  const approved = (await rig.entries('approved')).find((e) => e.action === action);
  return [await rig.storyOf(action), JSON.parse(approved?.body ?? '').evidence.form];
}
const screens = async () =>
  (await rig.entries('requested')).filter((e) => e.body.includes('"kind":"screen"'));
const looked = ['requested', 'posted', 'approved', 'claimed', 'running', 'succeeded'];

test('what runs is seen while it runs, without a card, recorded like every read; what else reads waits', async () => {
  const { phone } = rig;
  const script = [
    `printf '\\033[31mred\\033[0m 10%%\\r\\033[31mred\\033[0m 90%%\\n'`,
    `printf 'a\\342\\200\\256b\\342\\200\\213c \\033]52;c;c2VjcmV0\\007\\033]0;title\\007end\\n'`,
    'until [ -e uploads ]; do sleep 0.1; done',
    'echo over',
  ].join('\n');
  const card = await askAndSee(phone, `!run ${script}`);
  await approve(phone, card);
  await phone.until('its output', (p) => p.timeline().some((e) => /red 90%/.test(String(e.content['body']))));
  await phone.say('!files');
  const shown = await hears(phone, '!screen', 'end');
  assert.match(shown, /^#3 ✅ done/);
  assert.match(shown, /red 90%/);
  assert.match(shown, /a\\u\{202E\}b\\u\{200B\}c/);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there.
  assert.doesNotMatch(shown, /10%|c2VjcmV0|title|[\u202E\u200B\x1b\x07]/);
  assert.deepEqual(await decided(0), [looked, 'command']);
  const list = (await rig.entries('requested')).find((e) => e.body.includes('"kind":"list"'));
  assert.equal((await rig.storyOf(list?.action ?? '')).at(-1), 'approved', 'its twin waits for what runs');
  await phone.say('!stop');
  await endsWith(phone, card, 'stopped by you');
  assert.ok((await rig.storyOf(list?.action ?? '')).includes('denied'));
});

test('what the last action left is seen after its end, of a full screen the end, and all of it as a file', async () => {
  const { phone } = rig;
  const card = await askAndSee(phone, '!run seq 1000 1100');
  await approve(phone, card);
  await endsWith(phone, card, '✅ ended with exit 0');
  const shown = await hears(phone, '!screen', '1100');
  assert.match(shown, /1099\n\|? ?1100/);
  assert.doesNotMatch(shown, /\b10[0-4]\d\b/);
  await phone.until('the file', (p) =>
    p
      .timeline()
      .some((e) => e.content['msgtype'] === 'm.file' && /^output-\d+\.txt$/.test(String(e.content['body']))),
  );
  assert.deepEqual(await decided(1), [looked, 'command']);
});
