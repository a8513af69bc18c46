/** Calls as models make them: one row a form, with the action that comes of it, or what is said instead. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planAsked } from '../../bot/src/gateway/plan.ts';
import { askedBy } from '../../bot/src/gateway/tools.ts';

const where = { workspace: 'main', task: 'abcdefgh' };
const bash = { script: 'ls', cwd: '.', timeout: 120, env: {} };
const read = { path: 'a', offset: 0, limit: 1000 };
const edit = { path: 'a', old: 'x', new: 'y' };

const taken: [string, object, string, object][] = [
  ['read_file', { path: '/workspace/a.ts' }, 'read_file', { ...read, path: 'a.ts' }],
  ['read_file', { path: '/workspace//a' }, 'read_file', read],
  ['read_file', { path: '/workspace' }, 'read_file', { ...read, path: '.' }],
  ['list', { path: '' }, 'list', { path: '.' }],
  ['list', { path: '/workspace/' }, 'list', { path: '.' }],
  ['grep', { pattern: 'a', path: '' }, 'grep', { pattern: 'a', path: '.' }],
  ['bash', { script: 'ls', cwd: '', timeout: null }, 'bash', bash],
  ['bash', { script: 'ls', cwd: '/workspace/src' }, 'bash', { ...bash, cwd: 'src' }],
  ['bash', { script: 'ls', timeout: '5' }, 'bash', { ...bash, timeout: 5 }],
  ['bash', { script: 'ls', timeout: 120_000 }, 'bash', { ...bash, timeout: 3600 }],
  [
    'read_file',
    { path: 'a', limit: '99999', offset: '7' },
    'read_file',
    { path: 'a', offset: 7, limit: 5000 },
  ],
  ['bash', { cmd: 'ls', description: 'lists' }, 'bash', bash],
  ['Bash', { command: 'ls', run_in_background: false }, 'bash', bash],
  ['Read', { file_path: '/workspace/a' }, 'read_file', read],
  ['read_file', { filePath: 'a', path: '/workspace/a' }, 'read_file', read],
  ['edit', { filePath: 'a', oldString: 'x', newString: 'y', replaceAll: false }, 'edit_file', edit],
  ['Edit', { file_path: 'a', old_string: 'x', new_string: 'y', replace_all: false }, 'edit_file', edit],
  ['write_file', { file_path: 'a', contents: '' }, 'write_file', { path: 'a', content: '' }],
  // What a file or a script says is never touched, whatever it looks like.
  ['write_file', { path: 'a', content: '/workspace' }, 'write_file', { path: 'a', content: '/workspace' }],
  ['bash', { script: '120' }, 'bash', { ...bash, script: '120' }],
];
for (const [called, given, kind, args] of taken)
  test(`taken: ${called} ${JSON.stringify(given)}`, () => {
    const result = askedBy(where, called, given);
    assert.ok('asked' in result, JSON.stringify(result));
    assert.deepEqual([result.asked.kind, result.asked.args], [kind, args]);
    // A plan's step is the very act that its call will be.
    const plan = planAsked(where, { steps: [{ tool: called, arguments: given }] });
    assert.ok('asked' in plan, JSON.stringify(plan));
    assert.deepEqual(plan.asked.args, { steps: [{ kind, args }], seconds: 3600 });
  });

const refused: [string, object, RegExp][] = [
  ['Read', { file_path: 'a', offset: 10 }, /read_file takes "offset" as the number of lines to skip/],
  ['Bash', { command: 'ls', timeout: 5000 }, /bash takes "timeout" in seconds/],
  ['edit_file', { ...edit, replace_all: true }, /one passage is replaced at a time/],
  ['bash', { script: 'ls', run_in_background: true }, /ends with its script/],
  ['read_file', { path: 'a', file_path: 'b' }, /"path" is given twice, and not the same/],
  ['read_file', { path: '' }, /"path" is empty/],
  ['read_file', { path: null }, /"path" is missing/],
  ['read_file', { path: '/workspace/../etc' }, /must not leave/],
  ['read_file', { path: '/workspaces/a' }, /must be relative/],
  ['read_file', { path: '/workspace/~/a' }, /must be relative/],
  ['read_file', { path: 'a', limit: 0 }, /must be a whole number/],
  ['read_file', { path: 'a', limit: '-5' }, /must be a whole number/],
  ['read_file', { path: 'a', limit: 1e300 * 1e300 }, /must be a whole number/],
  ['bash', { command: ['ls', '-l'] }, /"script" must be a string/],
  ['grep', { pattern: 'a', include: '*.ts' }, /"include" is not known \(grep takes pattern, path\)/],
  ['constructor', {}, /there is no tool "constructor"/],
];
for (const [called, given, reason] of refused)
  test(`refused: ${called} ${JSON.stringify(given)}`, () => {
    const result = askedBy(where, called, given);
    assert.ok('wrong' in result, JSON.stringify(result));
    assert.match(result.wrong, reason);
  });
