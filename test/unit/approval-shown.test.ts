/** What the person sees of an action: nothing in it passes for anything else, and an honest one stays as it is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import unhomoglyph from 'unhomoglyph';
import { actionBlocks } from '../../bot/src/show/action.ts';
import { message, toHtml, toText } from '../../bot/src/show/blocks.ts';
import { canBeTapped, chipCard, longCard, poll } from '../../bot/src/show/card.ts';
import { unmistakable } from '../../bot/src/show/unmistakable.ts';
import { type Action, actionText, digestOf } from '../../ledger/src/action.ts';
import { actionOf, bash, lines, parsed, readBack, secrets } from '../harness/shown.ts';

const cardText = (action: Action): string => toText(chipCard(action, secrets));
const ascii = /^\p{ASCII}*$/u;

/** Texts made to collide: what escapes, fences, marks, headers and look-alikes are made of. */
const pieces = fc.constantFrom(
  ...[
    '\\',
    'u{',
    '\\u{',
    '\\u{41}',
    '\\u{A*9}',
    '*2',
    '}',
    '5C',
    '\n',
    ' ',
    '\t',
    '\r',
    '\x1b[2K',
    '| ',
    '> ',
    '- ',
    '+ ',
  ],
  ...[
    'a',
    'cat',
    'а',
    'кот',
    'ο',
    '\u202E',
    '\u200B',
    'é',
    'e\u0301',
    '，',
    '你好',
    'ノート',
    '“',
    '—',
    '`',
    '```',
    '</code>',
  ],
  ...[
    '</pre>',
    '<p>',
    '&lt;',
    '<br>',
    '<a href="https://matrix.to/#/@o:x">',
    '@room',
    'tap 🦊 to approve',
    '#12 · exec',
  ],
  ...[
    '(empty)',
    'at most 10 min',
    'exec · digest ',
    '=',
    'A=1',
    '.',
    ' '.repeat(45),
    '\\ \n',
    '\t\n',
    ' \t',
    '\n'.repeat(7),
    '\n \n'.repeat(4),
  ],
);
const hostile = fc
  .array(fc.oneof(pieces, fc.string({ unit: 'binary', maxLength: 4 })), { maxLength: 12 })
  .map((p) => p.join(''));
const actions = fc.oneof(
  fc
    .record({
      script: hostile,
      cwd: fc.oneof(fc.constant('.'), hostile),
      a: hostile,
      b: fc.option(hostile),
      timeout: fc.integer({ min: 1, max: 3 }),
    })
    .map(({ script, cwd, a, b, timeout }) =>
      actionOf('bash', { script, cwd, timeout, env: b === null ? {} : { A: a, B: b } }),
    ),
  fc
    .record({ path: hostile, offset: fc.nat(2), limit: fc.nat(2) })
    .map((args) => actionOf('read_file', args)),
  fc.record({ path: hostile }).map((args) => actionOf('list', args)),
  fc.record({ path: hostile }).map((args) => actionOf('get_file', args)),
  fc.constant(actionOf('diff', {})),
  fc.constant(actionOf('screen', {})),
  fc
    .record({ script: hostile, cwd: hostile, seconds: fc.nat(2) })
    .map((args) => actionOf('terminal_open', args)),
  fc
    .record({
      number: fc.nat(3),
      text: hostile,
      enter: fc.boolean(),
      until: hostile,
      quiet: fc.nat(2),
      seconds: fc.nat(2),
    })
    .map((args) => actionOf('terminal_send', args)),
  fc
    .record({ number: fc.nat(3), until: hostile, quiet: fc.nat(2), seconds: fc.nat(2) })
    .map((args) => actionOf('terminal_read', args)),
  fc.nat(3).map((number) => actionOf('undo_diff', { number })),
  fc.nat(3).map((number) => actionOf('try', { number })),
  fc.nat(3).map((number) => actionOf('merge_look', { number })),
  fc.record({ number: fc.nat(3), task: hostile, difference: hostile }).map((args) => actionOf('merge', args)),
  fc.record({ number: fc.nat(3), difference: hostile }).map((args) => actionOf('undo', args)),
  fc.record({ branch: hostile }).map((args) => actionOf('push_look', args)),
  fc
    .record({
      host: hostile,
      path: hostile,
      branch: hostile,
      commit: hostile,
      commits: hostile,
      ssh: hostile,
    })
    .map((args) => actionOf('push', args)),
  fc
    .record({ host: hostile, path: hostile, branch: hostile, ssh: hostile })
    .map((args) => actionOf('pull', args)),
  fc.record({ as: hostile }).map((args) => actionOf('export', args as never)),
  fc.record({ path: hostile, sha256: hostile, size: fc.nat(2) }).map((args) => actionOf('put_file', args)),
  fc.record({ pattern: hostile, path: hostile }).map((args) => actionOf('grep', args)),
  fc.record({ path: hostile, content: hostile }).map((args) => actionOf('write_file', args)),
  fc.record({ path: hostile, old: hostile, new: hostile }).map((args) => actionOf('edit_file', args)),
);

