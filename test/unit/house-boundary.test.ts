/** What is trusted stands on nothing that is not: its imports are walked, types among them, and none of the bot's go in a circle. */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join, normalize } from 'node:path';
import { test } from 'node:test';
import { checkout } from '../../console/instance/paths.ts';
import { door } from '../house.ts';

/** All of ours that a file names in an import or a require, by their paths from the root. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(checkout, file), 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');
  const named = text.matchAll(/\b(?:from|import|require)\s*\(?\s*'([^']+)'/g);
  return [...named].flatMap(([, from = '']) => {
    if (from.startsWith('.')) return [normalize(join(file, '..', from))];
    if (from === '@matrix-org/matrix-sdk-crypto-nodejs') return ['bot/crypto/index.ts'];
    return from.startsWith('@pocketcoder/') ? [from.slice('@pocketcoder/'.length)] : [];
  });
}
const filesIn = (folder: string): string[] =>
  globSync(`${folder}/**/*.{ts,cjs,js}`, { cwd: checkout, exclude: (name) => name.includes('node_modules') });

/** Each trusted folder, and what of ours it may import besides itself. */
const trusted: Readonly<Record<string, readonly string[]>> = {
  'ledger/rules': [],
  ledger: [],
  'bot/crypto': ['ledger/'],
  'bot/src/proof': ['bot/crypto/', 'ledger/', 'bot/src/types.ts', 'bot/src/database.ts'],
  'bot/src/show': ['bot/src/approval/', 'ledger/', 'bot/src/types.ts'],
  'bot/src/approval': [
    'bot/src/proof/',
    'bot/src/show/',
    'ledger/',
    'bot/src/types.ts',
    'bot/src/database.ts',
  ],
  sandbox: ['ledger/'],
};

for (const [folder, besides] of Object.entries(trusted))
  test(`${folder} imports nothing of ours but what is trusted`, () => {
    const files = filesIn(folder);
    assert.ok(files.length > 3, 'the walk finds them');
    const outside = files.flatMap((file) =>
      importsOf(file)
        .filter((to) => ![`${folder}/`, ...besides].some((may) => to.startsWith(may)))
        .map((to) => `${file} → ${to}`),
    );
    assert.deepEqual(outside, []);
  });

test('what all of the bot may import is no part of it: types, and the opening of a file', () => {
  assert.deepEqual(importsOf('bot/src/types.ts'), []);
  assert.deepEqual(importsOf('bot/src/database.ts'), []);
});

test('docs/approvals.md leads through the door, file by file, in its order', () => {
  const text = readFileSync(join(checkout, 'docs/approvals.md'), 'utf8');
  const [, listed = ''] = /## Reading it in the code\n([\s\S]*?)\n\nWhat they stand on/.exec(text) ?? [];
  const files = [...listed.matchAll(/^(\d+)\. `([^`]+)`/gm)];
  assert.deepEqual(
    files.map(([, number]) => Number(number)),
    door.map((_, i) => i + 1),
  );
  assert.deepEqual(
    files.map(([, , file]) => file),
    door,
  );
  for (const file of door) assert.ok(existsSync(join(checkout, file)), file);
});

/** The first circle that a walk along the imports comes to, as its files, or undefined. */
function circleIn(files: readonly string[], next: (file: string) => readonly string[]): string[] | undefined {
  const over = new Set<string>();
  function walk(file: string, way: readonly string[]): string[] | undefined {
    if (way.includes(file)) return [...way.slice(way.indexOf(file)), file];
    if (over.has(file)) return undefined;
    over.add(file);
    for (const to of next(file)) {
      const found = walk(to, [...way, file]);
      if (found) return found;
    }
    return undefined;
  }
  for (const file of files) {
    const found = walk(file, []);
    if (found) return found;
  }
  return undefined;
}

test('no imports of the bot go in a circle, those of types among them', () => {
  const files = filesIn('bot');
  assert.equal(
    circleIn(files, (file) => importsOf(file).filter((to) => files.includes(to)))?.join(' → '),
    undefined,
  );
  const twin: Record<string, string[]> = { a: ['b'], b: ['c'], c: ['b'] };
  assert.deepEqual(
    circleIn(['a'], (file) => twin[file] ?? []),
    ['b', 'c', 'b'],
    'the walk finds one',
  );
});
