/** The page's differences: exact, and of git's own output. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { between, ofGit } from '../../ledger/pb_public/difference.js';

const shown = (rows: string[][]): string[] => rows.map((row) => row.join(''));
const odd = '\\ no line break at its end';

test('a difference of two texts has what stays once, in order, and no more than the rest twice', () => {
  for (const [old, now, ...rows] of [
    ['a\nb\nc\n', 'a\nB\nc\n', ' a', '-b', '+B', ' c'],
    ['a\nb\nc\nd\n', 'b\nc\nx\nd\ne\n', '-a', ' b', ' c', '+x', ' d', '+e'],
    ['port: 80', 'port: 8080', '-port: 80', '+port: 8080'],
    ['a\nb', 'a\nb\nc', ' a', ' b', '+c'],
    ['a\n', 'a', '-a', '+a', `@${odd}`],
    ['gone\n', '', '-gone'],
    ['', 'new\n\n', '+new', '+'],
    ['', 'new', '+new', `@${odd}`],
  ])
    assert.deepEqual(shown(between(old, now)), rows, JSON.stringify([old, now]));
});

test('both texts can be read back from a difference of any, and nothing is shown twice that stays', () => {
  const texts = fc.array(fc.constantFrom('a', 'b', '', '-', '+ c', '@@ d'), { maxLength: 12 });
  fc.assert(
    fc.property(texts, texts, fc.boolean(), fc.boolean(), (a, b, ...ends) => {
      const [old = '', now = ''] = [a, b].map((lines, i) =>
        lines
          .map((l) => `${l}\n`)
          .join('')
          .slice(0, ends[i] ? undefined : -1),
      );
      const rows = between(old, now);
      const back = (sign: string) => {
        const text = rows
          .flatMap(([is, line], i) =>
            is === ' ' || is === sign ? [`${line}${rows[i + 1]?.[0] === '@' ? '' : '\n'}`] : [],
          )
          .join('');
        return text;
      };
      const both = old && now && !old.endsWith('\n') && !now.endsWith('\n') ? '\n' : '';
      assert.deepEqual([back('-'), back('+')], [old + both, now + both]);
    }),
  );
});

test('what is too large to compare is shown as replaced, between what both have at their beginning and end', () => {
  const lines = (word: string) => Array.from({ length: 30_000 }, (_, i) => `${word} ${i}\n`).join('');
  const rows = between(`same\n${lines('old')}end\n`, `same\n${lines('new')}end\n`);
  assert.equal(rows.length, 60_002);
  assert.deepEqual(
    [rows[0], rows[1], rows[30_001], rows.at(-1)],
    [
      [' ', 'same'],
      ['-', 'old 0'],
      ['+', 'new 0'],
      [' ', 'end'],
    ],
  );
});

test('attack-82 lines of a file that look like git’s own, or like the other sign, keep the sign that they have', () => {
  const folder = mkdtempSync(join(tmpdir(), 'page-difference-'));
  try {
    const old = '-- a/secret\n++ b/secret\n@@ -1 +1 @@\ndiff --git a/x b/x\nlast\n';
    const now = '-- a/secret\n+++ b/y\n--- a/y\n@@ -2 +2 @@\n\nlast';
    for (const [name, text] of Object.entries({ old, now })) writeFileSync(join(folder, name), text);
    const git = ['diff', '--no-index', '--no-color', '--patch-with-stat', 'old', 'now'];
    let diff = '';
    try {
      execFileSync('git', git, { cwd: folder, encoding: 'utf8' });
    } catch (error) {
      diff = (error as { stdout: string }).stdout; // it ends with 1 where there is a difference
    }
    const rows: [string, string][] = ofGit(diff);
    const of = (...signs: string[]) =>
      rows.flatMap(([sign = '', line]) => (signs.includes(sign) ? [`${line}\n`] : [])).join('');
    assert.deepEqual([of(' ', '-'), of(' ', '+')], [old, `${now}\n`]);
    assert.equal(
      rows.map(([sign, line]) => `${sign === '@' ? '' : sign}${line}\n`).join(''),
      diff,
      'to the letter',
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});
