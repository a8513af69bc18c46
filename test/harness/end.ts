/**
 * Loaded before each test file: ends its process once its tests are over, whatever they left open (a client that signed in keeps
 * timers for minutes). Node's own --test-force-exit does it before the last verdicts are written, and so loses them
 * (nodejs/node#64833).
 */
import { AsyncResource } from 'node:async_hooks';
import { after, beforeEach } from 'node:test';

/** Milliseconds after the last hook for the runner to hand on what it has to say. */
const farewell = 1000;

const file = new AsyncResource('test file');
let known = false;
// Before its first test a file has named all its hooks; this one is then the last of them.
beforeEach(() => {
  if (known) return;
  known = true;
  file.runInAsyncScope(() =>
    after(() => {
      setTimeout(() => process.stdout.write('', () => process.exit()), farewell).unref();
    }),
  );
});
