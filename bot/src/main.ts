/** The bot: relay, gatekeeper and gateway in one process that holds the Matrix keys and nothing else. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { canonical } from '@pocketcoder/ledger/rules/canonical.cjs';
import { sha256 } from '@pocketcoder/ledger/src/action.ts';
import type { Entry, Ledger } from '@pocketcoder/ledger/src/client.ts';
import { isUnreachable } from '@pocketcoder/ledger/src/errors.ts';
import { reachLedger } from '@pocketcoder/ledger/src/reach.ts';
import pino, { type Logger } from 'pino';
import { leakIn } from './approval/leaks.ts';
import { createPoster } from './approval/poster.ts';
import { cardStore } from './approval/store.ts';
import { createBook } from './approval/view.ts';
import { connectOpenCode } from './brain/opencode.ts';
import { pictureIn } from './brain/pictures.ts';
import { connectMatrix } from './connect.ts';
import { serveConsole } from './console.ts';
import { openDatabase } from './database.ts';
import { createAttention } from './desk/attention.ts';
import { createDesk } from './desk/desk.ts';
import { createAsks } from './gateway/asks.ts';
import { startGateway } from './gateway/server.ts';
import { savedIn, settle } from './proof/saved.ts';
import { createOutages, type State } from './room/outages.ts';
import { createOutcomes } from './room/outcomes.ts';
import { createRelay } from './room/relay.ts';
import { restoredText, takenBack } from './room/restored.ts';
import { createSentFiles } from './room/sent.ts';
import { createTour } from './room/tour.ts';
import { troubleStore } from './room/troubles.ts';
import { readConfiguration } from './settings.ts';
import { message } from './show/blocks.ts';
import { pollAnswers } from './show/card.ts';
import { makeSpace, shortOfSpace } from './space.ts';
import { createConversation } from './tasks/conversation.ts';
import { taskStore } from './tasks/tasks.ts';
import type { RoomId } from './types.ts';
import { createWorkspaces, mainWorkspace } from './workspaces.ts';

const stateDir = process.env['BOT_STATE'] ?? '/var/lib/pocketcoder';
/** Stands while every part is up: the container's health check looks for it. */
const readyFile = process.env['BOT_READY'] ?? '/tmp/ready';
/** Seconds a tool call of the brain is held open before it is told PENDING. */
const heldOpen = 120;
/** Milliseconds: the executor says every ten seconds that it is there. */
const silence = 30_000;
/** What a person wants to know first: whether something is down. */
function healthLines(states: Record<string, State>): string[] {
  const those = (state: State) => Object.keys(states).filter((part) => states[part] === state);
  const line = (mark: string, parts: string[]) => (parts.length > 0 ? [`${mark}: ${parts.join(', ')}`] : []);
  return [...line('⚠️ down', those('down')), ...line('✅ up', those('up'))];
}
const unpaired = 'no device is paired: run ./pocketcoder pair at the console';

