/** What is trusted stands on nothing that is not: its imports are walked, types among them, and none go in a circle. */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkout } from '../../console/instance/paths.ts';
import { door } from '../house.ts';
import { circleIn, importsOf } from '../imports.ts';

const text = (file: string): string => readFileSync(join(checkout, file), 'utf8');
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
  const about = text('docs/approvals.md');
  const [, listed = ''] = /## Reading it in the code\n([\s\S]*?)\n\nWhat they stand on/.exec(about) ?? [];
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

test('what stands where the homeserver stands is handed no key', () => {
  const untrusted = [...filesIn('bot/src/matrix'), 'bot/src/inbox.ts'];
  const key = /\bCrypto\b|openCrypto|OlmMachine|: Keys\b|storeKey|[cC]ipheriv/;
  for (const twin of ['decrypt', 'read', 'attachment', 'store-key'])
    assert.ok(key.test(text(`bot/src/proof/${twin}.ts`)), `the twin: ${twin} is handed one`);
  assert.deepEqual(
    untrusted.filter((file) => key.test(text(file))),
    [],
  );
});

test('the secrets of cards are handed to what decides, in its folders and where it is put together', () => {
  const secret = /\bCardStore\b|cardStore|\bdeciding\b/;
  const all = [...filesIn('bot/src'), ...filesIn('bot/crypto')];
  assert.deepEqual(
    all.filter((file) => secret.test(text(file)) && !file.startsWith('bot/src/approval/')).sort(),
    ['bot/src/connect.ts', 'bot/src/parts.ts'],
  );
});

test('no function of a script takes another’s place, which nothing else would tell', () => {
  const scripts = globSync('sandbox/image/*.{py,pl,sh}', { cwd: checkout });
  const named = scripts.map((file) => [...text(file).matchAll(/^(?:def |sub |(?=\w+\(\) \{))(\w+)/gm)]);
  assert.ok(named.flat().length > 50, 'the measure finds them');
  for (const [i, all] of named.entries()) {
    const names = all.map(([, name]) => name);
    assert.deepEqual(
      names.filter((name, at) => names.indexOf(name) !== at),
      [],
      scripts[i],
    );
  }
});

test('no imports go in a circle, those of types among them', () => {
  for (const folder of ['bot', 'sandbox', 'ledger', 'console']) {
    const files = filesIn(folder);
    const circle = circleIn(files, (file) => importsOf(file).filter((to) => files.includes(to)));
    assert.equal(circle?.join(' → '), undefined);
  }
  const twin: Record<string, string[]> = { a: ['b'], b: ['c'], c: ['b'] };
  assert.deepEqual(
    circleIn(['a'], (file) => twin[file] ?? []),
    ['b', 'c', 'b'],
    'the walk finds one',
  );
});
