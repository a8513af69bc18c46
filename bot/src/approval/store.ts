/** The bot's own memory of cards: tokens, nonces and codes, written before anything that shows them is sent. */
import type { Named } from '@pocketcoder/ledger/src/bodies.ts';
import type { Database } from '../database.ts';
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
  /** What people call its task, where that was not the room's current one. */
  title?: string;
  /** The files that its scripts name, as the executor says; undefined where it said nothing in time, or nothing runs a script. */
  named?: Named;
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
/** What of a card is no secret. */
export type Posted = Omit<Card, 'key' | 'decoy' | 'nonce' | 'code'>;
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
};

/** The same for whoever decides nothing: no secret of any card, and none that is opened again. */
export type Cards = {
  /** So that the store of all secrets passes for none. */
  readonly secrets: 'none';
  set(action: string, change: { chips?: ''; dropped?: true; open?: false; ended?: true }): void;
  get(action: string): Posted | undefined;
  byEvent(event: string): Posted | undefined;
  byNumber(number: number): Posted | undefined;
  open(): Posted[];
  unended(): Posted[];
};

/** A card without its secrets. */
export function posted(card: Card | Posted): Posted {
  const { key, decoy, nonce, code, ...rest } = card as Card;
  return rest;
}

/** The store as it is handed to whoever decides nothing. */
export function withoutSecrets(cards: CardStore): Cards {
  const one = (card: Card | undefined) => card && posted(card);
  return {
    secrets: 'none',
    set: (action, { chips, dropped, open, ended }) =>
      cards.set(action, {
        ...(chips === '' && { chips }),
        ...(dropped === true && { dropped }),
        ...(open === false && { open }),
        ...(ended === true && { ended }),
      }),
    get: (action) => one(cards.get(action)),
    byEvent: (event) => one(cards.byEvent(event)),
    byNumber: (number) => one(cards.byNumber(number)),
    open: () => cards.open().map(posted),
    unended: () => cards.unended().map(posted),
  };
}

/** A card is one JSON text. Columns are what cards are looked up by. */
const schema = `
  CREATE TABLE IF NOT EXISTS card(card TEXT NOT NULL,
    action TEXT NOT NULL AS (card ->> 'action') UNIQUE, number INTEGER NOT NULL AS (card ->> 'number') UNIQUE,
    event TEXT NOT NULL AS (card ->> 'event'), poll TEXT NOT NULL AS (card ->> 'poll'),
    approval TEXT NOT NULL AS (card ->> 'approval'),
    open INTEGER NOT NULL AS (card ->> 'open'), ended INTEGER NOT NULL AS (card ->> 'ended')) STRICT;
  CREATE INDEX IF NOT EXISTS card_event ON card(event);
  CREATE INDEX IF NOT EXISTS card_poll ON card(poll);
  CREATE INDEX IF NOT EXISTS card_approval ON card(approval);
  CREATE INDEX IF NOT EXISTS card_open ON card(open) WHERE open = 1;
  CREATE INDEX IF NOT EXISTS card_unended ON card(ended) WHERE ended = 0;
  CREATE TABLE IF NOT EXISTS issued(secret TEXT PRIMARY KEY, action TEXT, means TEXT, by TEXT) STRICT, WITHOUT ROWID;`;

/** @param answersOf the answer ids of a card's poll: they are secrets too, made from its digest and nonce */
export function cardStore(db: Database, answersOf: (card: Card) => { ok: string; no: string }): CardStore {
  db.exec(schema);
  // A number that comes again is of a ledger that was taken as it was, where the card of before is none.
  const insert = db.prepare(
    'INSERT INTO card VALUES(?) ON CONFLICT(number) DO UPDATE SET card = excluded.card',
  );
  const issue = db.prepare('INSERT INTO issued VALUES(?,?,?,?)');
  const change = db.prepare('UPDATE card SET card = json_patch(card, ?) WHERE action = ?');
  const find = (where: string) => db.prepare(`SELECT card FROM card WHERE ${where} ORDER BY number`);
  const by = {
    action: find('action = ?'),
    event: find('event = ?1 OR poll = ?1'),
    approval: find('approval = ?'),
    number: find('number = ?'),
    open: find('open = 1'),
    unended: find('ended = 0'),
  };
  const newest = db.prepare(
    "SELECT card ->> 'key' AS key, iif(open, card ->> 'decoy', '') AS decoy FROM card ORDER BY number DESC LIMIT ?",
  );
  const findIssued = db.prepare('SELECT action, means, by FROM issued WHERE secret = ?');
  const every = (query: keyof typeof by, ...values: (string | number)[]): Card[] =>
    by[query].all(...values).map(({ card }) => JSON.parse(String(card)) as Card);
  const one = (query: keyof typeof by, value: string | number): Card | undefined => every(query, value)[0];
  return {
    add(card) {
      const answers = answersOf(card);
      db.transaction(() => {
        insert.run(JSON.stringify(card));
        if (card.key) {
          issue.run(card.key, card.action, 'approve', 'chip');
          issue.run(card.decoy, card.action, 'deny', 'chip');
        }
        issue.run(answers.ok, card.action, 'approve', 'poll');
        issue.run(answers.no, card.action, 'deny', 'poll');
        if (card.code) issue.run(card.code, card.action, 'approve', 'code');
      });
    },
    set: (action, news) => void change.run(JSON.stringify(news), action),
    get: (action) => one('action', action),
    byEvent: (event) => (event ? one('event', event) : undefined),
    byApproval: (event) => (event ? one('approval', event) : undefined),
    byNumber: (number) => one('number', number),
    issued: (secret) => findIssued.get(secret) as Issued | undefined,
    open: () => every('open'),
    unended: () => every('unended'),
    recentEmojis() {
      const emoji = (secret: string): string => secret.split(' ')[0] ?? '';
      const recent = newest.all(reuseAfter) as Pick<Card, 'key' | 'decoy'>[];
      return new Set(recent.flatMap(({ key, decoy }) => [emoji(key), emoji(decoy)]));
    },
  };
}
