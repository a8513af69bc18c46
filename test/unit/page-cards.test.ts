/** The timeline's cards, made of entries in a document that would read markup where it was given any. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Action, digestOf, sha256 } from '../../ledger/src/action.ts';
import type { Entry } from '../../ledger/src/entry.ts';
import { putDocument, tagsIn, textOf, textsOf } from '../harness/document.ts';
import { enrol, memoryLedger, putAll, someAction, wayOf } from '../harness/ledger-chain.ts';
import { until } from '../harness/wait.ts';

putDocument();
const { actionCard, entryCard } = await import('../../ledger/pb_public/show.js');
const { createChain } = await import('../../ledger/pb_public/chain.js');
const { stateOf } = await import('../../ledger/rules/lifecycle.cjs');
const { latest } = await import('../../ledger/pb_public/story.js');

const run = (script: string): Partial<Action> => ({ args: { script, cwd: '.', env: {}, timeout: 60 } });
/** An action's story, from its request to its result. */
function storyOf(asked: Partial<Action>, wrote: string, more: object = {}): { story: Entry[]; all: Entry[] } {
  const { entries, put } = memoryLedger();
  const action = someAction(asked);
  const way = wayOf(action).slice(0, 5);
  const output = { bytes: Buffer.byteLength(wrote), sha256: sha256(wrote), output: wrote };
  const body = { digest: digestOf(action), exit: 0, signal: null, ...output, ...more };
  const end = { author: 'executor', kind: 'succeeded', action: action.id, body };
  assert.equal(putAll(put, [enrol, ...way, end]), '');
  return { story: entries.filter((e) => e.action), all: entries };
}
/** A link of the page's own leads to a number alone. */
const ours = 'a article dd del details div dl dt h3 ins mark p pre span summary time'.split(' ');
const none = new Map<number, string>();

test('attack-82 markup in a script, an output or a name is text on the page, to the letter', async () => {
  const script = 'echo "<img src=x onerror=alert(1)>" # </pre></script><script>alert(2)</script>';
  const wrote = '<svg onload=alert(3)>\n&lt;b&gt; </body>\n';
  const { story } = storyOf(run(script), wrote);
  const card = actionCard(story, 7, none);
  await until('its output is shown', async () => textsOf(card, 'pre').length === 2);
  assert.deepEqual(textsOf(card, 'pre'), [script, wrote]);
  for (const tag of tagsIn(card)) assert.ok(ours.includes(tag), tag);
  assert.deepEqual(textsOf(card, 'a'), ['#7']);
  const alarm = { ...(story[0] as Entry), kind: '<a href=x>alarm', action: '', body: '{"<i>":"<u>x</u>"}' };
  const shown = entryCard(alarm, none);
  assert.ok(textOf(shown).includes('<a href=x>alarm') && textOf(shown).includes('<u>x</u>'));
  for (const tag of tagsIn(shown)) assert.ok(ours.includes(tag), tag);
  assert.deepEqual(textsOf(shown, 'a'), [`entry ${alarm.seq}`]);
});

test('attack-82 what turns text about, or draws nothing, stands as its code; what is plain stands as it is', () => {
  const hidden = actionCard(storyOf(run('rm \u202Egpj.x\u2066 a\u200B\u200B\u200Bb\r'), '').story, 7, none);
  assert.equal(textsOf(hidden, 'pre')[0], 'rm \\u{202E}gpj.x\\u{2066} a\\u{200B*3}b\\u{D}');
  assert.deepEqual(textsOf(hidden, 'mark'), ['\\u{202E}', '\\u{2066}', '\\u{200B*3}', '\\u{D}']);
  const plain = 'for f in *.ts; do\n\techo "Grüße, 世界: $f"\ndone';
  const card = actionCard(storyOf(run(plain), '').story, 7, none);
  assert.equal(textsOf(card, 'pre')[0], plain);
  assert.deepEqual(textsOf(card, 'mark'), []);
});

const edit = (old: string, now: string) =>
  ({ kind: 'edit_file', class: 'write', args: { path: 'a.ts', old, new: now } }) as Partial<Action>;
