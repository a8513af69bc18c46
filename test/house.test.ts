/** The house keeps to its plan: what can be audited in an afternoon stays so. A limit is a budget: code that goes pays for code that comes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anys, door, hops, linesOf, namesakes, operators, page, product, tree, trusted } from './house.ts';
import { leadsTo } from './imports.ts';

/**
 * Most lines that are neither blank nor comment: what the tree has, so that it grows no more. The aim is smaller: 5,300
 * trusted, 8,300 of the product, 3,600 of the operator's; whoever takes lines away takes them off here.
 */
const limits = { door: 650, trusted: 11_627, product: 19_977, operators: 5316, page: 1085 };

test('the door is eight files, and short', () => {
  assert.deepEqual(
    door.filter((file) => !tree.includes(file)),
    [],
  );
  assert.ok(linesOf(door) <= limits.door, `${linesOf(door)} lines`);
  assert.ok(hops(door) <= 35, `${hops(door)} ways out of it: ${door.flatMap(leadsTo).join(' ')}`);
});

for (const [room, files] of Object.entries({ trusted, product, operators, page }))
  test(`${room}: no more lines than its limit`, () => {
    const most = limits[room as keyof typeof limits];
    assert.ok(linesOf(files) > most / 2, 'the measure finds the files');
    assert.ok(linesOf(files) <= most, `${linesOf(files)} lines, limit ${most}`);
  });

test('nothing is of a type that checks nothing', () => assert.deepEqual(anys(), []));

test('few files share a name', () => assert.ok(namesakes().length <= 15, namesakes().join(' ')));

test('nothing lies in the tree that no one put there', () => {
  const top = new Set(tree.map((file) => file.split('/')[0]));
  assert.deepEqual(
    [...top].sort(),
    [
      ...[
        '.ci',
        '.dockerignore',
        '.gitignore',
        '.npmrc',
        'LICENSE',
        'README.md',
        'biome.json',
        'bot',
        'config',
      ],
      ...[
        'console',
        'docker-compose.yml',
        'docs',
        'ledger',
        'package-lock.json',
        'package.json',
        'pocketcoder',
      ],
      ...['sandbox', 'test', 'tsconfig.json'],
    ].sort(),
  );
});
