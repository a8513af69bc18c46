/** The bot: relay, gatekeeper and gateway in one process that holds the Matrix keys and nothing else. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sha256 } from '@pocketcoder/ledger/src/action.ts';
import type { Entry } from '@pocketcoder/ledger/src/client.ts';
import { reachLedger } from '@pocketcoder/ledger/src/reach.ts';
import pino, { type Logger } from 'pino';
import { createBook } from './approval/book.ts';
import { pollAnswers } from './approval/card.ts';
import { createDesk } from './approval/desk.ts';
import { createPoster } from './approval/poster.ts';
import { cardStore } from './approval/store.ts';
import { connectOpenCode } from './brain/opencode.ts';
import { createAsks } from './chat/asks.ts';
import { createConversation } from './chat/conversation.ts';
import { createOutcomes } from './chat/outcomes.ts';
import { createRelay } from './chat/relay.ts';
import { taskStore } from './chat/tasks.ts';
import { readConfiguration } from './configuration.ts';
import { serveConsole } from './console.ts';
import { startGateway } from './gateway/server.ts';
import { connectMatrix } from './matrix/connect.ts';
import type { RoomId } from './matrix/types.ts';
import { makeSpace, shortOfSpace } from './space.ts';

/** The one workspace there is; more of them are more rooms. */
const workspace = 'main';
const stateDir = process.env['BOT_STATE'] ?? '/var/lib/pocketcoder';
/** Stands while every part is up: the container's health check looks for it. */
const readyFile = process.env['BOT_READY'] ?? '/tmp/ready';
/** Seconds a tool call of the brain is held open before it is told PENDING. */
const heldOpen = 120;

async function main(log: Logger): Promise<void> {
  const c = readConfiguration(process.argv[2] ?? '/run/pocketcoder/bot.json');
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  rmSync(readyFile, { force: true });
  const space = makeSpace(stateDir, log);
  await space();
  const parts = { homeserver: 'down', ledger: 'down' };
  const troubles = new Map<string, string>();

  const book = createBook(sha256);
  const ledger = await reachLedger({ ...c.ledger, identity: 'bot' }, () =>
    log.warn({ url: c.ledger.url }, 'ledger does not answer; trying again'),
  );
  let live: ((entry: Entry) => void) | undefined;
  const following = ledger.follow({
    from: 0,
    onEntry(entry) {
      book.read(entry);
      live?.(entry);
    },
    onState: (state) => {
      parts.ledger = state;
    },
  });
  await following.ready;

  const cards = cardStore(join(stateDir, 'cards.sqlite'), pollAnswers);
  const tasks = taskStore(join(stateDir, 'tasks.sqlite'));
  // Events may come before everything that handles them is there.
  const assembled = Promise.withResolvers<void>();
  const guarded = (work: () => Promise<void>): Promise<void> =>
    assembled.promise
      .then(work)
      .catch((error: unknown) => log.error({ err: error }, 'the room guard could not record what it saw'));
  const matrix = await connectMatrix({
    homeserver: c.homeserver.url,
    serverName: c.homeserver.server_name,
    user: c.homeserver.user,
    password: c.homeserver.password,
    stateDir,
    log,
    recipients: () => book.enrolled(),
    intake: (taken) => assembled.promise.then(() => relay.take(taken)),
    onState: (state) => {
      parts.homeserver = state;
    },
    onGap: (room) => void guarded(() => relay.lost(room)),
    onTrouble: (room, why) => void guarded(() => relay.trouble(room, why)),
  });

  const roomOf = (name: string) => (book.rooms().get(name) ?? '') as RoomId;
  const poster = createPoster({ ledger, matrix, cards, book, form: c.form, owner: c.owner });
  const desk = createDesk({
    ledger,
    cards,
    book,
    poster,
    clocks: c.clocks,
    trouble: (name) => troubles.get(roomOf(name)) ?? shortOfSpace(stateDir),
    log,
  });
  const outcomes = createOutcomes({
    ledger,
    matrix,
    cards,
    book,
    log,
    onOver: async (page, outcome) => {
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
    ask: asks.ask,
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
    hands: (task, of) => gateway.open({ task, workspace: of }),
    tasks,
    matrix,
    roomOf,
    log,
  });
  const all = () => [...troubles.values(), shortOfSpace(stateDir)].filter(Boolean);
  const health = () => [
    `homeserver ${parts.homeserver} · ledger ${parts.ledger} · brain ${brain ? (conversation.brainIsUp() ? 'up' : 'down') : 'not configured'}`,
    ...(book.frozen() ? ['everything is frozen: nothing is approved'] : []),
    ...all().map((why) => `⚠️ ${why}`),
  ];
  const relay = createRelay({
    matrix,
    cards,
    book,
    desk,
    conversation,
    ledger,
    troubles,
    health,
    log,
  });

  live = (entry) => {
    void space().then(() => outcomes.take(entry));
    relay.onEntry(entry);
  };
  assembled.resolve();
  if (!roomOf(workspace)) {
    const room = await matrix.createWorkspaceRoom({ name: `PocketCoder · ${workspace}`, invite: [c.owner] });
    const entry = await ledger.append({ kind: 'workspace.created', body: { workspace, room } });
    await book.reached(entry.seq);
  }
  await ledger.live.subscribe((action, chunk) => outcomes.onLive(action, chunk));
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
    status: () => ({
      ...parts,
      room: roomOf(workspace),
      enrolled: book.enrolled().length,
      troubles: all(),
    }),
    pair: (user, ask) => matrix.pair(roomOf(workspace), user, ask),
  });
  await desk.resume();
  await outcomes.catchUp();
  writeFileSync(readyFile, '');
  log.info({ user: matrix.user, device: matrix.device, room: roomOf(workspace) }, 'ready');

  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.once(signal, () => {
      rmSync(readyFile, { force: true });
      clearInterval(clock);
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
