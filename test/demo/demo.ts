/**
 * `npm run demo`: the whole story on an instance of its own, with a test phone and a scripted model. Everything else is the
 * product as `npm start` runs it. Exits with 0 only when every step happened and the ledger audits clean.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { startInstance } from '../harness/instance.ts';
import { ownHome } from '../harness/leave.ts';
import { makeScreen } from './screen.ts';
import { scripts } from './script.ts';
import { play } from './story.ts';

const json = process.argv.includes('--json');
const live = process.stdout.isTTY === true && !json;
const screen = makeScreen((text) => void (json || process.stdout.write(text)), {
  columns: process.stdout.columns ?? 80,
  colour: live && !process.env['NO_COLOR'],
  live,
});
const began = performance.now();
const seconds = () => Math.round((performance.now() - began) / 100) / 10;
const report = (step: string, facts: object = {}): void => {
  if (json) console.log(JSON.stringify({ step, seconds: seconds(), ...facts }));
};

const { home, clean, cleaning } = ownHome('demo', () => screen.progress('cleaning up …'));

async function setUp() {
  screen.title('Set-up');
  screen.note(
    'An instance of its own, as npm start makes it: each part a container. The first time builds the images.',
  );
  const instance = await startInstance({
    home,
    model: 'scripted',
    scripts,
    overrides: { approvals: { reads: { uses: 0 } } }, // each of its steps is a card
    watch({ event, phase, state, seconds: took, text }) {
      if (event === 'progress' || state === 'started') screen.progress(`${phase}: ${text ?? '…'}`);
      if (state === 'done' && Number(took) >= 1) screen.answer(`${String(phase).padEnd(12)} ${took} s`);
    },
  });
  report('set up', { project: instance.project, phases: instance.seconds });
  return instance;
}

try {
  const instance = await setUp();
  const from = performance.now();
  // A person reads along; a machine does not wait.
  await play(instance, { screen, report, breath: () => pause(live ? 900 : 0) });
  await instance.model?.stop();
  const took = Math.round((performance.now() - from) / 1000);
  screen.note(
    `\nThat took ${took} s. Your own: npm start, then sign in with Element and ./pocketcoder pair.`,
  );
  report('done', { ok: true, story: took });
} catch (error) {
  if (!cleaning()) {
    const message = error instanceof Error ? error.message : String(error);
    report('failed', { ok: false, message });
    if (!json) process.stderr.write(`\nThe demo stopped: ${message}\n`);
    process.exitCode = 1;
  }
}
await clean();
if (live) process.stdout.write('\r\x1b[K');
process.exit();
