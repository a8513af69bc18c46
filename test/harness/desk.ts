/** The bot's desk on a ledger in memory that judges by the real rules: real book, cards and poster, and no network. */
import pino from 'pino';
import { createAnswer, createDecide } from '../../bot/src/approval/decide.ts';
import { narrow } from '../../bot/src/approval/narrow.ts';
import { createPoster } from '../../bot/src/approval/poster.ts';
import { cardStore, withoutSecrets } from '../../bot/src/approval/store.ts';
import type { Command, Gate, Verdict } from '../../bot/src/approval/verdict.ts';
import { createBook, type Person } from '../../bot/src/approval/view.ts';
import { createCosts } from '../../bot/src/brain/costs.ts';
import { createModels } from '../../bot/src/brain/models.ts';
import { openDatabase } from '../../bot/src/database.ts';
import { type Attention, createAttention } from '../../bot/src/desk/attention.ts';
import { createDesk } from '../../bot/src/desk/desk.ts';
import { editOf } from '../../bot/src/proof/post.ts';
import { type Block, message } from '../../bot/src/show/blocks.ts';
import { pollAnswers } from '../../bot/src/show/card.ts';
import { createQuestions } from '../../bot/src/tasks/questions.ts';
import type { Content, EventId, Evidence, Matrix, PostOptions, RoomId, Taken } from '../../bot/src/types.ts';
import { type Asked, sha256 } from '../../ledger/src/action.ts';
import type { Append, Entry, Ledger } from '../../ledger/src/client.ts';
import { LedgerError } from '../../ledger/src/client.ts';
import { enrol, memoryLedger, owner, type Wanted } from './ledger-chain.ts';

export const room = '!room:x' as RoomId;
export const workspace = 'main';
export const log = pino({ level: 'silent' });
export const asked = (script: string): Asked => ({
  kind: 'bash',
  args: { script, cwd: '.', env: {}, timeout: 60 },
  workspace,
  task: 'task',
  requester: '@owner:home',
});
export type Posted = { type: string; content: Content; txn: string };

/** What a scene's tasks think with: two models, of which the second takes less. */
const scripted = (['fast', 'deep'] as const).map((name) => ({
  ...{ name, provider: 'ollama', model: `m-${name}`, pictures: false },
  rungs: [{ id: `m-${name}`, context: name === 'fast' ? 128_000 : 8192, output: 1024 }] as const,
}));

/**
 * @param o.posting called with each event before it is sent; what it awaits happens in between
 * @param o.patience milliseconds that cards wait for an executor, of which there is none here
 * @param o.onEntry takes each entry of the chain, once the book has read it
 */
