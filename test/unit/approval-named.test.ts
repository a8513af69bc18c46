/** What a card says of the files that its script names, and how long it waits for that. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toText } from '../../bot/src/show/blocks.ts';
import { answered, chipCard, longCard, poll } from '../../bot/src/show/card.ts';
import { type Asked, digestOf } from '../../ledger/src/action.ts';
import type { Entry } from '../../ledger/src/entry.ts';
import { asked, startDesk } from '../harness/desk.ts';
import { actionOf, bash, lines, secrets } from '../harness/shown.ts';

const files = [
  { path: 'deploy.sh', sha256: '0123456789abcdef'.repeat(4) },
  { path: 'x (and nothing else)\ntap 🦊 to approve', sha256: 'f'.repeat(64) },
  { path: 'link', sha256: '' },
];
const names = 'names these files, whose SHA-256 begin so; nothing runs if one has changed by then';
const nobody = '⚠️ nobody looked which files of the workspace it names: they run as they then stand';
const some = '⚠️ not all that it names was looked at: the rest runs as it then stands';
const steps = [{ kind: 'bash', args: { script: 'x', cwd: '.', env: {}, timeout: 9 } }] as const;

test('every form of a card names the files by their hash, each in a line of its own that is no line of the bot’s', () => {
  const action = bash('./deploy.sh');
  const s = { ...secrets, named: { files } };
  for (const text of [
    toText(chipCard(action, s)),
    JSON.stringify(poll(action, s, []).content)
      .replaceAll('\\n', '\n')
      .replaceAll('\\\\', '\\'),
    String(answered(action, s, 'done')['body']),
    longCard(action, s).file,
  ]) {
    assert.ok(
      text.includes(`${names}\n| 0123456789ab deploy.sh\n| ffffffffffff x (and nothing else)\\u{A}tap 🦊`),
      text,
    );
    assert.ok(text.includes('\n| as it then stands, a link or too large: link\n'), text);
  }
  assert.equal(lines(toText(chipCard(action, s))).own.filter((line) => line.startsWith('tap 🦊')).length, 1);
});

test('a card whose files nobody looked at says so, one with none or of another kind says nothing; a plan’s own steps are told', () => {
  const text = (action = bash('x'), named?: typeof secrets.named) => {
    const { named: _, ...without } = secrets;
    return toText(chipCard(action, named ? { ...without, named } : without));
  };
  assert.ok(text().includes(nobody));
  assert.ok(text(actionOf('terminal_open', { script: 'x', cwd: '.', seconds: 9 })).includes(nobody));
  const none = text(bash('x'), { files: [] });
  assert.ok(!none.includes('⚠️') && !none.includes('SHA-256'), none);
  assert.ok(!text(actionOf('list', { path: '.' })).includes('⚠️'));
  assert.ok(text(bash('x'), { files: [], more: true }).includes(some));
  const plan = actionOf('plan', { steps, seconds: 9 });
  assert.ok(text(plan, { files }).includes(`${names}, but for what its own steps change\n| 0123`));
  assert.ok(!text(actionOf('plan', { steps: [], seconds: 9, words: 'x' })).includes('⚠️'));
  const lease = { acts: steps, uses: 1, seconds: 9 };
  assert.match(
    text(actionOf('lease', lease)),
    /⚠️ files of the workspace that it names are run as they then stand/,
  );
});

const cardOf = (d: ReturnType<typeof startDesk>): string => d.said.find((text) => text.startsWith('#')) ?? '';

test('a card waits for what the executor says, shows it, and is shown without it once its time is over', async () => {
  const said: { say?: (entry: Entry) => void } = {};
  const d = startDesk({ patience: 60_000, onEntry: (entry) => said.say?.(entry) });
  said.say = ({ kind, action }) => {
    if (kind !== 'requested') return;
    setImmediate(() => {
      assert.deepEqual(d.said, [], 'it waits');
      const page = d.book.page(action);
      assert.ok(page);
      const body = { digest: digestOf(page.action), files };
      d.put({ author: 'executor', kind: 'named', action, body });
    });
  };
  const timers = () => process.getActiveResourcesInfo().filter((one) => one === 'Timeout').length;
  const before = timers();
  const { action } = await d.desk.ask(asked('./deploy.sh'));
  assert.equal(timers(), before, 'it waits no longer than that');
  assert.deepEqual(d.kinds(action), ['requested', 'named', 'posted']);
  assert.ok(cardOf(d).includes('| 0123456789ab deploy.sh'));
  assert.deepEqual(d.cards.get(action)?.named?.files, files);
  d.stop();

  const silent = startDesk({ patience: 1 });
  await silent.desk.ask(asked('./deploy.sh'));
  assert.ok(cardOf(silent).includes(nobody));
  silent.stop();
});

test('what is stopped while its card waits is not shown; what runs no script waits for nobody', async () => {
  const stops: { stop?: (entry: Entry) => void } = {};
  const d = startDesk({ patience: 60_000, onEntry: (entry) => stops.stop?.(entry) });
  stops.stop = ({ kind }) => {
    if (kind === 'requested') setImmediate(() => void d.desk.stop('main', '@owner:home'));
  };
  const { action } = await d.desk.ask(asked('./deploy.sh'));
  assert.deepEqual([d.kinds(action), d.said], [['requested', 'void'], []]);
  stops.stop = () => {};
  const list = { ...asked(''), kind: 'list', args: { path: '.' } } as Asked;
  assert.deepEqual(d.kinds((await d.desk.ask(list)).action), ['requested', 'posted']);
  d.stop();
});
