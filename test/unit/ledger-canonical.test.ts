import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { canonical } from '../../ledger/rules/canonical.cjs';

const vectors: [name: string, value: unknown, text: string][] = [
  [
    'RFC 8785 section 3.2.2: literals, numbers, strings',
    {
      numbers: [Number('333333333.33333329'), 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
      string: '\u20ac$\u000F\u000aA\'\u0042\u0022\u005c\\"/',
      literals: [null, true, false],
    },
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
  ],
  [
    'RFC 8785 section 3.2.3: keys by UTF-16 code units',
    {
      '\u20ac': 'Euro Sign',
      '\r': 'Carriage Return',
      '\ufb33': 'Hebrew Letter Dalet With Dagesh',
      '1': 'One',
      '\ud83d\ude00': 'Emoji: Grinning Face',
      '\u0080': 'Control',
      '\u00f6': 'Latin Small Letter O With Diaeresis',
    },
    '{"\\r":"Carriage Return","1":"One","\u0080":"Control","ö":"Latin Small Letter O With Diaeresis","€":"Euro Sign","😀":"Emoji: Grinning Face","\ufb33":"Hebrew Letter Dalet With Dagesh"}',
  ],
  ['minus zero is zero', -0, '0'],
  ['the largest double', 1.7976931348623157e308, '1.7976931348623157e+308'],
  ['nested', { b: [{ d: 1, c: 2 }], a: {} }, '{"a":{},"b":[{"c":2,"d":1}]}'],
];
for (const [name, value, text] of vectors) test(name, () => assert.equal(canonical(value), text));

const refused: [string, unknown][] = [
  ['undefined', undefined],
  ['undefined in an object', { a: undefined }],
  ['NaN', Number.NaN],
  ['infinity', [Number.POSITIVE_INFINITY]],
  ['a function', () => 0],
  ['a big integer', 1n],
  ['a high surrogate alone', 'x\ud800'],
  ['a low surrogate alone', '\udc00x'],
  ['surrogates in the wrong order', '\udc00\ud800'],
  ['a lone surrogate in a key', { '\ud800': 1 }],
];
for (const [name, value] of refused) test(`refuses ${name}`, () => assert.throws(() => canonical(value)));

const json = fc.jsonValue({ stringUnit: 'binary', maxDepth: 4 });

test('says the same as JSON.stringify, but for the order of keys', () => {
  fc.assert(
    fc.property(json, (value) => {
      assert.deepEqual(JSON.parse(canonical(value)), JSON.parse(JSON.stringify(value)));
    }),
  );
});

test('is stable: the text of what a text says is that text', () => {
  fc.assert(fc.property(json, (value) => canonical(JSON.parse(canonical(value))) === canonical(value)));
});

test('does not depend on the order in which keys were added', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string({ unit: 'binary' }), fc.integer()), (value) => {
      const reversed = Object.fromEntries(Object.entries(value).reverse());
      return canonical(reversed) === canonical(value);
    }),
  );
});
