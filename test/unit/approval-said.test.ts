/** What phones make of a command, a code and a reply, and what is read from it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { leakIn } from '../../bot/src/approval/leaks.ts';
import { saidIn } from '../../bot/src/approval/said.ts';
import type { Card, CardStore } from '../../bot/src/approval/store.ts';
import { newCode, newNonce, sealedKey, typedCode } from '../../bot/src/approval/tokens.ts';

const said = (body: string): string => saidIn({ body }).text;

test('a command is one whatever stands around its mark and its name, and its arguments stay to the letter', () => {
  for (const [body, is] of [
    ['!stop', '!stop'],
    [' !stop', '!stop'],
    ['\n\t !stop \n', '!stop'],
    ['\u200B\uFEFF!stop', '!stop'],
    ['!stop.', '!stop'],
    ['!Stop!', '!Stop'],
    ['! stop', '!stop'],
    ['！stop', '!stop'],
    ['！ｓｔｏｐ。', '!stop'],
    ['﹗stop…', '!stop'],
    ['`!stop`', '!stop'],
    ['```\n!run ls\n```', '!run ls'],
    ['```sh\n!run ls\n```\n', '!run ls'],
    ['~~~\n!run ls\n~~~', '!run ls'],
    ['```!run ls```', '!run ls'],
    ['!run. ls', '!run ls'],
    ['!!!', '!'],
    ['!', '!'],
    ['> <@bot:x> #1 exec\n> | ls\n\n !run ls', '!run ls'],
  ])
    assert.equal(said(body as string), is, JSON.stringify(body));
  const scripts = [
    'ls.',
    'echo "a  b"',
    'cat <<E\n  x\nE',
    'echo `date`',
    'a\t\u200B–b',
    'true # ！',
    '```\nls\n```',
  ];
  for (const script of scripts)
    for (const body of [`!run ${script}`, ` ！run ${script}`, `~~~~\n!run ${script}\n~~~~`])
      assert.equal(said(body), `!run ${script}`, body);
  for (const words of [
    'wow!',
    '`ls`',
    '```\nls\n```',
    'stop',
    ' two  blanks',
    '> !stop',
    '¡hola!',
    '❗ important',
  ])
    assert.equal(said(words), words, 'words are left as they are');
});

test('an old client’s quote is taken off the words, and whatever else a message holds does no harm', () => {
  const reply = { 'm.in_reply_to': { event_id: '$card' } };
  for (const [body, text, quote] of [
    ['> <@bot:x> #12 exec\n> | ls\n\nwhy?', 'why?', '<@bot:x> #12 exec\n| ls'],
    ['> * <@bot:x> waves\n\nhello\n\n> yours', 'hello\n\n> yours', '* <@bot:x> waves'],
    ['> <@bot:x> a\n\n', '', '<@bot:x> a'],
    ['> a quote of my own\n\nwhy?', '> a quote of my own\n\nwhy?', ''],
    ['a > <@bot:x> b', 'a > <@bot:x> b', ''],
  ])
    assert.deepEqual(saidIn({ body, 'm.relates_to': reply }), { text, quote, replyTo: '$card', thread: '' });
  assert.equal(saidIn({ body: 'x', 'm.relates_to': { ...reply, is_falling_back: true } }).replyTo, '');
  const threaded = { ...reply, rel_type: 'm.thread', event_id: '$root' };
  assert.equal(saidIn({ body: 'x', 'm.relates_to': threaded }).thread, '$root');
  assert.equal(saidIn({ body: 'x', 'm.relates_to': { ...threaded, rel_type: 'm.reference' } }).thread, '');
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom('body', 'm.relates_to'), fc.jsonValue()), (content) => {
      const { text, quote, replyTo, thread } = saidIn(content);
      for (const part of [text, quote, replyTo, thread]) assert.equal(typeof part, 'string');
    }),
  );
});

/** What people, and their phones, make of the letters of a code, and put between and around them. */
const look: Record<string, string[]> = { '0': ['0', 'O', 'o'], '1': ['1', 'I', 'i', 'L', 'l'] };
const wide = (c: string): string => String.fromCodePoint((c.codePointAt(0) ?? 0) + 0xfee0);
const letter = (c: string) => fc.constantFrom(...(look[c] ?? [c, c.toLowerCase()]), wide(c));
const between = fc.constantFrom(
  ...[
    '',
    '',
    '-',
    '‐',
    '‑',
    '‒',
    '–',
    '—',
    '−',
    '﹣',
    '－',
    ' ',
    '\u00A0',
    '\n',
    '.',
    '·',
    '\u200B',
    ' - ',
    '\u00AD',
    '_',
  ],
);
const around = fc.constantFrom('', ' ', '.', '\n', ' .', '“', '`', '**', '\u200B', '。');
const typed = fc
  .constant(null)
  .map(newCode)
  .chain((code) => {
    const letters = [...code.replace('-', '')];
    const parts = letters.flatMap((c, i) => (i === 0 ? [letter(c)] : [between, letter(c)]));
    return fc.tuple(around, ...parts, around).map((all) => ({ code, form: all.join('') }));
  });

test('attack-49 every form in which a code counts is kept from leaving while its card is open', () => {
  const card = {
    ...{ action: 'a', number: 1, key: sealedKey('🦊'), decoy: sealedKey('🌵'), nonce: newNonce() },
  } as Card;
  fc.assert(
    fc.property(typed, fc.string(), fc.string(), ({ code, form }, before, after) => {
      assert.equal(typedCode(form), code, JSON.stringify(form));
      const cards = { open: () => [{ ...card, code }] } as unknown as CardStore;
      for (const text of [
        form,
        `${before} ${form} ${after}`,
        JSON.stringify({ body: form }),
        form.toLowerCase(),
      ])
        assert.match(leakIn(cards, text), /a secret of #1,/, JSON.stringify(text));
    }),
    { numRuns: 2000 },
  );
});

test('ordinary text holds no secret, and no code', () => {
  const cards = {
    open: () =>
      Array.from({ length: 50 }, (_, number) => ({
        number,
        key: sealedKey('🦊'),
        decoy: '',
        nonce: newNonce(),
        code: newCode(),
      })),
  } as unknown as CardStore;
  fc.assert(fc.property(fc.lorem({ maxCount: 200 }), (text) => leakIn(cards, text) === ''));
  for (const text of [
    'delete old/ please',
    'aaaa',
    '',
    '12345678 9 1',
    'AAAA-BBBU',
    'AAAA-BBBBx',
    'what is AAAA-BBBB',
  ])
    assert.equal(typedCode(text), undefined, text);
});
