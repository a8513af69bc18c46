/** The timeline's cards, made of entries in a document that would read markup where it was given any. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf, sha256 } from '../../ledger/src/action.ts';
import type { Entry } from '../../ledger/src/entry.ts';
import { putDocument, tagsIn, textOf, textsOf } from '../harness/document.ts';
import { enrol, memoryLedger, putAll, someAction, wayOf } from '../harness/ledger-chain.ts';
import { until } from '../harness/wait.ts';

putDocument();
const { actionCard, entryCard } = await import('../../ledger/pb_public/show.js');
const { createChain } = await import('../../ledger/pb_public/chain.js');
const { stateOf } = await import('../../ledger/rules/lifecycle.cjs');
const { latest } = await import('../../ledger/pb_public/story.js');

/** An action's story, from its request to its result. */
function storyOf(script: string, wrote: string): { story: Entry[]; all: Entry[] } {
  const { entries, put } = memoryLedger();
  const action = someAction({ args: { script, cwd: '.', env: {}, timeout: 60 } });
  const way = wayOf(action).slice(0, 5);
  const output = { bytes: Buffer.byteLength(wrote), sha256: sha256(wrote), output: wrote };
  const body = { digest: digestOf(action), exit: 0, signal: null, ...output };
  const end = { author: 'executor', kind: 'succeeded', action: action.id, body };
  assert.equal(putAll(put, [enrol, ...way, end]), '');
  return { story: entries.filter((e) => e.action), all: entries };
}
const ours = 'article dd details div dl dt h3 mark p pre span summary time'.split(' ');
const none = new Map<number, string>();

test('attack-82 markup in a script, an output or a name is text on the page, to the letter', async () => {
  const script = 'echo "<img src=x onerror=alert(1)>" # </pre></script><script>alert(2)</script>';
  const wrote = '<svg onload=alert(3)>\n&lt;b&gt; </body>\n';
  const { story } = storyOf(script, wrote);
  const card = actionCard(story, 7, none);
  await until('its output is shown', async () => textsOf(card, 'pre').length === 2);
  assert.deepEqual(textsOf(card, 'pre'), [script, wrote]);
  for (const tag of tagsIn(card)) assert.ok(ours.includes(tag), tag);
  const alarm = { ...(story[0] as Entry), kind: '<b>alarm', action: '', body: '{"<i>":"<u>x</u>"}' };
  const shown = entryCard(alarm, none);
  assert.ok(textOf(shown).includes('<b>alarm') && textOf(shown).includes('<u>x</u>'));
  for (const tag of tagsIn(shown)) assert.ok(ours.includes(tag), tag);
});

test('attack-82 what turns text about, or draws nothing, stands as its code; what is plain stands as it is', () => {
  const hidden = actionCard(storyOf('rm \u202Egpj.x\u2066 a\u200B\u200B\u200Bb\r', '').story, 7, none);
  assert.equal(textsOf(hidden, 'pre')[0], 'rm \\u{202E}gpj.x\\u{2066} a\\u{200B*3}b\\u{D}');
  assert.deepEqual(textsOf(hidden, 'mark'), ['\\u{202E}', '\\u{2066}', '\\u{200B*3}', '\\u{D}']);
  const plain = 'for f in *.ts; do\n\techo "Grüße, 世界: $f"\ndone';
  const card = actionCard(storyOf(plain, '').story, 7, none);
  assert.equal(textsOf(card, 'pre')[0], plain);
  assert.deepEqual(textsOf(card, 'mark'), []);
});

test('a card says who decided with which device and how sure, how long that took, and how it ended', () => {
  const { story } = storyOf('npm test', '');
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
  const { all } = storyOf('npm test', 'ok\n');
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
