/**
 * The bot from its gateway to its decisions, as its own modules are, on a real ledger and a real executor with real
 * containers. A homeserver is not needed for this: cards are encrypted for the owner's device and answered from it in the
 * small world, whose crypto is the bot's own.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { createDecide } from '../../../bot/src/approval/decide.ts';
import { leakIn } from '../../../bot/src/approval/leaks.ts';
import { createPoster } from '../../../bot/src/approval/poster.ts';
import { type Card, withoutSecrets } from '../../../bot/src/approval/store.ts';
import { createBook, type Page } from '../../../bot/src/approval/view.ts';
import { openChain } from '../../../bot/src/chain.ts';
import { createAttention } from '../../../bot/src/desk/attention.ts';
import { createDesk, type Desk } from '../../../bot/src/desk/desk.ts';
import { every } from '../../../bot/src/every.ts';
import { createLock } from '../../../bot/src/proof/lock.ts';
import { outcomeOf } from '../../../bot/src/room/output.ts';
import { message } from '../../../bot/src/show/blocks.ts';
import type { Matrix, WireEvent } from '../../../bot/src/types.ts';
import { policyFrom } from '../../../console/instance/policy.ts';
import { isOver } from '../../../ledger/rules/lifecycle.cjs';
import { sha256 } from '../../../ledger/src/action.ts';
import type { Entry } from '../../../ledger/src/client.ts';
import { startExecutor } from '../../../sandbox/src/executor.ts';
import { makeTasks } from '../../../sandbox/src/tasks.ts';
import { startLedger } from '../../harness/ledger.ts';
import { type Sandbox, startSandbox } from '../../harness/sandbox.ts';
import { until } from '../../harness/wait.ts';
import { react, tap, vote } from '../small/answers.ts';
import { smallWorld } from '../small/world.ts';
import { type Gate, openGate } from './gate.ts';
import { createOwner, type Owner } from './owner.ts';

export type Stage = {
  gate: Gate;
  owner: Owner;
  /** Resolves when all that was decided has run, and what was not is over. */
  quiet(): Promise<void>;
  /** The chain as the auditor reads it. */
  entries(): Promise<Entry[]>;
  audit: Awaited<ReturnType<Awaited<ReturnType<typeof startLedger>>['connect']>>;
  /** What the owner asks for, voted for as any control action is; in force when this resolves. @returns its id */
  grant(kind: 'lease' | 'server_pin', args: object): Promise<string>;
  box: Sandbox;
  /** The lines of a file of the workspace, or names in a folder of it, read in a container beside. */
  inWorkspace(command: string): Promise<string[]>;
  stop(): Promise<void>;
};

const log = pino({ level: process.env['TEST_LOG'] ?? 'silent' });
/** Seconds that an owner takes at most: so short that what they left is over within a test's time. */
const decide_within = 6;

