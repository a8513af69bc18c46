/** The bot: relay, gatekeeper and gateway in one process that holds the Matrix keys and nothing else. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { reasons } from '@pocketcoder/ledger/rules/codes.cjs';
import { isUnreachable } from '@pocketcoder/ledger/src/errors.ts';
import pino, { type Logger } from 'pino';
import { plainly } from './approval/verdict.ts';
import { serveConsole } from './console.ts';
import { every } from './every.ts';
import { heldBy } from './gateway/network.ts';
import { createOperator } from './operator.ts';
import { makeParts, type Parts } from './parts.ts';
import { savedIn, settle } from './proof/saved.ts';
import { noteTakenBack, tellRestored } from './room/restored.ts';
import { pace } from './room/status.ts';
import { readConfiguration } from './settings.ts';
import { makeSpace } from './space.ts';
import type { RoomId } from './types.ts';
import { mainWorkspace } from './workspaces.ts';

const stateDir = process.env['BOT_STATE'] ?? '/var/lib/pocketcoder';
/** Stands while every part is up: the container's health check looks for it. */
const readyFile = process.env['BOT_READY'] ?? '/tmp/ready';
/** Seconds a tool call of the brain is held open before it is told PENDING. */
const heldOpen = 120;

/** The parts begin to take what comes. @returns the main workspace's room */
async function run(parts: Parts, space: () => Promise<void>, log: Logger): Promise<RoomId> {
  const { chain, gateway, matrix, tasks, book, conversation, decide, outcomes, relay, watch } = parts;
  chain.run((entry) => {
    if (entry.author === 'executor') parts.health.heard();
    const { action, kind, seq } = entry;
    if (action) log.info({ action, number: book.number(action), kind, seq }, 'entry');
    void space().then(() => outcomes.take(entry));
    relay.onEntry(entry);
    parts.desk.onEntry(entry);
    parts.sentFiles.onEntry(entry);
    gateway.onEntry(entry);
  });
  await noteTakenBack(matrix, chain, parts.troubles);
  await matrix.run({
    intake: async (taken, withMark) => relay.take(taken, plainly(await decide.take(taken)), withMark),
    setAside: relay.setAside,
    isDown: isUnreachable,
    onGap: relay.lost,
    onTrouble: watch.trouble,
    onKeys: watch.identities,
  });
  watch.resume();
  const room = await parts.workspaces.open(mainWorkspace);
  await chain.ledger.live.subscribe((action, chunk) => {
    parts.health.heard();
    if (action) outcomes.onLive(action, chunk);
  });
  await gateway.run({
    ...{ ...parts.asks, spoken: conversation.spoken, halted: tasks.halted, wait: heldOpen },
    planning: parts.planned,
    crew: parts.crew,
    replacePlan: (task) => parts.desk.replace((a) => a.task === task && a.kind === 'plan', reasons.replaced),
    close: parts.desk.close,
    reached: (task) => heldBy(book, task),
    question: parts.questions.put,
    settled({ action, outcome, delivered }) {
      const page = book.page(action);
      const told = page && conversation.over(page, outcome, delivered);
      told?.catch((error: unknown) => log.error({ action, err: error }, 'the brain was not told an outcome'));
    },
  });
  conversation.listen(); // opens the addresses of all tasks: before the first call is read
  return room;
}

/** What the last run left undone. */
async function resume({
  chain,
  matrix,
  book,
  desk,
  outcomes,
  crew,
  questions,
  sentFiles,
  dictation,
  tour,
  relay,
}: Parts): Promise<void> {
  crew.resume();
  sentFiles.resume(); // while the pages of what is over are still there
  await desk.resume();
  await outcomes.catchUp();
  questions.resume();
  dictation.resume();
  tour.resume();
  void relay.resume();
  if (!savedIn(stateDir)) return;
  await tellRestored(matrix, book.rooms().values(), chain.head());
  settle(stateDir);
}

async function main(log: Logger): Promise<void> {
  const c = readConfiguration(process.argv[2] ?? '/run/pocketcoder/bot.json');
  process.env['TZ'] = c.timezone; // times in the room are the owner's; logs and the ledger know none
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  rmSync(readyFile, { force: true });
  const space = makeSpace(stateDir, log);
  await space();
  const parts = await makeParts(c, stateDir, log);
  const room = await run(parts, space, log);
  const { chain, matrix, gateway, brain, desk, health, outages, board, crew, schedules } = parts;
  const path = join(stateDir, 'console.sock');
  const console = serveConsole({ ...createOperator(parts, room), path, owner: c.owner });
  const failed = (what: string) => (error: unknown) => log.warn({ err: error }, what);
  health.heard(); // the executor is given its time from here on
  const clocks = [
    every(1000, () => desk.expire(Date.now()), failed('cards not expired')),
    every(1000, crew.look, failed('helpers not looked at')),
    every(5000, () => schedules.look(Date.now()), failed('schedules not looked at')),
    every(pace, board.look, failed('the pinned messages were not looked at')),
    every(5000, () => outages.look(health.states(), Date.now()), failed('outages not looked at')),
    every(10_000, parts.tellFigures, (error) => isUnreachable(error) || failed('figures not told')(error)),
  ];
  await resume(parts);
  writeFileSync(readyFile, '');
  log.info({ user: matrix.user, device: matrix.device, room }, 'ready');

  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.once(signal, () => {
      rmSync(readyFile, { force: true });
      log.info({ signal }, 'stopping');
      for (const end of clocks) end();
      Promise.allSettled([console.close(), gateway.stop(), brain?.stop(), matrix.stop(), chain.stop()]).then(
        () => process.exit(0),
      );
    });
}

const log = pino({ name: 'bot', redact: ['password', '*.password', 'token', '*.token', 'accessToken'] });
main(log).catch((error: unknown) => {
  log.fatal({ err: error }, 'the bot cannot go on');
  process.exit(1);
});
