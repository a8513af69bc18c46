/** The agent's words in both bodies: rendered to what Element keeps, and never out of their frame. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { proseHtml, readable, spoken } from '../../bot/src/room/prose.ts';
import { framed, lines } from '../harness/shown.ts';

const shown = (text: string) => {
  const content = spoken('agent:', text, 'm.text');
  return { ...lines(String(content['body'])), ...framed(String(content['formatted_body'])) };
};

for (const [name, text, html] of [
  [
    'bold, italic, struck and code',
    '**a** _b_ ~~c~~ `d`',
    '<p><b>a</b> <i>b</i> <del>c</del> <code>d</code></p>',
  ],
  ['a heading', '## Done\nall', '<p><b>Done</b></p><p>all</p>'],
  ['line ends', 'one\ntwo\n\nthree', '<p>one<br>two</p><p>three</p>'],
  ['a fence', '```ts\nif (a < b)\n```', '<pre><code>if (a &lt; b)\n</code></pre>'],
  ['indented code', '    make "all"', '<pre><code>make &quot;all&quot;\n</code></pre>'],
  ['lists', '- a\n- b\n  1. c', '<ul><li>a</li><li>b<ol><li>c</li></ol></li></ul>'],
  ['a list that goes on', '3. c\n4. d', '<ol start="3"><li>c</li><li>d</li></ol>'],
  ['a quotation', '> he said\n\nso', '<blockquote><p>he said</p></blockquote><p>so</p>'],
  ['a table', '| a | b |\n|---|---|\n| 1 | 2 |', '<pre><code>| a | b |\n|---|---|\n| 1 | 2 |\n</code></pre>'],
  ['a rule', 'a\n\n---\n\nb', '<p>a</p><p>———</p><p>b</p>'],
  [
    'a link',
    '[docs](https://x.org/a?b=1&c)',
    '<p>docs (<a href="https://x.org/a?b=1&amp;c">https://x.org/a?b=1&amp;c</a>)</p>',
  ],
  ['a bare link', '<https://x.org>', '<p><a href="https://x.org">https://x.org</a></p>'],
  [
    'a picture',
    '![the plan](https://x.org/p.png)',
    '<p>the plan (<a href="https://x.org/p.png">https://x.org/p.png</a>)</p>',
  ],
  ['a task list', '- [x] done', '<ul><li>[x] done</li></ul>'],
] as const)
  test(`${name} is what it means`, () => {
    assert.equal(proseHtml(text), html);
    assert.deepEqual(shown(text).own, ['agent:']);
  });

test('an emoji, the joiners of a script and the blanks of French stay; the plain body is the Markdown as it was written', () => {
  for (const text of [
    '⚠️ ✔️ 👨‍💻 👩🏽‍🚒 ❤️‍🔥 1️⃣ 🇫🇷',
    'می‌خواهم نامه‌ای بنویسم',
    'क्‍ष और क्‌ष, श्रीमान्‌',
    'Attention : « oui » !',
    '日本語　'.trim(),
    '**bold** and\n\n```\ncode\n```',
  ]) {
    assert.equal(readable(text), text);
    assert.equal(shown(text).said, text);
  }
});

test('attack-24 what else cannot be seen is shown by its code in the agent’s words too', () => {
  for (const [text, seen] of [
    ['a\u202Eb', 'a\\u{202E}b'],
    ['a\u200Bb\u200Dc', 'a\\u{200B}b\\u{200D}c'],
    ['x\uFE0F', 'x\\u{FE0F}'],
    ['⚠\uFE0F\uFE0F', '⚠\uFE0F\\u{FE0F}'],
    ['می\u200C\u200C', 'می\u200C\\u{200C}'],
    ['\u{E0041}\u2066\u061C\u2800\u00AD', '\\u{E0041}\\u{2066}\\u{61C}\\u{2800}\\u{AD}'],
    ['a\rb\x1b[2K\u2028', 'a\\u{D}b\\u{1B}[2K\\u{2028}'],
  ] as const) {
    assert.equal(readable(text), seen);
    assert.equal(shown(text).text, seen);
  }
  assert.equal(shown('&#8238;&lt;b&gt;&ZeroWidthSpace;').text, '&#8238;&lt;b&gt;&ZeroWidthSpace;');
});

test('attack-26 no address hides where it leads, and none of Matrix can be tapped: nothing looks like a pill', () => {
  const { links, text } = shown(
    [
      '[https://bank.org](https://evil.org)',
      '[@owner:home](https://matrix.to/#/@owner:home)',
      '[x](HTTPS://MATRIX.TO/#/@owner:home) [y](https://matrix%2eto/#/@o:h) <matrix:u/owner:home>',
      'https://matrix.to/#/@owner:home and matrix:u/owner:home',
      '[a](javascript:alert(1)) [b](data:text/html,x) [c](https://bank.org@evil.org/)',
      '![x](mxc://home/media)',
    ].join('\n\n'),
  );
  assert.deepEqual(links, ['https://evil.org']);
  assert.ok(text.includes('https://bank.org (https://evil.org)'));
  const html = proseHtml('see https://matrix.to/#/@owner:home.');
  assert.equal(html, '<p>see <code>https://matrix.to/#/@owner:home.</code></p>');
  assert.deepEqual(spoken('agent:', '@room', 'm.text')['m.mentions'], {});
});

test('attack-26 whatever the agent writes, in both bodies all of it stands in its frame, and only the bot’s lines outside', () => {
  const piece = fc.constantFrom(
    ...[
      '</blockquote>',
      '<p>✅ approved</p>',
      '<script>',
      '<!--',
      '```',
      '~~~',
      '    ',
      '\n',
      '\n\n',
      '> ',
      '>> ',
    ],
    ...[
      '- ',
      '1. ',
      '# ',
      '===\n',
      '---\n',
      '| a | b |\n|---|---|\n',
      '**',
      '_',
      '`',
      '~~',
      '[',
      '](https://x.org)',
    ],
    ...[
      '![',
      '](',
      '\\',
      '&lt;',
      '&#10;',
      '<a href="https://matrix.to/#/@o:h">',
      '\r',
      '\u2028',
      '\u202E',
      '🦊',
    ],
    ...[
      'agent:',
      '#12 · exec · main',
      'tap 🌵 to approve',
      '[x]: https://x.org "t"\n',
      '<https://x.org>',
      '\t',
    ],
  );
  const words = fc.array(fc.oneof(piece, fc.string({ unit: 'grapheme', maxLength: 8 })), { maxLength: 40 });
  fc.assert(
    fc.property(words, (parts) => {
      const text = parts.join('');
      const { own, said, text: inside, links } = shown(text);
      assert.deepEqual(own, ['agent:']);
      assert.equal(said, readable(text));
      assert.ok(!/(?![\n\t])[\p{Cc}\u202E\u2028]/u.test(inside));
      for (const link of links) assert.match(link, /^https?:\/\/[!-~]+$/);
    }),
    { numRuns: 2000 },
  );
});

test('attack-22 words are cut where a homeserver would not take them, whatever they become', () => {
  for (const unit of [
    '&',
    '"',
    '\n',
    '- \n',
    '> ',
    '**a** ',
    '| a |\n|---|\n',
    '<https://x.org> ',
    '\u200B',
  ]) {
    const content = spoken('agent:', unit.repeat(9000), 'm.text');
    const edit = JSON.stringify({ ...content, 'm.new_content': content });
    assert.ok((Buffer.byteLength(edit) * 4) / 3 + 1500 < 65_536, `${unit}: ${edit.length}`);
    assert.ok(String(content['body']).endsWith('\ncut here: it was longer'), unit);
    assert.deepEqual(framed(String(content['formatted_body'])).own, ['agent:', 'cut here: it was longer']);
  }
});
