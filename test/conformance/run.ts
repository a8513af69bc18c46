/**
 * `npm run conformance`: the official conformance suite for MCP servers against a server that has all it asks for, directly and
 * through the gateway of a composed instance, where a person approves each call. Exits with 0 only where each scenario ended as
 * expected.ts has it, and the call that nobody approved was told to be pending and never ran.
 */
import { ownHome } from '../harness/leave.ts';
import { startComposed } from './composed.ts';
import { startDirect } from './direct.ts';
import { expected } from './expected.ts';
import { type Results, runSuite } from './suite.ts';

const note = (text: string): void => void process.stderr.write(`conformance: ${text}\n`);
let well = true;

/** Prints a run's scenarios, and each that ended in another way than it should. */
function judge(way: string, results: Results, whyNot: (name: string) => string): void {
  const names = new Set([...Object.keys(expected), ...results.keys()]);
  for (const name of names) {
    const failed = results.get(name) ?? 'it was not run';
    const asExpected = (failed === '') === (whyNot(name) === '') && results.has(name);
    if (!asExpected) well = false;
    console.log(`${failed ? 'fails ' : 'passes'} ${way} ${name}${failed && `: ${failed}`}`);
    if (!asExpected) console.log(`       that is not what was expected`);
  }
  const passed = [...results.values()].filter((failed) => failed === '').length;
  console.log(`${passed} of ${results.size} pass ${way}`);
}

const { home, clean } = ownHome('conformance', () => note('cleaning up'));
try {
  const direct = await startDirect();
  judge('directly', await runSuite(direct.url), () => '');
  direct.stop();
  note('starting an instance of its own');
  const composed = await startComposed(home, note);
  try {
    note('running the suite through the gateway');
    judge('through the gateway', await runSuite(composed.url), (name) => expected[name] ?? '');
    note('waiting for the agent to be told that what nobody answered is pending');
    console.log(`pending, and never ran: ${(await composed.pending()).join(', ')}`);
  } finally {
    await composed.stop();
  }
} catch (error) {
  console.error(error);
  well = false;
} finally {
  await clean();
}
process.exit(well ? 0 : 1);
