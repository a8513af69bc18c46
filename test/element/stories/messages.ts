/** What a person sends besides answers. */
import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../../harness/wait.ts';
import { asksFor, nextCard } from '../cards.ts';
import type { Stage } from '../stage.ts';
import { story } from '../story.ts';

const dir = mkdtempSync(join(tmpdir(), 'pocketcoder-sent-'));
/** A file on the phone. */
function fileNamed(name: string, bytes: string | Buffer): string {
  const path = join(dir, name);
  writeFileSync(path, bytes);
  return path;
}
const pixel = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABpfZFQAAAAABJRU5ErkJggg==',
  'base64',
);

export function messages(on: () => Stage): void {
  /** All that the model was ever told. */
  const told = (): string => JSON.stringify(on().instance.model?.seen ?? []);
  const toldOf = (words: string): Promise<boolean> =>
    until(`the model to be told: ${words}`, () => told().includes(words), { seconds: 30 });

  story('an edit of a command changes nothing of what was asked, and a line below it says so', async () => {
    const { room, ledger } = on();
    const event = await room.say('!run echo as-first-written');
    const card = await nextCard(room, 'as-first-written');
    await room.edit(event, '!run echo as-edited');
    await room.until('an answer to the edit', (rows) =>
      rows.find((row) => !row.own && row.reply_to === event),
    );
    await room.tap(card.id, card.named);
    await room.sees('| as-first-written');
    const asked = (await ledger.since(0)).filter((entry) => entry.kind === 'requested');
    assert.ok(!asked.some((entry) => entry.body.includes('as-edited')));
  });

  story('words that are edited are not heard again', async () => {
    const { room } = on();
    const event = await room.say('Please list old/.');
    await room.sees('You said: Please list old/.', 30);
    await room.edit(event, 'Please do NOT list old/.');
    await room.until('an answer to the edit', (rows) =>
      rows.find((row) => !row.own && row.reply_to === event),
    );
    assert.ok(!told().includes('NOT list'));
  });

  story(
    'a command whose message is removed runs nothing by that, and its card still takes a no',
    async () => {
      const { room } = on();
      const claims = await on().claims();
      const event = await room.say('!run echo removed-again');
      const card = await nextCard(room, 'removed-again');
      await room.redact(event);
      await room.until('its removal', (rows) =>
        rows.find((row) => row.id === event && row.kind === 'redacted'),
      );
      await room.tap(card.id, '❌');
      await on().reaches(card.number, 'denied');
      assert.equal(await on().claims(), claims);
    },
  );

  story('a file that is sent lies in the workspace, and the agent is told where', async () => {
    const { room, ledger } = on();
    await room.attach({ kind: 'file', path: fileNamed('list.txt', 'eggs and milk'), mime: 'text/plain' });
    await toldOf('uploads/list.txt');
    const card = await asksFor(room, 'cat uploads/list.txt');
    await room.tap(card.id, card.named);
    await room.sees('eggs and milk');
    const asked = (await ledger.since(0)).filter((entry) => entry.kind === 'requested');
    assert.equal(asked.filter((entry) => entry.body.includes('"put_file"')).length, 1);
  });

  story('a picture comes with its words', async () => {
    const caption = 'this button is broken, fix it';
    const path = fileNamed('button.png', pixel);
    await on().room.attach({ kind: 'picture', path, mime: 'image/png', caption });
    await toldOf(caption);
    assert.ok(told().includes('uploads/button.png'));
  });

  story('a voice message is written down below itself, and is words to the agent', async () => {
    const path = fileNamed('voice.ogg', '!run echo what was said');
    await on().room.attach({ kind: 'voice', path, mime: 'audio/ogg' });
    await on().room.sees('🎙 written down:');
    await toldOf('!run echo what was said');
    const asked = (await on().ledger.since(0)).filter((entry) => entry.kind === 'requested');
    assert.ok(asked.every((entry) => !entry.body.includes('what was said')));
  });

  story('a reply tells the agent what it replies to', async () => {
    const { room } = on();
    const card = await asksFor(room, 'echo replied-to; exit 3');
    await room.tap(card.id, card.named);
    await on().reaches(card.number, 'failed');
    await room.reply(card.id, 'why did this fail?');
    await toldOf('why did this fail?');
    assert.ok(told().includes(`in reply to #${card.number}`));
  });
}