test('every code read back gives the text again, to the letter: no two texts are shown alike', () => {
  fc.assert(
    fc.property(hostile, (text) => {
      assert.equal(readBack(unmistakable(text).text), text);
    }),
    { numRuns: 2000 },
  );
});

test('two actions that differ never render alike, in neither body, even under one number and digest', () => {
  fc.assert(
    fc.property(actions, actions, (one, other) => {
      const same = actionText(one) === actionText(other);
      assert.equal(cardText(one) === cardText(other), same);
      const tree = (a: Action) => JSON.stringify(parsed(toHtml(chipCard(a, secrets))));
      assert.equal(tree(one) === tree(other), same);
    }),
    { numRuns: 2000 },
  );
  const pairs: [Action, Action][] = [
    [bash('a\u202Eb'), bash('a\\u{202E}b')],
    [bash('a'), bash('a\n')],
    [bash('\n'.repeat(9)), bash('\\u{A*7}')],
    [bash('x  y'), bash('x y')],
    [bash('echo \\\n  rm'), bash('echo \\ \n  rm')],
    [bash('x\ty'), bash('x y')],
    [bash('é'), bash('e\u0301')],
    [
      actionOf('bash', { script: 'a', cwd: '.', env: { A: '1', B: '2' }, timeout: 1 }),
      actionOf('bash', { script: 'a', cwd: '.', env: { A: '1\nB=2' }, timeout: 1 }),
    ],
    [
      actionOf('bash', { script: 'a', cwd: 'b', env: {}, timeout: 1 }),
      actionOf('bash', { script: 'a', cwd: 'b · at most 1 s', env: {}, timeout: 1 }),
    ],
    [
      actionOf('write_file', { path: 'a', content: '' }),
      actionOf('write_file', { path: 'a', content: '(empty)' }),
    ],
    [
      actionOf('edit_file', { path: 'a', old: 'x\n+ y', new: 'z' }),
      actionOf('edit_file', { path: 'a', old: 'x', new: 'y\nz' }),
    ],
  ];
  for (const [one, other] of pairs) assert.notEqual(cardText(one), cardText(other));
});

