import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  dropFrame,
  killFrame,
  runFrame,
  type Update,
  updateParser,
  watchFrame,
} from '../../sandbox/src/frames.ts';

const id = 'abcdefghijk0123';

/** A frame as the feeder sends it. */
function sent(type: string, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(16 + payload.length);
  head.write(type, 4);
  return Buffer.concat([head, Buffer.from(id), payload]);
}

function output(offset: number, bytes: Uint8Array): Buffer {
  const at = Buffer.alloc(8);
  at.writeBigUInt64BE(BigInt(offset));
  return sent('O', Buffer.concat([at, bytes]));
}

test('updates come out whole and in order however the stream is cut', () => {
  const outputs = fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(outputs, fc.array(fc.integer({ min: 1, max: 97 }), { minLength: 1 }), (chunks, cuts) => {
      const stream = Buffer.concat([
        ...chunks.map((c, i) => output(i, c)),
        sent('S', Buffer.from('exit 3 17 1 2 4')),
      ]);
      const got: Update[] = [];
      const parse = updateParser((u) => got.push(u));
      for (let at = 0, i = 0; at < stream.length; i++) {
        const size = cuts[i % cuts.length] ?? 1;
        parse(stream.subarray(at, at + size));
        at += size;
      }
      const expected = chunks.map((c, offset) => ({ id, offset, bytes: Buffer.from(c) }));
      assert.deepEqual(got, [
        ...expected,
        {
          id,
          end: 'done',
          status: { how: 'exit', number: 3, size: 17, left: 1, memory: 2, processes: 4 },
        },
      ]);
    }),
  );
});

test('states and refusals are told apart', () => {
  const got: Update[] = [];
  const parse = updateParser((u) => got.push(u));
  for (const [type, text] of [
    ['A', 'r'],
    ['A', 'u'],
    ['A', 'n'],
    ['E', 'already started'],
  ] as const)
    parse(sent(type, Buffer.from(text)));
  assert.deepEqual(got, [
    { id, running: true },
    { id, end: 'unknown' },
    { id, end: 'never' },
    { id, end: 'refused', why: 'already started' },
  ]);
});

test('what no feeder sends is refused', () => {
  const bad = [
    sent('X', Buffer.from('r')),
    sent('A', Buffer.from('z')),
    sent('S', Buffer.from('exit')),
    sent('S', Buffer.from('exit 3 17')),
    sent('S', Buffer.from('exit 3 x 0 0 0')),
    sent('S', Buffer.from('approved 0 0 0 0 0')),
    Buffer.from([0xff, 0xff, 0xff, 0xff]),
    Buffer.from([0, 0, 0, 1]),
  ];
  for (const frame of bad) assert.throws(() => updateParser(() => {})(frame), `${frame.toString('hex')}`);
});

test('a run frame carries id, program, timeout, strings and the exact input', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 500 }), (input) => {
      const env = { A: 'x y', B: '' };
      const frame = runFrame(id, { program: 'bash', input, cwd: '/workspace/ä', env, timeout: 258 });
      assert.equal(frame.readUInt32BE(0), frame.length - 4);
      assert.equal(frame.toString('latin1', 4, 20), `R${id}`);
      assert.equal(frame.toString('latin1', 20, 21), 'b');
      assert.equal(frame.readUInt32BE(21), 258);
      assert.equal(frame.readUInt32BE(25), 3);
      const strings = Buffer.from('/workspace/ä\0A=x y\0B=\0');
      assert.deepEqual(frame.subarray(29), Buffer.concat([strings, input]));
    }),
  );
});

test('an id that is none is never sent', () => {
  for (const bad of ['', '../../etc/passwd', 'ABCDEFGHIJKLMNO', `${id}0`, 'abcdefghijk012\0'])
    for (const make of [killFrame, dropFrame, (i: string) => watchFrame(i, 0)])
      assert.throws(() => make(bad), bad);
  assert.equal(watchFrame(id, 2 ** 40).readBigUInt64BE(20), 2n ** 40n);
});
