/** Who may write what about workspaces, and when: one room a name, one import a name, and that before its room. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { enrol, memoryLedger, type Wanted } from '../harness/ledger-chain.ts';

const [tree, commit] = ['a', 'b'].map((c) => c.repeat(40));
const created = (workspace: unknown, room: unknown): Wanted => ({
  author: 'bot',
  kind: 'workspace.created',
  body: { workspace, room },
});
const imported = (over: object = {}): Wanted => ({
  author: 'operator',
  kind: 'workspace.imported',
  body: {
    workspace: 'shop',
    form: 'git',
    source: 'https://x/shop',
    commit,
    tree,
    files: 3,
    bytes: 9,
    ...over,
  },
});
const exported = (over: object = {}): Wanted => ({
  author: 'operator',
  kind: 'workspace.exported',
  body: { workspace: 'main', form: 'patch', tree, files: 1, bytes: 9, ...over },
});

const rows: [string, Wanted, string][] = [
  ['a room', created('shop', '!shop'), ''],
  ['a second room of a name', created('main', '!other'), 'workspace_known'],
  ['a room of another name', created('shop', '!main'), 'workspace_known'],
  ['no room', created('shop', ''), 'body_invalid'],
  ['a room by the operator', { ...created('shop', '!shop'), author: 'operator' }, 'not_allowed'],
  ...['', 'Shop', '-shop', 'a/b', '..', 'a.b', 'a b', 'a\n', 'a'.repeat(32), 7, null, '__proto__'].map(
    (name): [string, Wanted, string] => [
      `the name ${JSON.stringify(name)}`,
      created(name, '!shop'),
      'body_invalid',
    ],
  ),
  ['the longest name', created('a'.repeat(31), '!shop'), ''],
  ['an import', imported(), ''],
  ['an import of a directory', imported({ form: 'directory', source: '/home/me/shop' }), ''],
  ['an import with SHA-256', imported({ tree: 'a'.repeat(64), commit: 'b'.repeat(64) }), ''],
  ['an import into a workspace that has its room', imported({ workspace: 'main' }), 'workspace_known'],
  ['an import by the bot', { ...imported(), author: 'bot' }, 'not_allowed'],
  ['an import by the executor', { ...imported(), author: 'executor' }, 'not_allowed'],
  ...[
    { form: 'bundle' },
    { source: '' },
    { source: 'x'.repeat(1001) },
    { commit: '' },
    { commit: 'B'.repeat(40) },
    { tree: 'a'.repeat(41) },
    { files: -1 },
    { files: 1.5 },
    { bytes: '9' },
    { workspace: 'Shop' },
  ].map((over): [string, Wanted, string] => [
    `an import with ${JSON.stringify(over).slice(0, 40)}`,
    imported(over),
    'body_invalid',
  ]),
  ['an export', exported(), ''],
  ['an export as a bundle', exported({ form: 'bundle' }), ''],
  ['an export as a directory', exported({ form: 'directory' }), ''],
  ['an export as something else', exported({ form: 'git' }), 'body_invalid'],
  ['an export without a tree', exported({ tree: '' }), 'body_invalid'],
  ['an export of what is no workspace', exported({ workspace: 'shop' }), 'workspace_unknown'],
  ['an export by the bot', { ...exported(), author: 'bot' }, 'not_allowed'],
];

for (const [name, wanted, code] of rows)
  test(`${name}: ${code || 'written'}`, () => {
    const { put } = memoryLedger();
    for (const before of [enrol, created('main', '!main')]) assert.equal(put(before), '');
    assert.equal(put(wanted), code);
  });

test('a tree comes in once, before its room; the room comes once, after it', () => {
  const { put, state } = memoryLedger();
  const codes = [imported(), imported(), exported({ workspace: 'shop' }), created('shop', '!shop')].map(put);
  assert.deepEqual(codes, ['', 'workspace_known', 'workspace_unknown', '']);
  assert.deepEqual([imported(), created('shop', '!again')].map(put), ['workspace_known', 'workspace_known']);
  assert.equal(put(exported({ workspace: 'shop' })), '');
  const shop = state.workspaces.get('shop');
  const { workspace: _, ...what } = imported().body as Record<string, unknown>;
  assert.deepEqual(shop, { room: '!shop', imported: what });
});
