/** Every part of the bot, made and not yet running. What a part is handed here is all that it can reach. */
import { join } from 'node:path';
import { sha256 } from '@pocketcoder/ledger/src/action.ts';
import type { Logger } from 'pino';
import { createDecide } from './approval/decide.ts';
import { leakIn } from './approval/leaks.ts';
import { createPoster } from './approval/poster.ts';
import { cardStore, withoutSecrets } from './approval/store.ts';
import { createBook, usersWho } from './approval/view.ts';
import { briefly, createCosts } from './brain/costs.ts';
import { createModels } from './brain/models.ts';
import { connectOpenCode } from './brain/opencode.ts';
import { pictureIn } from './brain/pictures.ts';
import { createProbe, probing } from './brain/probe.ts';
import { openChain } from './chain.ts';
import { openMatrix } from './connect.ts';
import { openDatabase, takeTables } from './database.ts';
import { createAttention } from './desk/attention.ts';
import { createDesk } from './desk/desk.ts';
import { createAsks } from './gateway/asks.ts';
import { openText } from './gateway/close.ts';
import { tokensFrom } from './gateway/hold.ts';
import { createGateway } from './gateway/server.ts';
import { createHealth } from './health.ts';
import { createBoard } from './room/board.ts';
import { createDictation } from './room/dictation.ts';
import { createWatch } from './room/guard.ts';
import { listStore } from './room/lists.ts';
import { createOutages } from './room/outages.ts';
import { createOutcomes } from './room/outcomes.ts';
import { wasOpen } from './room/progress.ts';
import { spoken } from './room/prose.ts';
import { createPush, repositories } from './room/push.ts';
import { createRelay } from './room/relay.ts';
import { createSentFiles } from './room/sent.ts';
import { createServers } from './room/servers.ts';
import { createTour } from './room/tour.ts';
import { troubleStore } from './room/troubles.ts';
import { createUndo } from './room/undo.ts';
import { boundIn, type Configuration } from './settings.ts';
import { message } from './show/blocks.ts';
import { pollAnswers } from './show/card.ts';
import { left, shortOfSpace } from './space.ts';
import { createConversation } from './tasks/conversation.ts';
import { createCrew, helperStore } from './tasks/crew.ts';
import { parentOf } from './tasks/kin.ts';
import { planningStore } from './tasks/planning.ts';
import { createQuestions } from './tasks/questions.ts';
import { createSchedules } from './tasks/schedules.ts';
import { isNote, saidFor, taskStore, titleBeside, titleOf } from './tasks/tasks.ts';
import type { RoomId } from './types.ts';
import { createWorkspaces } from './workspaces.ts';

export type Parts = Awaited<ReturnType<typeof makeParts>>;

