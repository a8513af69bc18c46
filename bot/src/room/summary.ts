/** What a test runner says at the end of its output, as numbers: they are all that is taken from it. */
type Runner = { passed: RegExp; failed: RegExp; of: 'test' | 'package' };

/** Lines of runners that say it in no other way; where they say it several times each is of other tests. */
const runners: readonly Runner[] = [
  { passed: /^[ℹ#] pass (\d{1,6})$/, failed: /^[ℹ#] fail (\d{1,6})$/, of: 'test' }, // node --test
  { passed: /^Tests: .*\b(\d{1,6}) passed,/, failed: /^Tests: .*\b(\d{1,6}) failed,/, of: 'test' }, // jest
  { passed: /^ +Tests {2}.*\b(\d{1,6}) passed\b/, failed: /^ +Tests {2}(\d{1,6}) failed\b/, of: 'test' }, // vitest
  { passed: /\b(\d{1,6}) passed\b.* in [\d.]+s/, failed: /\b(\d{1,6}) failed\b.* in [\d.]+s/, of: 'test' }, // pytest
  { passed: /^test result: .* (\d{1,6}) passed;/, failed: /^test result: .* (\d{1,6}) failed;/, of: 'test' }, // cargo
  { passed: /^ +(\d{1,6}) passing\b/, failed: /^ +(\d{1,6}) failing$/, of: 'test' }, // mocha
  { passed: /^(ok) {2}\t\S+\t/, failed: /^(FAIL)\t\S+\t/, of: 'package' }, // go test
];
/** Characters of a line that may be one of those. */
const longest = 200;

/** The sum of what these lines say, where a line without a number is one; undefined where there is no such line. */
function sum(lines: readonly string[], form: RegExp): number | undefined {
  const found = lines.flatMap((line) => form.exec(line)?.[1] ?? []);
  const numbers = found.map((n) => (/^\d/.test(n) ? Number(n) : 1));
  return found.length > 0 ? numbers.reduce((all, n) => all + n) : undefined;
}

/**
 * What the tests of a script came to, by its output: it is not checked, and a program can write what it likes.
 * @returns undefined where the script names no tests, or its output is not that of exactly one runner
 */
export function testsIn(script: string, output: string): { text: string; failed: number } | undefined {
  if (!/test|spec|jest|mocha|check/i.test(script)) return undefined;
  const lines = output.split('\n').filter((line) => line.length <= longest);
  const said = runners.flatMap(({ passed, failed, of }) => {
    const [good, bad] = [sum(lines, passed), sum(lines, failed)];
    return good === undefined && bad === undefined ? [] : [{ good: good ?? 0, bad: bad ?? 0, of }];
  });
  const [one, other] = said;
  if (!one || other || one.good + one.bad === 0) return undefined;
  const all = one.good + one.bad;
  const name = all === 1 ? one.of : `${one.of}s`;
  return {
    text: one.bad > 0 ? `${one.bad} of ${all} ${name} failed` : `${all} ${name} passed`,
    failed: one.bad,
  };
}