async function main(log: Logger): Promise<void> {
  const c = readConfiguration(process.argv[2] ?? '/run/pocketcoder/bot.json');
  process.env['TZ'] = c.timezone; // times in the room are the owner's; logs and the ledger know none
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  rmSync(readyFile, { force: true });
  const space = makeSpace(stateDir, log);
  await space();
  const parts: { homeserver: State; ledger: State } = { homeserver: 'down', ledger: 'down' };

  const db = openDatabase(join(stateDir, 'bot.sqlite'));
  const cards = cardStore(db, pollAnswers);
  const book = createBook(sha256, (action) => cards.get(action)?.ended ?? true);
  const attention = createAttention(c.quick);
  const reached = await reachLedger({ ...c.ledger, identity: 'bot' }, () =>
    log.warn({ url: c.ledger.url }, 'ledger does not answer; trying again'),
  );
  let live: ((entry: Entry) => void) | undefined;
  let head: Entry | undefined;
  const following = reached.follow({
    from: 0,
    onEntry(entry) {
      book.read(entry);
      head = entry;
      if (entry.action) attention.read(entry, book.page(entry.action)?.action.requester === 'brain');
      live?.(entry);
    },
    onState(state, why) {
      log[state === 'up' ? 'info' : 'warn']({ why }, `ledger ${state}`);
      parts.ledger = state;
    },
  });
  await following.ready;

  const leak = (text: string, txn?: string): string => leakIn(cards, text, txn);
  const ledger: Ledger = {
    ...reached,
    async append(entry) {
      const why = leak(JSON.stringify(entry.body));
      if (why) throw new Error(`Nothing was recorded: ${why}.`);
      return reached.append(entry);
    },
  };
  const tasks = taskStore(db);
  const troubles = troubleStore(db);
  // Events may come before everything that handles them is there.
  const assembled = Promise.withResolvers<void>();
  /** Until it is recorded: a ledger that is down for a while must not make the guard forget. */
  async function guarded(work: () => Promise<void>): Promise<void> {
    await assembled.promise;
    for (;;)
      try {
        return await work();
      } catch (error) {
        log.error({ err: error }, 'the room guard could not record what it saw; trying again');
        await pause(5000);
      }
  }
  const matrix = await connectMatrix({
    homeserver: c.homeserver.url,
    serverName: c.homeserver.server_name,
    user: c.homeserver.user,
    password: c.homeserver.password,
    stateDir,
    db,
    log,
    recipients: () => book.enrolled(),
    leak,
    intake: (taken) => assembled.promise.then(() => relay.take(taken)),
    isDown: isUnreachable,
    setAside: (room, wire, error) => relay.setAside(room, wire, error),
    onState: (state) => {
      parts.homeserver = state;
    },
    onGap: (room) => assembled.promise.then(() => relay.lost(room)),
    onTrouble: (room, why) => void guarded(() => relay.trouble(room, why)),
    onKeys: () => void guarded(() => relay.identities()),
    async onRestored(room, said) {
      const why = await takenBack(reached, said, head);
      if (!why) return;
      troubles.note(room, why);
      void guarded(() => relay.trouble(room, why));
    },
  });

  const roomOf = (name: string) => (book.rooms().get(name) ?? '') as RoomId;
  const poster = createPoster({ ledger, matrix, cards, book });
  const desk = createDesk({
    ledger,
    cards,
    book,
    poster,
    attention,
    say: (name, blocks) => matrix.post(roomOf(name), 'm.room.message', message(blocks)),
    trouble(name) {
      if (book.enrolled().length === 0) return unpaired;
      return troubles.why(roomOf(name)) || shortOfSpace(stateDir);
    },
    halted: (task) => conversation.halted(task),
    log,
  });
  const tour = createTour({
    db,
    say: (name, text, txn) => matrix.post(roomOf(name), 'm.room.message', message([{ line: text }]), { txn }),
    log,
  });
  const outcomes = createOutcomes({
    ledger,
    matrix,
    cards,
    book,
    log,
    onOver: async (page, outcome) => {
      tour.did(page.action.workspace, outcome.state);
      if (!asks.over(page, outcome)) await conversation.over(page, outcome, false);
    },
  });
  const asks = createAsks(desk, book, outcomes.read);
  const gateway = await startGateway({
    port: c.gateway.port,
    host: c.gateway.host,
    url: c.gateway.url,
    log,
    wait: heldOpen,
    ...asks,
    halted: (task) => conversation.halted(task),
    spoken: (task, call) => conversation.spoken(task, call),
    settled({ action, outcome, delivered }) {
      const page = book.page(action);
      if (page)
        conversation
          .over(page, outcome, delivered)
          .catch((error: unknown) => log.error({ action, err: error }, 'the brain was not told an outcome'));
    },
  });
  const brain = c.brain ? connectOpenCode({ url: c.brain.url, password: c.brain.password, log }) : undefined;
  const conversation = createConversation({
    brain,
    model: c.brain?.model ?? '',
    ...(c.brain?.pictures && { picture: (action) => pictureIn(ledger, action) }),
    hands: (task, of) => gateway.open({ task, workspace: of }),
    tasks,
    matrix,
    roomOf,
    waits: (task) =>
      book.unfinished().some(({ action }) => action.task === task && action.requester === 'brain'),
    leak,
    log,
  });
  /** When something was last heard of the executor: an entry, output, or that it is there. */
  let heard = Date.now();
  const hear = (): void => {
    heard = Date.now();
  };
  const states = (): Record<'homeserver' | 'ledger' | 'executor' | 'brain', State> => ({
    ...parts,
    executor: parts.ledger !== 'up' ? 'unknown' : Date.now() - heard < silence ? 'up' : 'down',
    brain: !brain ? 'unknown' : conversation.brainIsUp() ? 'up' : 'down',
  });
  const health = () => [
    ...healthLines(states()),
    ...(brain ? [] : ['No model is configured: only !run and files work.']),
    ...(book.frozen() ? ['everything is frozen: nothing is approved'] : []),
    ...[...troubles.all().map(({ why }) => why), shortOfSpace(stateDir)]
      .filter(Boolean)
      .map((why) => `⚠️ ${why}`),
  ];
  const sentFiles = createSentFiles({
    db,
    book,
    matrix,
    tell: conversation.tell,
    say: (name, text) => matrix.post(roomOf(name), 'm.room.message', message([{ line: text }])),
    log,
  });
  const relay = createRelay({
    matrix,
    cards,
    book,
    desk,
    conversation,
    ledger,
    attention,
    troubles,
    tour,
    sentFiles,
    health,
    log,
  });

  live = (entry) => {
    if (entry.author === 'executor') hear();
    void space().then(() => outcomes.take(entry));
    relay.onEntry(entry);
    desk.onEntry(entry);
    sentFiles.onEntry(entry);
  };
  assembled.resolve();
  // What a crash cut off: a trouble that was noted but not told, an identity that changed meanwhile.
  for (const { room, why } of troubles.all()) void guarded(() => relay.trouble(room, why));
  void guarded(() => relay.identities());
  const workspaces = createWorkspaces({ ledger, matrix, book, owner: c.owner, log });
  const mainRoom = await workspaces.open(mainWorkspace);
  await ledger.live.subscribe((action, chunk) => {
    hear();
    if (action) outcomes.onLive(action, chunk);
  });
  conversation.listen();
  let expiring = false; // a ledger that does not answer must not pile these up
  const clock = setInterval(() => {
    if (expiring) return;
    expiring = true;
    desk
      .expire(Date.now())
      .catch((error: unknown) => log.warn({ err: error }, 'cards not expired'))
      .finally(() => {
        expiring = false;
      });
  }, 1000);
  const console = serveConsole({
    path: join(stateDir, 'console.sock'),
    log,
    owner: c.owner,
    status: async () => ({
      ...states(),
      device: matrix.device,
      signed: (await matrix.deviceNow(matrix.user, matrix.device))?.crossSigned === true,
      room: mainRoom,
      enrolled: book.enrolled().length,
      troubles: troubles.all().map(({ room, why }) => [room, why]),
      space: shortOfSpace(stateDir),
    }),
    async askPolicy(policy) {
      const args = { policy };
      const open = book
        .unfinished()
        .some(({ action }) => action.kind === 'policy' && canonical(action.args) === canonical(args));
      const task = conversation.currentTask(mainWorkspace).id;
      if (!open)
        await desk.ask({ kind: 'policy', args, workspace: mainWorkspace, task, requester: 'operator' });
    },
    openWorkspace: workspaces.open,
    async pair(user, operator, left) {
      await workspaces.invite(user);
      return matrix.pair(mainRoom, user, operator, left);
    },
  });
  const outages = createOutages({
    db,
    matrix,
    rooms: () => (book.enrolled().length === 0 ? [] : ([...book.rooms().values()] as RoomId[])),
    log,
  });
  hear(); // it is given its time from here on
  const watch = setInterval(
    () => outages.look({ ...states(), disk: shortOfSpace(stateDir) ? 'down' : 'up' }, Date.now()),
    5000,
  );
  sentFiles.resume(); // while the pages of what is over are still there
  await desk.resume();
  await outcomes.catchUp();
  tour.resume();
  if (savedIn(stateDir)) {
    const content = message([{ line: restoredText(matrix.device, head) }]);
    for (const room of book.rooms().values())
      await matrix.post(room as RoomId, 'm.room.message', content, { txn: `restored-${matrix.device}` });
    settle(stateDir);
  }
  writeFileSync(readyFile, '');
  log.info({ user: matrix.user, device: matrix.device, room: mainRoom }, 'ready');

  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.once(signal, () => {
      rmSync(readyFile, { force: true });
      clearInterval(clock);
      clearInterval(watch);
      log.info({ signal }, 'stopping');
      Promise.allSettled([
        console.close(),
        gateway.stop(),
        brain?.stop(),
        matrix.stop(),
        following.stop(),
      ]).then(() => process.exit(0));
    });
}

const log = pino({ name: 'bot', redact: ['password', '*.password', 'token', '*.token', 'accessToken'] });
main(log).catch((error: unknown) => {
  log.fatal({ err: error }, 'the bot cannot go on');
  process.exit(1);
});