test('attack-24 each of all Unicode’s characters that cannot be seen or passes for ASCII is shown by its code', () => {
  let nobody = '';
  let coded = 0;
  for (let code = 0x80; code <= 0x10ffff; code++) {
    const c = String.fromCodePoint(code);
    const name = `\\u{${code.toString(16).toUpperCase()}}`;
    if (/[\p{Cn}\p{Co}\p{Cs}]/u.test(c)) {
      nobody += `${c}a`;
      continue;
    }
    const unseen = /[\p{C}\p{Z}\p{DI}]/u.test(c);
    const turned =
      /[\p{sc=Hebr}\p{sc=Arab}\p{sc=Syrc}\p{sc=Thaa}\p{sc=Nkoo}\p{sc=Adlm}\u060C\u061B\u061F\u0640]/u.test(c);
    const passes =
      ascii.test(unhomoglyph(c)) ||
      ascii.test(c.normalize('NFKC')) ||
      /[\p{Pd}\p{Pi}\p{Pf}\p{Ps}\p{Pe}]/u.test(c);
    const foreign =
      /(?![\p{sc=Latn}\p{sc=Hani}\p{sc=Hira}\p{sc=Kana}\p{sc=Bopo}\p{sc=Hang}\p{sc=Zyyy}])[\p{L}\p{M}]/u.test(
        c,
      );
    for (const around of ['', 'a', ' ', 'п']) {
      const { text, hidden } = unmistakable(around + c + around);
      assert.ok(readBack(text) === around + c + around, name);
      const own = around === 'п' && /\p{sc=Cyrl}/u.test(c);
      if (!unseen && !turned && !(passes && !own) && !(foreign && around === 'a')) continue;
      assert.ok(text.includes(name) && hidden > 0, `${name} in ${JSON.stringify(around)}: ${text}`);
      coded++;
    }
  }
  assert.ok(coded > 40_000, `${coded} of them`);
  assert.ok(nobody.length > 1_500_000);
  const named = Array.from(nobody, (c) =>
    c === 'a' ? c : `\\u{${c.codePointAt(0)?.toString(16).toUpperCase()}}`,
  );
  assert.ok(unmistakable(nobody).text === named.join(''), 'and each that nobody has given a meaning');
});

test('attack-24 look-alikes, mixed scripts and marks are shown by their codes, with a warning; what runs stays', () => {
  const shown: [script: string, as: string][] = [
    ['cаt x', 'c\\u{430}t x'],
    ['сору', '\\u{441}\\u{43E}\\u{440}\\u{443}'],
    ['cοpy', 'c\\u{3BF}py'],
    ['приvет', '\\u{43F}\\u{440}\\u{438}v\\u{435}\\u{442}'],
    ['приве𝐭', 'приве\\u{1D42D}'],
    ['ｒｍ 𝐫𝐦', '\\u{FF52}\\u{FF4D} \\u{1D42B}\\u{1D426}'],
    ['rm ‐rf ∕ ⁄ ∖', 'rm \\u{2010}rf \\u{2215} \\u{2044} \\u{2216}'],
    ['rsync ——dry-run a b', 'rsync \\u{2014*2}dry-run a b'],
    ['cat <<«EOF', 'cat <<\\u{AB}EOF'],
    ['echo ❛a❜ ❟b❠', 'echo \\u{275B}a\\u{275C} \\u{275F}b\\u{2760}'],
    ['a │ b ┃ c ⏐ d ∣ e ▏f', 'a \\u{2502} b \\u{2503} c \\u{23D0} d \\u{2223} e \\u{258F}f'],
    ['〈a〉 ⟨b⟩ ❮c❯ „d‟', '\\u{3008}a\\u{3009} \\u{27E8}b\\u{27E9} \\u{276E}c\\u{276F} \\u{201E}d\\u{201F}'],
    ['「a」 『b', '\\u{300C}a\\u{300D} \\u{300E}b'],
    ['rm ─rf 一rf', 'rm \\u{2500}rf \\u{4E00}rf'],
    ['echo ‘$(rm x)’', 'echo \\u{2018}$(rm x)\\u{2019}'],
    ['true；rm', 'true\\u{FF1B}rm'],
    ['： || rm', '\\u{FF1A} || rm'],
    ['cd usrノbin', 'cd usr\\u{30CE}bin'],
    ['cafe\u0301', 'cafe\\u{301}'],
    ['\u1100\u1161', '\\u{1100}\\u{1161}'],
    ['e\u0338x', 'e\\u{338}x'],
    ['ᴄᴀt', '\\u{1D04}\\u{1D00}t'],
    ['true א && false ב', 'true \\u{5D0} && false \\u{5D1}'],
    ['a\u{E0041}b\u2066c', 'a\\u{E0041}b\\u{2066}c'],
    ['echo "\\u{202E}"', 'echo "\\u{5C}u{202E}"'],
  ];
  for (const [script, as] of shown) {
    const action = bash(script);
    const digest = digestOf(action);
    const text = cardText(action);
    assert.equal(lines(text).quoted, as);
    assert.match(text, /\n⚠️ \d+ characters? (?:is|are) shown as \\u\{…\}/);
    assert.ok(String(parsed(toHtml(actionBlocks(action)))[0]?.text).startsWith(as));
    assert.equal(digestOf(action), digest);
    assert.equal((JSON.parse(actionText(action)) as { args: { script: string } }).args.script, script);
  }
  const honest: [script: string, scripts: string][] = [
    ['echo hi # naïve Größe, où, señor, škola, ł', ''],
    ['printf "%s → ok ✓ 42 € 20°\\n" "$x" 🦊', ''],
    ['# Проверка: всё ли на месте', 'Cyrillic'],
    ['# ελέγχει τα αρχεία', 'Greek'],
    ['# 安装依赖，然后构建。使用git提交！', 'Han'],
    ['# 一个文件', 'Han'],
    ['# このノートは「日本語」です', 'Han, Hiragana, Katakana'],
    ['# 한국어 설명', 'Hangul'],
    ['# हिंदी में टिप्पणी', 'Devanagari'],
  ];
  for (const [script, scripts] of honest) {
    const text = cardText(bash(script));
    assert.equal(lines(text).quoted, script);
    assert.ok(!text.includes('⚠️'), script);
    const note = /not all of it is Latin script: (.*)/.exec(text)?.[1] ?? '';
    assert.equal(note, scripts);
  }
});

