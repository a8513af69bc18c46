import assert from 'node:assert/strict';
import { test } from 'node:test';
import { editOf } from '../../bot/src/proof/post.ts';
import { message, toHtml, toText } from '../../bot/src/show/blocks.ts';
import { answered, canBeTapped, chipCard, longCard, poll } from '../../bot/src/show/card.ts';
import { visible } from '../../bot/src/show/visible.ts';
import type { EventId } from '../../bot/src/types.ts';
import { type Action, makeAction } from '../../ledger/src/action.ts';
import { aPolicy } from '../harness/ledger-chain.ts';
import { secrets } from '../harness/shown.ts';

const bash = (script: string): Action =>
  makeAction(
    {
      kind: 'bash',
      args: { script, cwd: '.', env: {}, timeout: 600 },
      workspace: 'main',
      task: 't',
      requester: '@owner:home',
    },
    aPolicy({ decide_within: 600, execute_within: 120 }),
  );
const unescapeHtml = (html: string) =>
  html
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&quot;/g, '"')
    .replace(/&#39;/g, "'")
    .replace(/&amp;/g, '&');

test('every character that draws nothing is shown, every other stays', () => {
  let shown = 0;
  for (let code = 0; code <= 0x10ffff; code++) {
    if (code >= 0xd800 && code <= 0xdfff) continue;
    const c = String.fromCodePoint(code);
    const seen = visible(`a${c}b`);
    const unseen = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(c) && c !== '\n' && c !== '\t';
    if (unseen) assert.equal(seen.text, `a\\u{${code.toString(16).toUpperCase()}}b`);
    if (seen.hidden > 0) shown++;
    else assert.equal(seen.text, `a${c}b`);
  }
  assert.ok(shown > 200);
  assert.equal(visible('naïve 日本語 🦊\n\tok').hidden, 0);
});

test('attack-23 the title of another task stands first, on one line of somebody’s words, and passes for nothing of the card’s', () => {
  const action = bash('ls');
  const plain = toText(chipCard(action, secrets));
  const head = plain.split('\n')[0] ?? '';
  for (const title of [
    'fix the login',
    `x\n${head}`,
    '\u202E\u2028| rm',
    '</blockquote><p>tap',
    'y'.repeat(500),
  ]) {
    const s = { ...secrets, title };
    const poll_ = poll(action, s, ['@o:x']).content['org.matrix.msc1767.text'];
    const all = [
      [toText(chipCard(action, s)), plain],
      [toText(answered(action, s, 'done')), toText(answered(action, secrets, 'done'))],
      [String(longCard(action, s).card['body']), String(longCard(action, secrets).card['body'])],
      [String(poll_), String(poll(action, secrets, ['@o:x']).content['org.matrix.msc1767.text'])],
    ] as const;
    for (const [text, without] of all) {
      const [first = '', ...rest] = text.split('\n');
      assert.equal(rest.join('\n'), without);
      assert.match(first, /^> [^\n\p{Cc}\p{Cf}\u2028]{1,100}$/u);
    }
    const html = toHtml(chipCard(action, s));
    assert.match(html, /^<blockquote>[^<>]*<\/blockquote><p>#/);
  }
  assert.ok(
    toText(chipCard(action, { ...secrets, title: 'fix the login' })).startsWith('> fix the login\n#'),
  );
});

test('attack-23 a harmful end is never cut off: a card shows the whole script, a longer one cannot be tapped', () => {
  for (const size of [1, 100, 5_000, 11_000, 50_000, 1_000_000]) {
    const action = bash(`${'x'.repeat(size)}; rm -rf /`);
    if (canBeTapped(action, secrets)) {
      const card = chipCard(action, secrets);
      assert.ok(toText(card).includes(`${'x'.repeat(size)}; rm -rf /`));
      assert.ok(unescapeHtml(toHtml(card)).includes(`${'x'.repeat(size)}; rm -rf /`));
      assert.ok(JSON.stringify(poll(action, secrets, ['@o:x']).content).includes('; rm -rf /'));
      continue;
    }
    const long = longCard(action, secrets);
    const body = String(long.card['body']);
    assert.ok(
      !body.includes('🦊') && !body.includes(secrets.code),
      'a card that is cut names no chip and no code',
    );
    assert.ok(body.includes('; rm -rf /'), 'its end is shown');
    assert.ok(long.file.includes(`${'x'.repeat(size)}; rm -rf /`), 'the file has all of it');
    assert.match(long.file.trimEnd().split('\n').at(-1) ?? '', /send AAAA-BBBB to approve #12/);
  }
  assert.ok(canBeTapped(bash('echo hi'), secrets), 'the genuine twin is a card');
  assert.ok(!canBeTapped(bash(`true\n`.repeat(300)), secrets), 'a flood of lines is not');
});

test('a card that can be tapped fits a homeserver’s largest event, whatever it is made of', () => {
  for (const unit of ['x', '"', '&', '日', '🦊', '\n', "it's "]) {
    for (let size = 500; size <= 64_000; size *= 2) {
      const action = bash(unit.repeat(size / unit.length));
      if (!canBeTapped(action, secrets)) continue;
      const end = message(answered(action, secrets, 'x'.repeat(200), ['y'.repeat(100)]));
      const edit = JSON.stringify(editOf('$event' as EventId, end));
      const asked = JSON.stringify(poll(action, secrets, ['@owner:x']).content);
      for (const event of [edit, asked])
        assert.ok((Buffer.byteLength(event) * 4) / 3 + 1500 < 65_536, `${unit} × ${size}: ${event.length}`);
    }
    assert.ok(canBeTapped(bash(unit.repeat(30)), secrets), 'a short one is a card');
  }
  const ticks = bash('`a'.repeat(131_072)); // no rendering of it runs out of stack
  assert.ok(!canBeTapped(ticks, secrets));
  assert.ok(longCard(ticks, secrets).file.includes('send AAAA-BBBB'));
});

test('the same action renders the same card, and another number or digest another', () => {
  const action = bash('echo hi');
  assert.equal(toText(chipCard(action, secrets)), toText(chipCard(action, secrets)));
  assert.notEqual(
    toText(chipCard(action, secrets)),
    toText(chipCard(action, { ...secrets, digest: 'cd'.repeat(32) })),
  );
  assert.match(
    toText(chipCard(action, secrets)),
    /^#12 · owner wants to run a command\nmain · 1 line · decide by 14:32\n\| echo hi\n/,
  );
  assert.match(toText(chipCard(action, secrets)), /\ntap 🦊 to approve · ❌ to deny\nexec · digest \w{10}$/);
  assert.ok(!toText(chipCard(action, secrets)).includes('4F7KQ2ZD'), 'the token itself is only in the chip');
});