const write = {
  kind: 'write_file',
  class: 'write',
  args: { path: 'a.ts', content: 'a\nb\n' },
} as Partial<Action>;
const changes = { changed: 1, added: 0, removed: 0, plus: 1, minus: 1 };

test('attack-82 in a difference a line is text behind its sign, and cannot begin another', () => {
  const { story } = storyOf(edit('<b>x</b>\n', '<img src=x>\r+ y\u2028- z\u202E\n'), '', { changes });
  const card = actionCard(story, 7, none);
  assert.deepEqual(textsOf(card, 'del'), ['-<b>x</b>\n']);
  assert.deepEqual(textsOf(card, 'ins'), ['+<img src=x>\\u{D}+ y\\u{2028}- z\\u{202E}\n']);
  for (const tag of tagsIn(card)) assert.ok(ours.includes(tag), tag);
});

test('a card shows what a file action changes as far as its entries hold it, and says where they do not', () => {
  const card = (asked: Partial<Action>, more: object) => actionCard(storyOf(asked, '', more).story, 7, none);
  const edited = card(edit('a\nb\n', 'a\nc\n'), { changes });
  assert.deepEqual(textsOf(edited, 'pre').slice(0, 2), ['a.ts', ' a\n-b\n+c\n']);
  assert.deepEqual(textsOf(edited, 'dt').slice(0, 3), ['Decision', 'Outcome', 'Terms'], 'both texts once');
  const made = card(write, { changes: { changed: 0, added: 1, removed: 0, plus: 2, minus: 0 } });
  assert.deepEqual(textsOf(made, 'ins'), ['+a\n', '+b\n']);
  const long = { ...write, args: { path: 'a', content: 'x\n'.repeat(20_001) } } as Partial<Action>;
  const cut = card(long, { changes: { changed: 0, added: 1, removed: 0, plus: 20_001, minus: 0 } });
  assert.equal(textsOf(cut, 'ins').length, 20_000);
  assert.ok(textOf(cut).includes('The first 20000 lines of 20001.'));
  const over = card(write, { changes });
  assert.deepEqual([textsOf(over, 'ins'), textsOf(over, 'del')], [[], []], 'nobody knows what was there');
  assert.ok(
    textOf(over).includes('what stood there before, no entry says') &&
      textsOf(over, 'pre').includes('a\nb\n'),
  );
  assert.ok(textOf(card(run('make'), { changes })).includes('Which lines that were, no entry says'));
  assert.ok(!textOf(card(run('true'), {})).includes('no entry says'));
});

test('a card says who decided with which device and how sure, how long that took, and how it ended', () => {
  const { story } = storyOf(run('npm test'), '');
  const said = textsOf(actionCard(story, 7, none), 'dd');
  assert.ok(
    said.includes('approved by @owner:home · device PHONE · sealed (chip) · after 0 ms'),
    said.join('|'),
  );
  assert.ok(said.includes('succeeded · exit 0 · after 0 ms'), said.join('|'));
  for (let n = 1; n <= story.length; n++)
    assert.equal(latest(story.slice(0, n)).kind, stateOf(story.slice(0, n)));
});

test('the chain as a browser looks at it: whole both ways; a changed byte or a missing entry is named', async () => {
  const { all } = storyOf(run('npm test'), 'ok\n');
  const look = async (entries: readonly Entry[]) => {
    const [down, up] = [createChain(), createChain()];
    await down.older(entries.toReversed().slice(0, 3));
    await down.older(entries.toReversed().slice(3));
    await up.newer(entries);
    return [[...down.off.keys()], [...up.off.keys()]];
  };
  assert.deepEqual(await look(all), [[], []]);
  for (const [i, entry] of all.entries())
    for (const changed of [
      { body: entry.body.replace('{', '{ ') },
      { at: start },
      { author: 'x' },
      { kind: 'y' },
    ]) {
      const off = await look(all.with(i, { ...entry, ...changed }));
      assert.ok(
        off.every((seqs) => seqs.includes(entry.seq)),
        `${entry.seq} ${Object.keys(changed)}`,
      );
    }
  const off = await look(all.toSpliced(2, 1));
  assert.ok(off.every((seqs) => seqs.length > 0));
});
const start = '2026-01-01T00:00:00.000Z';