/** @param wait seconds that a call is held open */
export async function startStage(seed: number, wait = 1): Promise<Stage> {
  const undo: (() => Promise<unknown> | unknown)[] = [];
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await Promise.resolve(step()).catch(() => {});
  };
  try {
    const [box, server, w] = await Promise.all([startSandbox(), startLedger(), smallWorld()]);
    const folder = mkdtempSync(join(tmpdir(), 'pocketcoder-test-'));
    undo.push(() => rmSync(folder, { recursive: true }), w.stop, server.stop, box.stop);
    const { workspace } = box.name;
    const operator = await server.connect('operator');
    const policy = policyFrom({
      decide_within,
      reads: { uses: 5 },
      classes: { control: { decide_within: 60 } },
    });
    await operator.append({ kind: 'policy.set', body: { policy } });
    const [person] = w.enrolled;
    if (!person) throw new Error('nobody was enrolled');
    await operator.append({ kind: 'identity.enrolled', body: person });
    const bot = await server.connect('bot');
    await bot.append({ kind: 'workspace.created', body: { workspace, room: w.room } });
    const executor = startExecutor({
      ...{
        ledger: await server.connect('executor'),
        tasks: makeTasks(box.docker, box.place),
        name: 'one',
        log,
      },
    });
    undo.push(executor.stop);

    const { cards } = w.gate;
    const book = createBook(sha256);
    const attention = createAttention(0);
    const { chain, whole } = await openChain({
      ...{ url: server.url, password: server.passwords.bot, pin: join(folder, 'ledger.pin'), log },
      leak: (text) => leakIn(cards, text),
      read(entry) {
        book.read(entry);
        attention.read(entry, book.page(entry.action)?.action.requester === 'brain');
      },
    });
    undo.push(chain.stop);
    const { ledger } = chain;
    const lock = createLock();
    const matrix = {
      ...{ user: w.botUser, readMarker: async () => {}, redact: async () => {} },
      post: (_: string, type: string, content: object, o: object) =>
        lock('world', async () => (await w.say(type, content as never, o)).event_id),
      async uploadEncrypted(_: unknown, name: string) {
        return { msgtype: 'm.file', body: name };
      },
    } as unknown as Matrix;
    const poster = createPoster({ ledger, matrix, cards, book, titleOf: () => '' });
    const judging = { ...w.gate, people: () => book.enrolled(), answeredBy: book.answeredBy };
    const decide = createDecide({
      ...{ ledger: whole, gate: judging, book, adopt: poster.adopt, log },
      download: () => Promise.reject(new Error('nobody sends a file')),
    });
    const desk: Desk = createDesk({
      ...{ ledger, cards: withoutSecrets(cards), book, poster, decide, log },
      // A minute of twenty cards would leave little to be let run within a test's time: here it is one of five seconds.
      attention: { ...attention, hold: (now) => attention.hold(now + 55_000) },
      say: (_, blocks) => matrix.post(w.room, 'm.room.message', message(blocks)),
      ...{ trouble: () => '', halted: () => '', patience: 0 },
    });

    /** What a device sent comes to the bot as a homeserver hands it over, and is judged and carried out as in its inbox. */
    const answer = (make: () => Promise<WireEvent> | WireEvent) =>
      lock('world', async () => {
        const wire = await make();
        await w.deliver([]); // its room key, where it is a new one
        await w.handOver(wire);
        const taken = w.taken.at(-1);
        if (taken?.wire.event_id !== wire.event_id) throw new Error('the bot did not take it in');
        return decide.take(taken);
      });
    const cardOf = ({ action }: Page): Card => {
      const card = cards.get(action.id);
      if (!card) throw new Error(`no card of ${action.kind}`);
      return card;
    };
    async function approve(page: Page): Promise<boolean> {
      const card = cardOf(page);
      if (card.form === 'code') return false;
      const isChip = card.form === 'chip';
      const judged = await answer(() => (isChip ? tap(card.event, card.key) : vote(w.owner, card)));
      return judged.do === 'decided' && judged.refused === '';
    }
    const owner = createOwner(seed, {
      async read(page) {
        const { event } = cardOf(page);
        return lock('world', async () => {
          await w.owner.receive();
          const wire = w.sent.find((e) => e.event_id === event);
          if (!wire) throw new Error('the card was not sent');
          const content = await w.owner.read(wire);
          const poll = content['org.matrix.msc3381.poll.start'] as { question: { body: string } } | undefined;
          return poll?.question.body ?? String(content['body']);
        });
      },
      approve,
      deny: async (page) =>
        desk.apply((await answer(() => react(w.owner, cardOf(page).event, '❌'))) as never),
    });

    const gate = await openGate({ desk, book, workspace, wait });
    undo.push(gate.stop);
    chain.run((entry) => {
      desk.onEntry(entry);
      gate.onEntry(entry);
      const page = book.page(entry.action);
      if (page && entry.kind === 'posted' && page.action.requester === 'brain') owner.look(page);
      if (page && isOver(entry.kind))
        void outcomeOf(ledger, entry, page.action).then((outcome) => gate.over(page, outcome));
    });
    const ignore = () => {};
    undo.push(
      every(500, () => desk.expire(Date.now()), ignore),
      every(2000, attention.heard, ignore), // the owner says a word now and then, or three denials would be the end of it
    );
    await executor.ready;

    async function grant(kind: 'lease' | 'server_pin', args: object): Promise<string> {
      const asked = { kind, args, workspace, task: 'own', requester: person?.user } as never;
      const { action } = await desk.ask(asked);
      const page = book.page(action);
      if (!page || !(await approve(page))) throw new Error(`the ${kind} was not approved`);
      await until(`the ${kind} is in force`, () => book.state(action) === 'applied');
      return action;
    }
    const audit = await server.connect('auditor');
    return {
      ...{ gate, owner, audit, grant, box, stop },
      entries: () => audit.since(0),
      async quiet() {
        await owner.done();
        await until('all of it is over', () => book.unfinished().length === 0, { seconds: 60 });
      },
      async inWorkspace(command) {
        return (await box.beside('sh', '-c', command)).split(/\s+/).filter(Boolean);
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
