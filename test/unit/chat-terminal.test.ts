/** What a terminal would show of an output: the last state of each line, and nothing that steers one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { forModel, onScreen } from '../../bot/src/room/terminal.ts';

const cases: [what: string, written: string, shown: string][] = [
  ['progress by carriage returns', ' 10 %\r 50 %\r100 %\ndone\n', '100 %\ndone\n'],
  ['a shorter state over a longer one', 'downloading\rok\n', 'okwnloading\n'],
  ['a line erased first', 'downloading\r\x1b[Kok\n', 'ok\n'],
  ['the whole line erased', 'abc\x1b[2K\rok', 'ok'],
  ['its beginning erased', 'abcd\x1b[3D\x1b[1K', '  cd'],
  ['backspaces', 'working |\b/\b-\b \b\n', 'working  \n'],
  ['overstruck as by man', 'N\bNA\bA', 'NA'],
  ['lines of Windows', 'one\r\ntwo\r\n', 'one\ntwo\n'],
  ['colours and a title', '\x1b]0;title\x07\x1b[1;31mred\x1b[0m \x9b32mgreen\x9b0m', 'red green'],
  ['a link', '\x1b]8;;http://x\x1b\\text\x1b]8;;\x1b\\', 'text'],
  ['several lines drawn anew', 'a 1\nb 1\n\x1b[2Aa 2\nb 2\n', 'a 2\nb 2\n'],
  ['what was below erased', 'a\nb\nc\x1b[2F\x1b[Jz', 'z'],
  ['a column', 'x\x1b[5Gy\x1b[1Gz', 'z   y'],
  ['a string of the terminal’s that never ends', '\x1b]0;never\nshown', '0;never\nshown'],
  ['tabs', 'a\tb\n\tc', 'a\tb\n\tc'],
  ['a pair of surrogates', 'x\r🦊', '🦊'],
];
for (const [what, written, shown] of cases)
  test(`on a terminal: ${what}`, () => assert.equal(onScreen(written), shown));

test('what is no control is shown to the letter', () => {
  const plain = fc.string({ unit: 'binary' }).filter((text) => !/(?![\n\t])\p{Cc}/u.test(text));
  fc.assert(fc.property(plain, (text) => assert.equal(onScreen(text), text)));
});

test('attack-25 no control character but line feed and tab reaches a model, whatever a script writes; its words do', () => {
  const steering = fc.constantFrom(
    '\0',
    '\x07',
    '\b',
    '\r',
    '\x1b',
    '\x1b[',
    '\x9b',
    '\x1b]',
    '\x1b[9999999999C',
    '5A',
  );
  const text = fc.array(fc.oneof(steering, fc.string({ unit: 'binary' })), { maxLength: 40 });
  fc.assert(fc.property(text, (parts) => assert.doesNotMatch(forModel(parts.join('')), /(?![\n\t])\p{Cc}/u)));
  assert.equal(forModel('a\0b\x07c\n\td'), 'abc\n\td');
});

test('a hostile output costs no more than its length allows', () => {
  for (const piece of ['\x1b[200Gx\n', '\x1b[99999Cx', '\x1b[99999A', '\x1b]', '\x1b[', 'x\r', '\x1b[1K'])
    assert.ok(onScreen(piece.repeat(65_536 / piece.length)).length < 3_000_000, JSON.stringify(piece));
});
