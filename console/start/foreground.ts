/** `start` without -d: a live status line, and Ctrl-C stops everything that was started. */
import { setTimeout as pause } from 'node:timers/promises';
import { serviceStates } from '../engine/containers.ts';
import { ask } from '../engine/engine.ts';
import type { Report } from '../report.ts';
import type { Running } from './start.ts';
import { stop } from './stop.ts';

/** Shows the services' state until the first SIGINT or SIGTERM, then stops them. */
export async function stayInForeground(running: Running, report: Report): Promise<void> {
  const { engine, instance } = running;
  const ended = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ended.abort());
  const live = process.stdout.isTTY === true;
  let before = '';
  while (!ended.signal.aborted) {
    const up = (await ask(engine)) === 'up';
    const states = up ? await serviceStates(engine.docker, instance.state.project) : new Map();
    const words = [...states].map(([name, s]) => `${name} ${s.running ? s.health || 'up' : 'down'}`).sort();
    const line = up ? words.join(' · ') : 'Docker does not answer';
    if (live) process.stdout.write(`\r\x1b[K${line}   Ctrl-C stops all`);
    else if (line !== before) report.event({ event: 'services', services: Object.fromEntries(states) }, line);
    before = line;
    await pause(2000, undefined, { signal: ended.signal }).catch(() => {});
  }
  if (live) process.stdout.write('\n');
  report.progress('stopping');
  await stop(instance, report);
}
