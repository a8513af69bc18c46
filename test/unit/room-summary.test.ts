/** What a card says of tests: the numbers of the runner's own last lines, and nothing where that is not sure. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testsIn } from '../../bot/src/room/summary.ts';

const rows: [runner: string, script: string, output: string, text: string | undefined][] = [
  ['node', 'node --test', '✔ a (1ms)\nℹ tests 2\nℹ suites 0\nℹ pass 2\nℹ fail 0\n', '2 tests passed'],
  [
    'node, to a file',
    'make test',
    '# tests 3\n# pass 2\n# fail 1\nmake: *** Error 1\n',
    '1 of 3 tests failed',
  ],
  ['node, twice', 'npm test -ws', 'ℹ pass 2\nℹ fail 0\nℹ pass 5\nℹ fail 0\n', '7 tests passed'],
  [
    'jest',
    'npx jest',
    'Tests:       1 failed, 2 skipped, 4 passed, 7 total\nTime: 1 s\n',
    '1 of 5 tests failed',
  ],
  [
    'jest, all well',
    'npm test',
    'Test Suites: 1 passed, 1 total\nTests:       4 passed, 4 total\n',
    '4 tests passed',
  ],
  [
    'vitest',
    'npx vitest run',
    ' Test Files  1 failed | 3 passed (4)\n      Tests  1 failed | 9 passed (10)\n',
    '1 of 10 tests failed',
  ],
  [
    'vitest, all well',
    'npm test',
    ' Test Files  3 passed (3)\n      Tests  9 passed (9)\n',
    '9 tests passed',
  ],
  [
    'pytest',
    'pytest',
    'FAILED t.py::a\n==== 1 failed, 12 passed, 2 skipped in 0.12s ====\n',
    '1 of 13 tests failed',
  ],
  ['pytest -q', 'python -m pytest -q', '..\n1 passed in 0.01s\n', '1 test passed'],
  [
    'cargo',
    'cargo test',
    'test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured\n\ntest result: FAILED. 1 passed; 2 failed; 0 ignored\n',
    '2 of 6 tests failed',
  ],
  ['mocha', 'npx mocha', '\n  12 passing (20ms)\n  1 failing\n\n  1) a\n', '1 of 13 tests failed'],
  [
    'go',
    'go test ./...',
    'ok  \texample.org/a\t0.004s\nok  \texample.org/b\t(cached)\n',
    '2 packages passed',
  ],
  [
    'go, one fails',
    'go test ./...',
    '--- FAIL: TestA (0.00s)\nFAIL\nFAIL\texample.org/a\t0.004s\nok  \texample.org/b\t0.1s\nFAIL\n',
    '1 of 2 packages failed',
  ],
  ['no test in what was approved', 'cat notes', 'ℹ pass 2\nℹ fail 0\n', undefined],
  ['two runners', 'make test', 'ℹ pass 2\nℹ fail 0\n  3 passing (1ms)\n', undefined],
  ['words about tests', 'echo tests', 'all 12 tests passed\n12 passed\nok then\n', undefined],
  ['nothing ran', 'npm test', 'ℹ pass 0\nℹ fail 0\n', undefined],
  [
    'a line that is none',
    'npm test',
    `ℹ pass ${'2'.repeat(99)}\n${'1 passed '.repeat(99_999)} in 1s\n`,
    undefined,
  ],
];
for (const [runner, script, output, text] of rows)
  test(`${runner}: ${text ?? 'nothing is said'}`, () => {
    assert.equal(testsIn(script, output)?.text, text);
  });