export function startDesk(
  o: {
    posting?(p: Posted): void | Promise<void>;
    trouble?(): string;
    halted?(): string;
    titleOf?(task: string): string;
    onEntry?(entry: Entry): void;
    attention?: Attention;
    patience?: number;
  } = {},
) {
  const memory = memoryLedger();
  memory.clock.now = Date.now();
  const book = createBook(sha256);
  const put = (wanted: Wanted): Entry => {
    const there = memory.entries.find((e) => e.id === wanted.id);
    if (there) return there;
    const code = memory.put(wanted);
    const entry = memory.entries.at(-1);
    if (code || !entry) throw new LedgerError(code, 400, code);
    book.read(entry);
    o.onEntry?.(entry);
    return entry;
  };
  const wide = { append: async (e: Append) => put({ author: 'bot', ...e }) } as unknown as Ledger;
  const ledger = narrow(wide);
  const posted: Posted[] = [];
  const said: string[] = [];
  const matrix = {
    user: '@bot:x',
    device: 'BOT',
    async post(_: RoomId, type: string, content: Content, { txn = '' }: PostOptions = {}) {
      await o.posting?.({ type, content, txn });
      posted.push({ type, content, txn });
      said.push(String(content['body'] ?? ''));
      return `$${posted.length}`;
    },
    edit: (to: RoomId, event: EventId, content: Content) => matrix.post(to, 'edit', editOf(event, content)),
    sentAs: (event: string) => posted[Number(event.slice(1)) - 1]?.txn,
    read: async (_: RoomId, event: string) =>
      String(posted[Number(event.slice(1)) - 1]?.content['body'] ?? ''),
    uploadEncrypted: async (_: unknown, name: string) => ({ msgtype: 'm.file', body: name }),
    redact: async () => {},
    readMarker: async () => {},
    typing: async () => {},
    forceQuery: async () => {},
    deviceNow: async () => ({ ...owner, crossSigned: true, blacklisted: false, dehydrated: false }),
    identityNow: async () => ({ verified: true, violation: false, master: owner.master }),
    replay: () => true,
  } as unknown as Matrix;
  put(enrol);
  put({ author: 'bot', kind: 'workspace.created', body: { workspace, room } });
  const db = openDatabase(':memory:');
  const cards = cardStore(db, pollAnswers);
  const attention = o.attention ?? createAttention(0);
  const poster = createPoster({ ledger, matrix, cards, book, titleOf: o.titleOf ?? (() => '') });
  const say = (_: string, blocks: readonly Block[]) => matrix.post(room, 'm.room.message', message(blocks));
  const trouble = o.trouble ?? (() => '');
  const halted = o.halted ?? (() => '');
  const patience = o.patience ?? 0;
  const questions = createQuestions({
    ...{ db, matrix, log },
    roomOf: () => room,
    titleOf: o.titleOf ?? (() => ''),
    people: () => [owner.user],
  });
  const gate: Gate = {
    ...{
      matrix,
      cards,
      people: () => book.enrolled(),
      answeredBy: book.answeredBy,
      option: questions.option,
    },
    ...{ trouble, now: () => Date.now() },
  };
  const decide = createDecide({
    ...{ ledger: wide, gate, book, adopt: poster.adopt, log },
    download: (file, most) => matrix.downloadEncrypted(file, most),
  });
  const answer = createAnswer({ ledger: wide, gate, book, log });
  const handed = withoutSecrets(cards);
  const desk = createDesk({
    ...{ ledger, cards: handed, book, poster, decide, attention },
    ...{ say, trouble, halted, patience, log },
  });
  return {
    db,
    questions,
    models: createModels(db, scripted),
    costs: createCosts(db, { task_tokens: 1000 }, () => 'a title'),
    memory,
    put,
    /** What decides writes to, and what the handle of all others writes to at last. */
    wide,
    ledger,
    gate,
    decide,
    /** Carries out a verdict, also one that approves: as if an event had made the gatekeeper say so. */
    async apply(v: Verdict): Promise<string> {
      if (v.do !== 'approve') return desk.apply(v);
      return desk.apply(await answer(v));
    },
    /** The command that the owner's message is. */
    async commandOf(body: string, event: string): Promise<Command> {
      const { user: sender, device, ed25519: claimedEd25519, curve25519 } = owner;
      const evidence = { sender, device, claimedEd25519, curve25519, session: 'S', index: 0 } as Evidence;
      const wire = { type: 'm.room.encrypted', event_id: event, sender, content: {}, origin_server_ts: 0 };
      const content = { msgtype: 'm.text', body };
      const taken = {
        room,
        wire,
        encrypted: true,
        type: 'm.room.message',
        content,
        evidence,
      } as unknown as Taken;
      const judged = await decide.take(taken);
      if (judged.do !== 'ask') throw new Error(`${body}: ${judged.do}`);
      return judged.command;
    },
    matrix,
    book,
    attention,
    cards: handed,
    /** The store itself. */
    secrets: cards,
    desk,
    posted,
    /** Bodies of what was posted, oldest first. */
    said,
    kinds: (action: string) => memory.entries.filter((e) => e.action === action).map((e) => e.kind),
    device: { ...owner, role: 'owner' } as Person,
    stop() {
      db.close();
    },
  };
}
