/** A lease of the network in the bot: whoever asked hears when it is open, and `!new` ends it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from '../../bot/src/approval/view.ts';
import { createOutcomes } from '../../bot/src/room/outcomes.ts';
import { wasOpen } from '../../bot/src/room/progress.ts';
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

async function scene(t: { after(work: () => void): void }) {
  const ears: { take(entry: Entry): void } = { take() {} };
  const d = startDesk({ onEntry: (entry) => ears.take(entry) });
  t.after(d.stop);
  const heard: string[] = [];
  const opened = async (page: Page) => void heard.push(`open ${page.action.kind}`);
  const onOver = async (page: Page) => void heard.push(`over ${wasOpen(page)}`);
  Object.assign(ears, createOutcomes({ ...d, log, onOver, onOpen: opened }));
  const { action } = await d.desk.ask(asked);
  const put = (kind: string, body: object = {}, author = 'executor') =>
    d.put({ author, kind, action, body: { digest: d.book.page(action)?.digest, ...body } });
  const evidence = { user: owner.user, device: owner.device, event: '$v', form: 'poll' };
  put('approved', { grade: 'signed', evidence }, 'bot');
  return { ...d, heard, put, action };
}

test('the call hears that it is open once it is, and not before; that it ended is told apart', async (t) => {
  const s = await scene(t);
  s.put('claimed', { executor: 'x' });
  assert.deepEqual(s.heard, []);
  s.put('running', { open: true });
  assert.deepEqual(s.heard, ['open egress']);
  const output = { output: '1 bytes down\n', bytes: 13, sha256: 'x' };
  s.put('succeeded', { exit: 0, signal: null, up: 0, down: 1, reason: 'its time was over', ...output });
  await until('it is over', () => s.heard.includes('over true'));
});

test('one that could not be opened is no way out: the call hears how it failed alone', async (t) => {
  const s = await scene(t);
  s.put('claimed', { executor: 'x' });
  s.put('running');
  s.put('failed', { exit: null, signal: null, output: 'no image\n', bytes: 9, sha256: 'x' });
  await until('it is over', () => s.heard.includes('over false'));
  assert.deepEqual(s.heard, ['over false']);
});

test('attack a way out does not outlive its task: !new stops one that is open; the twin stops nothing else', async (t) => {
  const s = await scene(t);
  const stops = () => s.memory.entries.filter((e) => e.kind === 'stop').map((e) => e.action);
  const bash = { kind: 'bash', args: { script: 'make', cwd: '.', env: {}, timeout: 9 } };
  await s.desk.ask({ ...asked, ...bash } as Asked);
  s.put('claimed', { executor: 'x' });
  s.put('running', { open: true });
  await s.desk.endTask('other');
  assert.deepEqual(stops(), []);
  await s.desk.endTask(workspace);
  assert.deepEqual(stops(), [s.action]);
});
