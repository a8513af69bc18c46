/** The docs are at one width, so that a change of a sentence is a change of few lines. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkout } from '../../console/instance/paths.ts';

const width = 120;

/** Lines of prose: no code, and no row of a table, which cannot be broken. */
function prose(text: string): string[] {
  let code = false;
  return text.split('\n').filter((line) => {
    const fence = /^\s*(```|~~~)/.test(line);
    if (fence) code = !code;
    return !fence && !code && !line.trimStart().startsWith('|');
  });
}

for (const name of ['README.md', ...globSync('docs/*.md', { cwd: checkout })])
  test(`${name} is at one width`, () => {
    const lines = prose(readFileSync(join(checkout, name), 'utf8'));
    assert.ok(lines.length > 3);
    assert.deepEqual(
      lines.filter((line) => [...line].length > width),
      [],
    );
  });