/** @param stateDir for all that it keeps */
export async function makeParts(c: Configuration, stateDir: string, log: Logger) {
  // What it remembers, and what the ledger says.
  const db = openDatabase(join(stateDir, 'bot.sqlite'));
  const deciding = openDatabase(join(stateDir, 'deciding.sqlite'));
  takeTables(deciding, join(stateDir, 'bot.sqlite'), ['card', 'issued', 'encrypted', 'expected', 'seen']);
  const secrets = cardStore(deciding, pollAnswers);
  const cards = withoutSecrets(secrets);
  const store = taskStore(db);
  const costs = createCosts(db, c.spend ?? {}, (id) => {
    const task = store.get(id);
    return task ? titleOf(task) : '';
  });
  /** A task that reached its cap is told nothing either, and a look at a model asks nobody. */
  const halted = (task: string) => store.halted(task) || costs.paused(task) || probing(task);
  const tasks = { ...store, halted };
  const planning = planningStore(db);
  /** A helper does before a plan was approved what its task does: it looks. */
  const planned = (task: string): boolean =>
    planning.is(task) || (parentOf(task) !== '' && planned(parentOf(task)));
  const agents = c.agents ?? [];
  const helpers = helperStore(db);
  const troubles = troubleStore(db);
  const lists = listStore(db);
  const book = createBook(sha256, (action) => cards.get(action)?.ended ?? true);
  const attention = createAttention(c.quick);
  // Whoever wants no figures loads nothing for them.
  const figures = c.metrics && (await import('./metrics.ts')).createFigures(book, c.metrics.backup);
  const leak = (text: string, txn?: string): string => leakIn(secrets, text, txn);
  const { chain, whole } = await openChain({
    ...{ ...c.ledger, pin: join(stateDir, 'ledger.pin'), leak, log },
    read(entry) {
      book.read(entry);
      figures?.read(entry);
      if (entry.action) attention.read(entry, book.page(entry.action)?.action.requester === 'brain');
    },
    appended: figures?.appended,
  });
  const { ledger } = chain;
  const { url: homeserver, server_name: serverName, user, password } = c.homeserver;
  const matrix = await openMatrix({
    ...{ homeserver, serverName, user, password, stateDir, db, deciding, log, leak },
    recipients: () => book.enrolled(),
  });

  // The parts.
  const roomOf = (name: string) => (book.rooms().get(name) ?? '') as RoomId;
  const sayLine = (name: string, line: string, txn?: string) =>
    matrix.post(roomOf(name), 'm.room.message', message(line), txn ? { txn } : {});
  const poster = createPoster({
    ...{ ledger, matrix, cards: secrets, book },
    titleOf: (task) => titleBeside(tasks, tasks.get(task)),
  });
  const questions = createQuestions({
    ...{ db, matrix, log },
    roomOf: (task) => roomOf(store.get(task)?.workspace ?? ''),
    titleOf: (task) => titleBeside(store, store.get(task)),
    people: () => usersWho(book.enrolled(), 'asks'),
  });
  const decide = createDecide({
    gate: {
      ...{ matrix, cards: secrets, answeredBy: book.answeredBy },
      ...{ option: questions.option, trouble: troubles.why },
      people: () => book.enrolled(),
      now: () => Date.now(),
    },
    ...{ ledger: whole, book, adopt: poster.adopt, download: matrix.downloadEncrypted, log },
  });
  const desk = createDesk({
    ...{ ledger, cards, book, poster, decide, attention, log },
    say: (name, blocks) => matrix.post(roomOf(name), 'm.room.message', message(blocks)),
    trouble(name) {
      if (book.enrolled().length === 0) return 'no device is paired: run ./pocketcoder pair at the console';
      return troubles.why(roomOf(name)) || shortOfSpace(stateDir);
    },
    halted,
    patience: 3000,
  });
  const sandboxOf = (workspace: string) => c.tools[workspace] ?? c.tools[''] ?? 'not known';
  const asks = createAsks(desk, book, planned);
  const bound = () => boundIn(c.secrets);
  const repository = repositories(book, bound);
  const models = createModels(db, c.brain?.models ?? []);
  const gateway = createGateway({
    ...{ ...c.gateway, network: c.network === true, token: tokensFrom(db), bound, log },
    servers: book.servers,
    sees: (task) => models.of(task).pictures,
  });
  const brain = c.brain ? connectOpenCode({ ...c.brain, models, log }) : undefined;
  const probe = createProbe({ brain, models, hands: (task) => gateway.open({ task, workspace: '' }) });
  const openOf = (task: string) => book.unfinished().filter(({ action }) => action.task === task);
  const waits = (task: string): boolean =>
    helpers.below(task).length > 0 ||
    openOf(task).some((page) => page.action.requester === 'brain' && !wasOpen(page));
  const wordsFor = (task: string): string =>
    agents.find(({ name }) => name === helpers.get(task)?.agent)?.words ?? '';
  const conversation = createConversation({
    ...{ brain, tasks, costs, lists, planning, questions, matrix, roomOf, leak, waits, log },
    helps: helpers.works,
    planFirst: c.plan === 'always',
    picture: async (action, task) => (models.of(task).pictures ? pictureIn(ledger, action) : undefined),
    hands: (task, workspace) => ({
      ...{ ...gateway.open({ task, workspace }), sandbox: sandboxOf(workspace), words: wordsFor(task) },
    }),
    asks: (task) =>
      questions.of(task) !== undefined ||
      openOf(task).some(({ action }) => ['requested', 'posted', 'endorsed'].includes(book.state(action.id))),
  });
  const crew = createCrew({
    ...{ db, agents, helpers, tasks, conversation, waits, models, desk, ledger, log },
    planning: planned,
    took: costs.took,
    words: async (session) => (await brain?.last.words(session)) ?? '',
    show: (task, text) =>
      matrix.post(
        roomOf(task.workspace),
        'm.room.message',
        spoken(`agent (${titleOf(task)}), its result:`, text, 'm.notice'),
        { txn: saidFor(task.id, 'result') },
      ),
  });
  const tour = createTour({ db, say: sayLine, log });
  const undo = createUndo({ desk, book, conversation, say: sayLine });
  const served = createServers({ desk, book, say: sayLine });
  const push = createPush({ desk, book, repository, say: sayLine });
  const outcomes = createOutcomes({
    ...{ ledger, matrix, cards, book, log, timeline: c.timeline },
    async onShown(page, outcome) {
      await undo(page, outcome);
      await push(page, outcome);
      await served(page, outcome);
    },
    async onOpen(page) {
      const output = page.action.kind === 'egress' ? '' : openText(page.number);
      const outcome = { state: 'open', output, truncated: false } as const;
      if (!asks.over(page, outcome)) await conversation.over(page, outcome, false);
    },
    async onOver(page, outcome) {
      tour.did(page.action.workspace, outcome.state);
      await schedules.ended(page, outcome);
      // That a way out was closed is no news to wake the agent for.
      if (wasOpen(page)) conversation.closed(page, outcome);
      else if (!asks.over(page, outcome)) await conversation.over(page, outcome, false);
    },
  });
  const sentFiles = createSentFiles({
    ...{ db, book, decide, tell: conversation.tell, say: sayLine, log },
    answered: (task) => questions.close(task, 'answered in words'),
  });
  const schedules = createSchedules({
    ...{ db, conversation, desk, say: sayLine, log },
    barred: (user) =>
      usersWho(book.enrolled(), 'approves').includes(user) ? '' : `${user} approves nothing here any longer`,
  });
  const dictation = createDictation({ transcription: c.transcription, db, matrix, log });
  const outages = createOutages({
    ...{ db, matrix, log },
    rooms: () => (book.enrolled().length === 0 ? [] : ([...book.rooms().values()] as RoomId[])),
  });
  const board = createBoard({
    today: () => briefly(costs.today()),
    ...{ db, matrix, cards, book, lists, questions, down: outages.down, log },
    // Where nobody spoke to the agent there is nothing to watch.
    overview: (workspace) => conversation.overview(workspace).filter(({ id }) => tasks.get(id)?.session),
  });
  const brainIsUp = () => (brain ? conversation.brainIsUp() : undefined);
  const brainRefusal = () => brain?.refusal() ?? '';
  const health = createHealth({
    ...{ matrix, chain, book, troubles, brainIsUp, brainRefusal, stateDir, sandboxOf },
  });
  const tellFigures = async (): Promise<void> => {
    const text = await figures?.text({
      ...{ parts: health.states(), events: matrix.waiting(), spent: costs.total(), free: left(stateDir) },
      debts: store.owed().filter((owed) => !isNote(owed)).length,
      tasks: [...book.rooms().keys()]
        .flatMap(conversation.overview)
        .filter(({ id }) => conversation.isAtWork(id)).length,
    });
    if (text) await ledger.live.tell(text);
  };
  const relay = createRelay({
    ...{ db, matrix, cards, book, desk, conversation, ledger, attention, troubles, tour, sentFiles, log },
    dictation,
    schedules,
    agents,
    ...{ health: health.lines, repository, models, costs, show: outcomes.show, board },
  });
  const watch = createWatch(relay, troubles, log);
  const workspaces = createWorkspaces({ ledger, matrix, book, owner: c.owner, log });

  return {
    ...{
      chain,
      matrix,
      gateway,
      brain,
      tasks,
      planned,
      crew,
      questions,
      troubles,
      book,
      decide,
      desk,
      asks,
      conversation,
      outcomes,
    },
    ...{ sentFiles, dictation, schedules, tour, relay, watch, workspaces, outages, board, health, probe },
    tellFigures,
  };
}
