/** What an agent asks its owner with options to choose from: a poll whose votes are words of the owner's, and let nothing run. */
import type { Logger } from 'pino';
import { newNonce } from '../approval/tokens.ts';
import type { Option } from '../approval/verdict.ts';
import type { Database } from '../database.ts';
import { answerIds, type Question, questionPoll } from '../show/choices.ts';
import { pollEnd } from '../show/poll.ts';
import type { Matrix, RoomId } from '../types.ts';
import { saidFor } from './tasks.ts';

/** `ends`: what its poll ends with, from when it was answered until that was said. */
type Row = Question & {
  number: number;
  task: string;
  room: RoomId;
  nonce: string;
  event: string;
  state: 'open' | 'ends' | 'ended';
  ends: string;
};
export type QuestionsOptions = {
  db: Database;
  matrix: Pick<Matrix, 'post'>;
  roomOf(task: string): RoomId;
  /** What people call a task where the room speaks with another one now, else ''. */
  titleOf(task: string): string;
  /** Whose phones a question has to wake. */
  people(): readonly string[];
  log: Logger;
};
export type Questions = {
  /** Puts it into the task's room. Returns what to tell the agent. One of a task waits at a time. Never throws. */
  put(task: string, question: Question): Promise<string>;
  /** The option that an answer's id stands for, also of a question that was answered. */
  option(answer: string): Option | undefined;
  /** The question of a task that waits for an answer. */
  of(task: string): Pick<Row, 'event' | 'room'> | undefined;
  /** The owner answered the task, in these words: its question, if one waits, is over. Never throws. */
  close(task: string, words: string): void;
  /** What the last run left half done. */
  resume(): void;
};

const put = [
  'ASKED: the owner has your question with its options on their phone. End your turn; do not ask it again and do not wait for it with a call.',
  'The answer comes as the owner’s next message.',
].join(' ');
const waits =
  'NOT ASKED: your last question still waits for the owner’s answer. End your turn: it comes as their next message.';
const notSent =
  'NOT ASKED: the question could not be put into the room. Ask it in words, as the end of your turn.';

export function createQuestions({ db, matrix, roomOf, titleOf, people, log }: QuestionsOptions): Questions {
  db.exec(`
    CREATE TABLE IF NOT EXISTS question(number INTEGER PRIMARY KEY, question TEXT NOT NULL,
      nonce TEXT NOT NULL AS (question ->> 'nonce') UNIQUE, task TEXT NOT NULL AS (question ->> 'task'),
      state TEXT NOT NULL AS (question ->> 'state')) STRICT;
    CREATE INDEX IF NOT EXISTS question_open ON question(task) WHERE state <> 'ended';`);
  const set = db.prepare('UPDATE question SET question = json_patch(question, ?) WHERE number = ?');
  const find = (where: string, ...values: string[]): Row[] =>
    db
      .prepare(`SELECT number, question FROM question WHERE ${where} ORDER BY number`)
      .all(...values)
      .map((row) => ({ ...JSON.parse(String(row['question'])), number: Number(row['number']) }) as Row);
  const openOf = (task: string): Row | undefined => find("task = ? AND state = 'open'", task)[0];

  /** Under its nonce it is one poll, also after a crash; a reply to it finds the task by that id (room/replies.ts). */
  async function send(row: Row): Promise<void> {
    const { type, content } = questionPoll(row, titleOf(row.task), people());
    const event = await matrix.post(row.room, type, content, { txn: saidFor(row.task, row.nonce) });
    set.run(JSON.stringify({ event }), row.number);
  }
  async function end(row: Row): Promise<void> {
    if (!row.event) await send(row);
    const [now = row] = find('number = ?', String(row.number));
    const { type, content } = pollEnd(now.event, now.ends);
    await matrix.post(row.room, type, content, { txn: `question-end-${row.nonce}` });
    set.run(JSON.stringify({ state: 'ended' }), row.number);
  }
  const tried = (work: Promise<void>): void =>
    void work.catch((error: unknown) => log.warn({ err: error }, 'a question’s poll is not as it should be'));

  return {
    async put(task, question) {
      if (openOf(task)) return waits;
      const row = {
        ...question,
        task,
        room: roomOf(task),
        nonce: newNonce(),
        event: '',
        state: 'open',
        ends: '',
      };
      const { lastInsertRowid } = db
        .prepare('INSERT INTO question(question) VALUES(?)')
        .run(JSON.stringify(row));
      const number = Number(lastInsertRowid);
      try {
        await send({ ...row, number } as Row);
        return put;
      } catch (error) {
        log.warn({ task, err: error }, 'a question was not put');
        // It may stand in the room all the same: a vote on it is told that it is over.
        set.run(JSON.stringify({ state: 'ended' }), number);
        return notSent;
      }
    },
    option(answer) {
      const [row] = find('nonce = ?', /^ask\.(\w+)\.\d+$/.exec(answer)?.[1] ?? '');
      const text = row?.options[answerIds(row).indexOf(answer)];
      if (!row || text === undefined) return undefined;
      const { room, task, question, state } = row;
      return { room, task, question, text, open: state === 'open' };
    },
    of: openOf,
    close(task, words) {
      const row = openOf(task);
      if (!row) return;
      set.run(JSON.stringify({ state: 'ends', ends: words }), row.number);
      tried(end({ ...row, ends: words }));
    },
    resume() {
      for (const row of find("state = 'open' AND question ->> 'event' = ''")) tried(send(row));
      for (const row of find("state = 'ends'")) tried(end(row));
    },
  };
}
