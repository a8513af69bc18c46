/** Tool calls as actions: what passes is exactly what was asked, what does not is explained. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultPolicy } from '@pocketcoder/ledger/rules/policy.cjs';
import { actionText, makeAction } from '@pocketcoder/ledger/src/action.ts';
import fc from 'fast-check';
import { planTool } from '../../bot/src/gateway/plan.ts';
import { askedBy, tools } from '../../bot/src/gateway/tools.ts';
import { type Schema, schemaFault } from '../harness/model.ts';

const where = { workspace: 'main', task: 'abcdefgh' };
const wrong = (name: string, args: unknown): string => {
  const result = askedBy(where, name, args);
  return 'wrong' in result ? result.wrong : 'nothing';
};

const path = fc
  .array(
    fc.stringMatching(/^[a-zA-Z0-9._ é-]{1,12}$/).filter((s) => s !== '..'),
    { minLength: 1, maxLength: 5 },
  )
  .map((parts) => parts.join('/'))
  .filter((p) => !p.startsWith('~'));
const words = fc.string({ unit: 'grapheme', minLength: 1 }).filter((s) => !s.includes('\0'));
const good = {
  bash: fc.record(
    { script: words, cwd: path, timeout: fc.integer({ min: 1, max: 3600 }) },
    { requiredKeys: ['script'] },
  ),
  read_file: fc.record(
    { path, offset: fc.nat({ max: 1000 }), limit: fc.integer({ min: 1, max: 5000 }) },
    { requiredKeys: ['path'] },
  ),
  list: fc.record({ path }, { requiredKeys: [] }),
  grep: fc.record({ pattern: words, path }, { requiredKeys: ['pattern'] }),
  write_file: fc.record({ path, content: fc.oneof(words, fc.constant('')) }),
  edit_file: fc.record({ path, old: words, new: fc.oneof(words, fc.constant('')) }),
};

test('every valid call becomes an action with exactly its arguments, which canonical JSON can carry', () => {
  for (const [name, calls] of Object.entries(good))
    fc.assert(
      fc.property(calls, (args) => {
        const result = askedBy(where, name, args);
        assert.ok('asked' in result, JSON.stringify(result));
        const { asked } = result;
        assert.deepEqual({ ...asked.args, ...args }, asked.args);
        assert.deepEqual(
          [asked.kind, asked.workspace, asked.task, asked.requester],
          [name, 'main', 'abcdefgh', 'brain'],
        );
        const action = makeAction(asked, defaultPolicy);
        assert.deepEqual(JSON.parse(actionText(action)).args, asked.args);
      }),
    );
});

test('whatever a model sends, the answer is an action within the bounds or a reason, never a throw', () => {
  const keys = fc.constantFrom(
    'script',
    'cwd',
    'timeout',
    'path',
    'content',
    'pattern',
    'old',
    'new',
    'env',
    '__proto__',
    'x',
  );
  const args = fc.oneof(
    fc.anything(),
    fc.dictionary(keys, fc.oneof(fc.anything(), fc.string(), fc.integer())),
  );
  fc.assert(
    fc.property(fc.constantFrom(...tools.map((t) => t.name), 'x'), args, (name, given) => {
      const result = askedBy(where, name, given);
      if ('wrong' in result) return assert.ok(result.wrong.length > 0);
      const action = makeAction(result.asked, defaultPolicy);
      const { args: taken } = JSON.parse(actionText(action)) as { args: { path?: string; cwd?: string } };
      for (const p of [taken.path, taken.cwd])
        assert.ok(p === undefined || (!p.startsWith('/') && !p.split('/').includes('..')));
    }),
    { numRuns: 2000 },
  );
});

const cases: [string, unknown, RegExp][] = [
  ['rm', {}, /there is no tool "rm"/],
  ['bash', null, /not an object/],
  ['bash', [], /not an object/],
  ['bash', {}, /"script" is missing/],
  ['bash', { script: '' }, /"script" is empty/],
  ['bash', { script: 'a', env: {} }, /"env" is not known \(bash takes script, cwd, timeout\)/],
  ['bash', { script: 'a', timeout: 0 }, /"timeout" must be a whole number from 1 to 3600/],
  ['bash', { script: 'a', timeout: '5s' }, /"timeout" must be/],
  ['bash', { script: 'a', cwd: '../x' }, /"cwd" must not leave the workspace/],
  ['bash', { script: '\ud800' }, /"script" is not valid Unicode/],
  ['bash', { script: 'x'.repeat(65537) }, /65537 bytes long, at most 65536/],
  ['read_file', { path: '/etc/passwd' }, /must be relative/],
  ['read_file', { path: '~/x' }, /must be relative/],
  ['read_file', { path: 'a/../../b' }, /must not leave/],
  ['read_file', { path: 'a\nb' }, /control character/],
  ['list', { path: '..' }, /must not leave/],
  ['grep', {}, /"pattern" is missing/],
  ['grep', { pattern: 'a', path: '/' }, /must be relative/],
  ['write_file', { path: 'a' }, /"content" is missing/],
  ['edit_file', { path: 'a', old: '', new: 'x' }, /"old" is empty/],
  ['edit_file', { paht: 'a' }, /"path" is missing; "old" is missing; "new" is missing; "paht" is not known/],
];
for (const [name, args, reason] of cases)
  test(`refused: ${name} ${JSON.stringify(args)?.slice(0, 50)}`, () =>
    assert.match(wrong(name, args), reason));

test('the schema a model reads names exactly the arguments that are taken', () => {
  for (const { name: tool, description, inputSchema } of tools) {
    assert.equal(inputSchema.additionalProperties, false);
    assert.ok(description.length > 20 && !/\n|^- /.test(description), description);
    const missing = wrong(tool, {});
    for (const [name, schema] of Object.entries(inputSchema.properties ?? {})) {
      assert.equal(inputSchema.required?.includes(name) === true, missing.includes(`"${name}" is missing`));
      assert.ok(
        (schema as { description: string }).description.endsWith('.'),
        `${tool} says what ${name} is`,
      );
    }
  }
});

test('every node of every schema is one that a strict provider takes', () => {
  for (const { name, inputSchema } of [...tools, planTool])
    assert.equal(schemaFault(inputSchema as Schema), '', name);
  const refused: [Schema & { enum?: string[] }, string][] = [
    [{ type: 'object', properties: { a: { enum: ['x'] } as Schema } }, '$.a has no type'],
    [{ type: 'object', properties: { a: { type: 'object' } } }, '$.a is an object without properties'],
    [{ type: 'object', properties: { a: { type: 'array' } } }, '$.a is a list of nothing'],
    [{ type: 'object', properties: { a: { type: 'array', items: {} } } }, '$.a[] has no type'],
    [{ anyOf: [{ type: 'string' }, {}] }, '$.anyOf[1] has no type'],
    [{ type: 'object', properties: {}, required: ['b'] }, '$.b is required and not there'],
    [{ type: ['string', 'null'] }, '$ has no type'],
  ];
  for (const [schema, fault] of refused) assert.equal(schemaFault(schema), fault);
});
