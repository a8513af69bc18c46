/** The bot's own memory of cards: tokens, nonces and codes, written before anything that shows them is sent. */
import { DatabaseSync } from 'node:sqlite';
import type { RoomId } from '../types.ts';
import { reuseAfter } from './tokens.ts';

/** `code`: too long for a card, its file has the code. `command`: no card, its asker's message decided it. */
export type Form = 'chip' | 'poll' | 'code' | 'command';
/** One row a card; a secret that its form has not is ''. Times are milliseconds since 1970. `dropped`: taps no longer count, only votes and codes. */
export type Card = {
  action: string;
  number: number;
  room: RoomId;
  digest: string;
  form: Form;
  key: string;
  decoy: string;
  nonce: string;
  code: string;
  event: string;
  poll: string;
  /** Event ids of the bot's own chips, separated by spaces: removed when the card ends. */
  chips: string;
  decideBy: number;
  dropped: boolean;
  open: boolean;
  /** The room was told how it ended. */
  ended: boolean;
  /** The event that approved it, so that its removal before the claim can deny. */
  approval: string;
};
/** What a key, answer or code that was once issued stands for. */
export type Issued = { action: string; means: 'approve' | 'deny'; by: 'chip' | 'poll' | 'code' };

export type CardStore = {
  /** Writes a card and all its secrets in one transaction. Throws where a secret was ever issued before. */
  add(card: Card): void;
  set(
    action: string,
    change: Partial<Pick<Card, 'event' | 'poll' | 'chips' | 'dropped' | 'open' | 'ended' | 'approval'>>,
  ): void;
  get(action: string): Card | undefined;
  byEvent(event: string): Card | undefined;
  byApproval(event: string): Card | undefined;
  byNumber(number: number): Card | undefined;
  issued(secret: string): Issued | undefined;
  open(): Card[];
  unended(): Card[];
  /** Emoji that a new card must not use: the names of the last thousand cards, the decoys of open ones. */
  recentEmojis(): Set<string>;
  close(): void;
};

const columns = [
  ...['action', 'number', 'room', 'digest', 'form', 'key', 'decoy', 'nonce', 'code'],
  ...['event', 'poll', 'chips', 'decideBy', 'dropped', 'open', 'ended', 'approval'],
];

/** @param answersOf the answer ids of a card's poll: they are secrets too, made from its digest and nonce */
export function cardStore(file: string, answersOf: (card: Card) => { ok: string; no: string }): CardStore {
  const db = new DatabaseSync(file);
  db.exec(`PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
    CREATE TABLE IF NOT EXISTS card(action TEXT PRIMARY KEY, number INTEGER UNIQUE, room TEXT, digest TEXT, form TEXT, key TEXT,
      decoy TEXT, nonce TEXT, code TEXT, event TEXT, poll TEXT, chips TEXT, decideBy INTEGER, dropped INTEGER, open INTEGER, ended INTEGER,
      approval TEXT) STRICT;
    CREATE INDEX IF NOT EXISTS card_event ON card(event);
    CREATE INDEX IF NOT EXISTS card_poll ON card(poll);
    CREATE INDEX IF NOT EXISTS card_approval ON card(approval);
    CREATE INDEX IF NOT EXISTS card_open ON card(open) WHERE open = 1;
    CREATE INDEX IF NOT EXISTS card_unended ON card(ended) WHERE ended = 0;
    CREATE TABLE IF NOT EXISTS issued(secret TEXT PRIMARY KEY, action TEXT, means TEXT, by TEXT) STRICT, WITHOUT ROWID;`);
  const insert = db.prepare(`INSERT INTO card(${columns}) VALUES(${columns.map((c) => `:${c}`)})`);
  const issue = db.prepare('INSERT INTO issued VALUES(?,?,?,?)');
  const find = (where: string) => db.prepare(`SELECT * FROM card WHERE ${where} LIMIT 1`);
  const by = {
    action: find('action = ?'),
    event: find('event = ?1 OR poll = ?1'),
    approval: find('approval = ?'),
    number: find('number = ?'),
  };
  const findIssued = db.prepare('SELECT action, means, by FROM issued WHERE secret = ?');
  const row = (r: unknown): Card | undefined => {
    if (!r) return undefined;
    const card = r as Card;
    return { ...card, dropped: Boolean(card.dropped), open: Boolean(card.open), ended: Boolean(card.ended) };
  };
  const every = (where: string): Card[] =>
    db
      .prepare(`SELECT * FROM card WHERE ${where} ORDER BY number`)
      .all()
      .flatMap((r) => row(r) ?? []);
  const one = (query: ReturnType<typeof find>, value: string | number) => row(query.get(value));
  return {
    add(card) {
      const answers = answersOf(card);
      db.exec('BEGIN IMMEDIATE');
      try {
        insert.run({
          ...card,
          dropped: Number(card.dropped),
          open: Number(card.open),
          ended: Number(card.ended),
        });
        if (card.key) {
          issue.run(card.key, card.action, 'approve', 'chip');
          issue.run(card.decoy, card.action, 'deny', 'chip');
        }
        issue.run(answers.ok, card.action, 'approve', 'poll');
        issue.run(answers.no, card.action, 'deny', 'poll');
        if (card.code) issue.run(card.code, card.action, 'approve', 'code');
        db.exec('COMMIT');
      } catch (error) {
        db.exec('ROLLBACK');
        throw error;
      }
    },
    set(action, change) {
      const names = Object.keys(change);
      const values = Object.values(change).map((v) => (typeof v === 'boolean' ? Number(v) : v));
      db.prepare(`UPDATE card SET ${names.map((n) => `${n} = ?`)} WHERE action = ?`).run(...values, action);
    },
    get: (action) => one(by.action, action),
    byEvent: (event) => (event ? one(by.event, event) : undefined),
    byApproval: (event) => (event ? one(by.approval, event) : undefined),
    byNumber: (number) => one(by.number, number),
    issued: (secret) => findIssued.get(secret) as Issued | undefined,
    open: () => every('open = 1'),
    unended: () => every('ended = 0'),
    recentEmojis() {
      const out = new Set<string>();
      const rows = db
        .prepare('SELECT key, decoy, open FROM card ORDER BY number DESC LIMIT ?')
        .all(reuseAfter) as unknown as Pick<Card, 'key' | 'decoy' | 'open'>[];
      for (const r of rows) {
        out.add(r.key.split(' ')[0] ?? '');
        if (r.open) out.add(r.decoy.split(' ')[0] ?? '');
      }
      return out;
    },
    close: () => db.close(),
  };
}
