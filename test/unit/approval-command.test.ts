/** What the words of a message that decides itself ask for: this very act, or nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { actIn } from '../../bot/src/approval/command.ts';
import { saidIn } from '../../bot/src/approval/said.ts';

test('a deciding command names its act, to the letter', () => {
  const rows: [body: string, kind: string, args: object][] = [
    ['!files', 'list', { path: '.' }],
    ['!files my docs/v1.', 'list', { path: 'my docs/v1.' }],
    ['!FILES\u00A0src', 'list', { path: 'src' }],
    ['`!get a b.txt`', 'get_file', { path: 'a b.txt' }],
    ['!get -rf $(id)', 'get_file', { path: '-rf $(id)' }],
    ['！diff.', 'diff', {}],
    ['!diff please', 'diff', {}],
    ['!Screen.', 'screen', {}],
    ['!undo #12.', 'undo_diff', { number: 12 }],
    ['！Undo 3', 'undo_diff', { number: 3 }],
    ['!try #7!', 'try', { number: 7 }],
    ['!merge 2', 'merge_look', { number: 2 }],
    ['!push', 'push_look', { branch: '' }],
    ['!push feature/a-1.', 'push_look', { branch: 'feature/a-1' }],
    ['!export', 'export', { as: 'patch' }],
    ['!export Bundle.', 'export', { as: 'bundle' }],
  ];
  for (const [body, kind, args] of rows)
    assert.deepEqual(actIn(saidIn({ msgtype: 'm.text', body }).text), { kind, args }, body);
});

test('words that name no act ask for none', () => {
  for (const body of [
    '!get',
    '!export zip',
    '!undo',
    '!undo it',
    '!push it now',
    '!undo 1 2',
    '!merge all',
    '!merge #2',
    '!undo -1',
    '!filesystem',
    '!run ls',
    '!constructor',
    'files',
    'see !diff',
  ])
    assert.equal(actIn(saidIn({ msgtype: 'm.text', body }).text), undefined, body);
});
