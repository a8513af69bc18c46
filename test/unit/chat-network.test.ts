/** A lease of the network in the bot: whoever asked hears when it is open, and a stop of its task ends it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from '../../bot/src/approval/view.ts';
import { createOutcomes } from '../../bot/src/room/outcomes.ts';
import { standsText, wasOpen } from '../../bot/src/room/progress.ts';
import type { Asked } from '../../ledger/src/action.ts';
import type { Entry } from '../../ledger/src/entry.ts';
import { log, startDesk, workspace } from '../harness/desk.ts';
import { owner } from '../harness/ledger-chain.ts';
import { until } from '../harness/wait.ts';

const rule = { host: 'registry.npmjs.org', port: 443, class: 'read', path: '/' } as const;
const asked: Asked = {
  ...{ kind: 'egress', args: { rules: [rule], up: 1e6, down: 1e6, seconds: 60 } },
  ...{ workspace, task: 'task', requester: 'brain' },
};

const bash = { kind: 'bash', args: { script: 'make', cwd: '.', env: {}, timeout: 9 } };

async function scene(t: { after(work: () => void): void }) {
  const ears: { take(entry: Entry): void } = { take() {} };
  const d = startDesk({ onEntry: (entry) => ears.take(entry) });
  t.after(d.stop);
  const heard: string[] = [];
  const opened = async (page: Page) => void heard.push(`open ${page.action.kind}`);
  const onOver = async (page: Page) => void heard.push(`over ${wasOpen(page)}`);
  const outcomes = createOutcomes({ ...d, log, onOver, onOpen: opened, onShown: async () => {} });
  Object.assign(ears, outcomes);
  const { action } = await d.desk.ask(asked);
  const say = (kind: string, body: object = {}, author = 'executor') =>
    d.put({ author, kind, action, body: { digest: d.book.page(action)?.digest, ...body } });
  const evidence = { user: owner.user, device: owner.device, event: '$v', form: 'poll' };
  say('approved', { grade: 'signed', evidence }, 'bot');
  const page = () => d.book.page(action) as Page;
  return { ...d, heard, say, action, outcomes, page };
}

test('the call hears that it is open once it is, and not before; that it ended is told apart', async (t) => {
  const s = await scene(t);
  s.say('claimed', { executor: 'x' });
  assert.deepEqual(s.heard, []);
  assert.match(standsText(s.page(), s.book), /running since/);
  s.say('running', { open: true });
  assert.deepEqual(s.heard, ['open egress']);
  assert.match(standsText(s.page(), s.book), /open since/);
  // What is approved meanwhile runs beside it, and waits for nothing.
  const beside = (await s.desk.ask({ ...asked, ...bash } as Asked)).action;
  const digest = s.book.page(beside)?.digest;
  const evidence = { user: owner.user, device: owner.device, event: '$b', form: 'poll' };
  s.put({ author: 'bot', kind: 'approved', action: beside, body: { digest, grade: 'signed', evidence } });
  assert.equal(standsText(s.book.page(beside) as Page, s.book), '👍 approved · not begun yet');
  const output = { output: '1 bytes down\n', bytes: 13, sha256: 'x' };
  s.say('succeeded', { exit: 0, signal: null, up: 0, down: 1, reason: 'its time was over', ...output });
  await until('it is over', () => s.heard.includes('over true'));
});

test('a bot that was restarted while it opened hears of it then', async (t) => {
  const s = await scene(t);
  s.say('claimed', { executor: 'x' });
  s.say('running', { open: true });
  s.heard.length = 0;
  await s.outcomes.catchUp();
  assert.deepEqual(s.heard, ['open egress']);
});

test('one that could not be opened is no way out: the call hears how it failed alone', async (t) => {
  const s = await scene(t);
  s.say('claimed', { executor: 'x' });
  s.say('running');
  s.say('failed', { exit: null, signal: null, output: 'no image\n', bytes: 9, sha256: 'x' });
  await until('it is over', () => s.heard.includes('over false'));
  assert.deepEqual(s.heard, ['over false']);
});

test('attack-38 a way out ends with its task’s stop, and with no other’s; the twin runs beside it', async (t) => {
  const s = await scene(t);
  const stops = () => s.memory.entries.filter((e) => e.kind === 'stop').map((e) => e.action);
  await s.desk.ask({ ...asked, ...bash } as Asked);
  s.say('claimed', { executor: 'x' });
  s.say('running', { open: true });
  await s.desk.stop(workspace, owner.user, 'other');
  await s.desk.stop('elsewhere', owner.user, 'task');
  assert.deepEqual(stops(), []);
  const { action: twin } = await s.desk.ask({ ...asked, ...bash, task: 'other' } as Asked);
  await s.desk.stop(workspace, owner.user, 'task');
  assert.deepEqual(stops(), [s.action]);
  assert.equal(s.book.state(twin), 'posted');
});