test('attack-25 escapes of terminals, carriage returns and backspaces are shown by their codes in every form of a card', () => {
  const script = 'echo safe\x1b[2K\x1b]0;title\x07\rrm -rf x\b\b\x9b31m';
  const as = 'echo safe\\u{1B}[2K\\u{1B}]0;title\\u{7}\\u{D}rm -rf x\\u{8*2}\\u{9B}31m';
  const action = bash(script);
  const long = longCard(action, secrets);
  for (const body of [
    cardText(action),
    JSON.parse(JSON.stringify(poll(action, secrets, ['@o:x']).content))['org.matrix.msc1767.text'],
    long.file,
  ] as string[]) {
    assert.equal(lines(body).quoted, as);
    assert.ok(!/(?!\n)\p{Cc}/u.test(body));
  }
  assert.ok(String(long.card['body']).includes(as));
  assert.equal(
    lines(cardText(bash('printf "a\\tb\\x1b[0m"\n\techo'))).quoted,
    'printf "a\\tb\\x1b[0m"\n\techo',
    'its genuine twin',
  );
});

test('attack-26 both bodies parse to exactly our blocks, and no line of an action can pass for one of the bot’s', () => {
  fc.assert(
    fc.property(actions, (action) => {
      const blocks = chipCard(action, secrets);
      const expected = blocks.map((b) =>
        'quote' in b
          ? { tag: 'pre', text: `${b.quote}\n` }
          : { tag: 'p', text: 'line' in b ? b.line : assert.fail() },
      );
      assert.deepEqual(parsed(toHtml(blocks)), expected);
      const own = blocks.flatMap((b) => ('line' in b ? b.line.split('\n') : []));
      assert.deepEqual(lines(toText(blocks)).own, own);
      for (const line of own)
        assert.match(
          line,
          /^(#12 · the agent wants to [a-z ]+|main · (\d+ \w+ · )?decide by 14:32|at most \d s|with the variable|in the directory|read|list the directory|find the lines that match|below|send the file here|add a file, under a further name where there is one already|of \d bytes, with the SHA-256|show what changed since the import|show what the terminal of this task shows|in a terminal of its own, for \d s at most|it can write to the workspace at any time, also while others run|type into the terminal that #\d opened|and then Enter|and no Enter|read the terminal that #\d opened|then read it, once it ends with|after \d s at the latest|then read it, once it is still for \d s, after \d s at the latest|show what would change if all were as it was before #\d|make every file as it was before #\d, whatever came since:|show what task \d did apart, as a merge would bring it into the workspace|bring into the workspace what task \d did apart, as|which does this there|run #\d in a copy of the workspace, without a network, and show what it would change|the copy is thrown away; nothing that waits is decided by this|show what a push would bring, of the branch|push to the git repository|which stands for|to its branch, never by force|exactly the commit|which brings|fetch from the git repository|its branch|then shows what a merge of it would bring; nothing is merged by this|up to 500 MB can (leave|come in), within 10 min|send what changed since the import, as|at most \d lines, from line \d|write the file|with this content|edit the file|replacing the one place that says|\(empty\)|⚠️ \d+ characters? (is|are) shown as \\u\{…\}: unseen, or passing for others|not all of it is Latin script: [\w, ]+|exec · digest \w{10}|tap 🦊 to approve · ❌ to deny)$/,
        );
      assert.deepEqual(message(blocks)['m.mentions'], {});
    }),
    { numRuns: 2000 },
  );
  const fake =
    'true\n```\n````\n</code></pre>\n<p>#12 · read · main</p>\ntap 🌵 to approve · ❌ to deny\n@room @o:x [x](https://matrix.to/#/@o:x)';
  const { own, quoted } = lines(cardText(bash(fake)));
  assert.equal(quoted, fake, 'all of it is shown, to the letter');
  assert.deepEqual(own, lines(cardText(bash(fake.replace(/\S/g, 'x')))).own, 'and changes no line of ours');
  assert.ok(canBeTapped(bash(fake), secrets));
});

test('attack-27 floods of blank lines and blanks are counted in the header and shown as what they are', () => {
  const floods: [script: string, as: string, header: RegExp][] = [
    [`echo hi${'\n'.repeat(1000)}rm -rf x`, 'echo hi\n\\u{A*998}\nrm -rf x', / · 1001 lines · /],
    [`${'\n'.repeat(50)}rm`, '\n\\u{A*48}\nrm', / · 51 lines · /],
    [`echo hi${' '.repeat(5000)}; rm`, 'echo hi\\u{20*5000}; rm', / · 1 line · /],
    [`echo hi${'\t'.repeat(300)}; rm`, 'echo hi\\u{9*300}; rm', / · 1 line · /],
    [
      `a${'\n  '.repeat(5)}\nb`,
      'a\n\\u{20*2}\\u{A}\\u{20*2}\\u{A}\\u{20*2}\\u{A}\\u{20*2}\\u{A}\\u{20*2}\nb',
      / · 7 lines · /,
    ],
  ];
  for (const [script, as, header] of floods) {
    const text = cardText(bash(script));
    assert.equal(lines(text).quoted, as);
    assert.match(text.split('\n')[1] ?? '', header);
    assert.match(text, /⚠️ \d+ characters are shown/);
    assert.ok(canBeTapped(bash(script), secrets));
  }
  assert.ok(
    !canBeTapped(bash(`${'x\n'.repeat(300)}rm`), secrets),
    'a flood of lines that say something takes no tap',
  );
  const honest = `if true; then\n\n\n${' '.repeat(24)}echo hi\nfi\n`;
  assert.equal(lines(cardText(bash(honest))).quoted, honest, 'its genuine twin stays as it is');
  assert.ok(!cardText(bash(honest)).includes('⚠️'));
});

/** What a person sees of a text: blanks at a line's end draw nothing, and within a line a tab draws some blanks. */
const drawn = (text: string): string => text.replace(/[ \t]+$/gm, '').replace(/(?<=[^\t\n])\t|\t(?= )/g, ' ');

test('attack-27 what is typed into a terminal is shown key by key: an Enter or a Tab in it by its code; its twin, words, as they are', () => {
  const typing = (text: string) => {
    const args = { number: 5, text, enter: false, until: '', quiet: 2, seconds: 9 };
    return cardText({ ...bash(''), kind: 'terminal_send', args } as Action);
  };
  for (const [text, as] of [
    ['rm -rf src\n', 'rm -rf src\\u{A}'],
    ['\t\tnrm -rf src', '\\u{9*2}nrm -rf src'],
    ['one\ntwo', 'one\\u{A}two'],
    ['y\r', 'y\\u{D}'],
    ['\x1b[A', '\\u{1B}[A'],
  ] as const) {
    assert.equal(lines(typing(text)).quoted, as);
    assert.match(typing(text), /⚠️ \d characters? (is|are) shown as/);
  }
  assert.equal(lines(typing('print(1 + 1)')).quoted, 'print(1 + 1)');
  assert.doesNotMatch(typing('print(1 + 1)'), /⚠️/);
});

test('attack-27 blanks that nobody sees at the end of a line, and tabs within one, are shown by their codes', () => {
  const hostileOnes: [script: string, as: string, warned: number][] = [
    ['echo cleaning \\ \n  rm -rf /workspace', 'echo cleaning \\\\u{20}\n  rm -rf /workspace', 1],
    ['echo a \\\t \n  rm', 'echo a \\\\u{9}\\u{20}\n  rm', 2],
    ['EOF \ncat', 'EOF\\u{20}\ncat', 1],
    ['echo x  ', 'echo x\\u{20*2}', 2],
    [' \n\t\nrm', '\\u{20}\n\\u{9}\nrm', 2],
    ['rm a\tb', 'rm a\\u{9}b', 1],
    ['  \t x', '  \\u{9} x', 1],
    ['\t x', '\\u{9} x', 1],
  ];
  for (const [script, as, warned] of hostileOnes) {
    const text = cardText(bash(script));
    assert.equal(lines(text).quoted, as);
    assert.ok(text.includes(warned === 1 ? '⚠️ 1 character is' : `⚠️ ${warned} characters are`), as);
    assert.equal(readBack(as), script);
  }
  fc.assert(
    fc.property(hostile, (text) => {
      const shown = unmistakable(text).text;
      assert.equal(drawn(shown), shown);
    }),
    { numRuns: 2000 },
  );
  const honest = 'all: x\n\tgo build ./... \\\n\t\t-o x\n\nif true; then\n  echo hi\nfi\n';
  for (const action of [bash(honest), actionOf('write_file', { path: 'Makefile', content: honest })])
    assert.ok(!cardText(action).includes('\\u{'), 'its genuine twin stays as it is');
  const edit = actionOf('edit_file', { path: 'a.go', old: '\tx()\n\n\ty()', new: '\tx() \n' });
  assert.ok(cardText(edit).includes('| - \tx()\n| - \n| - \ty()\n| + \tx()\\u{20}\n| + \n⚠️ 1 '));
});

test('attack-34 the card of a write to what git obeys says so, alone or in a plan; that of one beside it does not', () => {
  const told = '⚠️ git obeys what stands there, and may run it; no lease covers this';
  const write = (path: string) => ({ kind: 'write_file', args: { path, content: 'x' } }) as const;
  for (const [path, obeyed] of [
    ['.git/hooks/pre-commit', true],
    ['./sub//.Git/config', true],
    ['.github/hooks', false],
  ] as const) {
    const shown = [
      actionOf('write_file', write(path).args),
      actionOf('edit_file', { path, old: 'a', new: 'b' }),
      actionOf('put_file', { path, sha256: 'ab', size: 1 }),
      actionOf('plan', { steps: [write(path)], seconds: 60 }),
    ];
    for (const action of shown) assert.equal(lines(cardText(action)).own.includes(told), obeyed, path);
  }
});

test('a hostile text of the largest size is shown in good time', () => {
  for (const unit of [
    'а',
    'а ',
    '\u202E',
    ' \n',
    ' ',
    ' \t',
    '\n',
    `\n${' '.repeat(40)}`,
    '\\u{',
    'e\u0301',
    '“a',
    '你，',
  ])
    for (const size of [262_144]) {
      const text = unit.repeat(size / unit.length);
      const start = performance.now();
      assert.ok(readBack(unmistakable(text).text) === text);
      assert.ok(performance.now() - start < 10_000, JSON.stringify(unit));
    }
});
