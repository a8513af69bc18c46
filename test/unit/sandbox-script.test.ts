import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { defaultPolicy } from '../../ledger/rules/policy.cjs';
import { type Asked, makeAction, mostSent, sha256 } from '../../ledger/src/action.ts';
import { fields, ScriptError, scriptOf, workspacePath } from '../../sandbox/src/script.ts';

type Ask = { [K in Asked['kind']]: Pick<Extract<Asked, { kind: K }>, 'kind' | 'args'> }[Asked['kind']];
const script = (asked: Ask, sent?: Uint8Array) => {
  const whole = { ...asked, workspace: 'w', task: 't', requester: 'brain' } as Asked;
  return scriptOf(makeAction(whole, defaultPolicy), { sent });
};
/** A file to add, as its action names it. */
const putting = (path: string, bytes: Uint8Array): Ask => ({
  ...{ kind: 'put_file', args: { path, sha256: sha256(bytes), size: bytes.length } },
});
const bash = { script: 'true', cwd: '', env: {}, timeout: 5 };
const wellFormed = fc.string({ unit: 'binary', maxLength: 200 });

function unpack(bytes: Uint8Array): string[] {
  const all = Buffer.from(bytes);
  const values: string[] = [];
  for (let at = 0; at < all.length; ) {
    const end = at + 4 + all.readUInt32BE(at);
    values.push(all.toString('utf8', at + 4, end));
    at = end;
  }
  return values;
}

test('bash gets the exact bytes of its script, quoted by nobody', () => {
  fc.assert(
    fc.property(wellFormed, (text) => {
      const made = script({ kind: 'bash', args: { ...bash, script: text } });
      assert.equal(made.program, 'bash');
      assert.deepEqual(Buffer.from(made.input), Buffer.from(text));
    }),
  );
});

test('cwd, environment and timeout are the action’s', () => {
  const made = script({
    kind: 'bash',
    args: { script: '', cwd: 'a/./b//c', env: { FOO: '$(x) "y"' }, timeout: 9 },
  });
  assert.equal(made.cwd, '/workspace/a/b/c');
  assert.equal(made.env['FOO'], '$(x) "y"');
  assert.equal(made.env['HOME'], '/home/agent');
  assert.equal(made.timeout, 9);
});

test('file operations carry path and contents unchanged', () => {
  const name = wellFormed.filter((s) => !/\0|\/|^\.{0,2}$/.test(s));
  fc.assert(
    fc.property(name, wellFormed, wellFormed, (path, old, fresh) => {
      const write = script({ kind: 'write_file', args: { path, content: fresh } });
      assert.deepEqual(unpack(write.input), ['write', `/workspace/${path}`, fresh]);
      const edit = script({ kind: 'edit_file', args: { path, old, new: fresh } });
      assert.deepEqual(unpack(edit.input), ['edit', `/workspace/${path}`, old, fresh]);
      const read = script({ kind: 'read_file', args: { path, offset: 3, limit: 4 } });
      assert.deepEqual(unpack(read.input), ['read', `/workspace/${path}`, '3', '4']);
      const list = script({ kind: 'list', args: { path } });
      assert.deepEqual(unpack(list.input), ['list', `/workspace/${path}`]);
      const get = script({ kind: 'get_file', args: { path } });
      assert.deepEqual(unpack(get.input), ['get', `/workspace/${path}`]);
      const bytes = Buffer.from(fresh);
      const put = script(putting(path, bytes), bytes);
      assert.deepEqual(unpack(put.input), ['put', `/workspace/${path}`]);
      assert.equal(put.rest, bytes);
      const grep = script({ kind: 'grep', args: { pattern: old, path } });
      assert.deepEqual(unpack(grep.input), ['grep', `/workspace/${path}`, old]);
    }),
  );
});

test('length-prefixed fields of any bytes can be told apart again', () => {
  fc.assert(
    fc.property(fc.array(wellFormed), (values) => {
      assert.deepEqual(unpack(fields(...values)), values);
    }),
  );
});

test('every path that is taken lies below the workspace', () => {
  const part = fc.oneof(fc.constantFrom('', '.', '..', 'a', '~', '/', 'workspace', '...'), fc.string());
  fc.assert(
    fc.property(
      fc.array(part).map((parts) => parts.join('/')),
      (path) => {
        let taken: string;
        try {
          taken = workspacePath(path);
        } catch (error) {
          assert.ok(error instanceof ScriptError);
          return;
        }
        assert.match(taken, /^\/workspace(\/|$)/);
        assert.ok(!taken.split('/').includes('..') && !taken.includes('\0'));
      },
    ),
  );
});

test('paths that lead out are refused, their twins inside are not', () => {
  for (const bad of ['/etc/passwd', '../x', 'a/../../x', '/workspace/../etc', '/workspacex', '//etc', 'a\0b'])
    assert.throws(() => workspacePath(bad), ScriptError, bad);
  const good = {
    '': '/workspace',
    a: '/workspace/a',
    '/workspace/b/': '/workspace/b',
    '..a': '/workspace/..a',
  };
  for (const [path, expected] of Object.entries(good)) assert.equal(workspacePath(path), expected);
});

test('what no process could be given is refused before anything runs', () => {
  const bad: Ask[] = [
    { kind: 'bash', args: { ...bash, timeout: 0 } },
    { kind: 'bash', args: { ...bash, timeout: 1.5 } },
    { kind: 'bash', args: { ...bash, env: { 'A=B': 'x' } } },
    { kind: 'bash', args: { ...bash, env: { 'A B': 'x' } } },
    { kind: 'bash', args: { ...bash, env: { A: 'x\0y' } } },
    { kind: 'bash', args: { ...bash, script: 'x'.repeat((16 << 20) + 1) } },
    { kind: 'read_file', args: { path: 'a', offset: -1, limit: 0 } },
    putting('a', Buffer.from('x')),
    { kind: 'export', args: { as: 'diff; id' as 'patch' } },
    { kind: 'write_file', args: { path: '../a', content: '' } },
  ];
  for (const asked of bad)
    assert.throws(() => script(asked), { constructor: ScriptError, message: /nothing was run/ });
});

test('a file is added only where its bytes are those that the action names', () => {
  const [bytes, other] = [Buffer.from('genuine'), Buffer.from('another')];
  const asked = putting('a', bytes);
  assert.equal(script(asked, bytes).rest, bytes);
  const large = Buffer.alloc(mostSent + 1);
  const named = (size: number) => ({ ...asked, args: { path: 'a', sha256: sha256(bytes), size } }) as Ask;
  for (const [ask, sent] of [
    [asked, undefined],
    [asked, other],
    [asked, bytes.subarray(1)],
    [asked, Buffer.concat([bytes, bytes])],
    [named(8), bytes],
    [named(Number.NaN), bytes],
    [putting('a', large), large],
    [{ kind: 'put_file', args: { path: 'a' } } as Ask, bytes],
  ] as const)
    assert.throws(() => script(ask, sent), { constructor: ScriptError, message: /nothing was run/ });
  assert.throws(() => script(putting('../a', bytes), bytes), { constructor: ScriptError });
});
