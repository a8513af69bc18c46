/** Voice messages: written down by the transcription endpoint that the owner configured, shown, and then words to the agent. */
import { messageOf } from '@pocketcoder/ledger/src/retry.ts';
import type { Logger } from 'pino';
import type { Sent } from '../approval/sent.ts';
import type { Database } from '../database.ts';
import { message } from '../show/blocks.ts';
import { oneLine, visible } from '../show/visible.ts';
import type { Content, Matrix, RoomId } from '../types.ts';

/** OpenAI's form: the address of the API, version included, by the proxy that holds its key; and what stands in place of that. */
export type Transcription = { url: string; model: string; placeholder: string };

export type DictationOptions = {
  /** Absent where none is configured. */
  transcription: Transcription | undefined;
  /** Keeps over restarts which messages are being written down. */
  db: Database;
  matrix: Pick<Matrix, 'post' | 'downloadEncrypted'>;
  /** Milliseconds that an endpoint may take. */
  patience?: number;
  log: Logger;
};
export type Dictation = ReturnType<typeof createDictation>;

/** OpenAI takes no more (its documentation of speech to text: 25 MB). */
const most = 25 << 20;
/** Bytes of an answer, and of the words in it: more would not fit into one message of the room, in both its bodies. */
const longest = 1 << 20;
const mostWords = 18_000;

const unheard =
  'That is a voice message, and nobody here can hear it: it was not taken. Say it in words, or have voice written down (transcription in pocketcoder.yaml).';
const again = 'Nothing was told to the agent: send it again, or say it in words.';

const isWords = (answer: unknown): answer is { text: string } =>
  typeof answer === 'object' && answer !== null && 'text' in answer && typeof answer.text === 'string';

/** What went wrong, by the endpoint's status, for people. */
function refusalOf(status: number): string {
  const check = 'correct transcription in pocketcoder.yaml, then start again';
  if (status === 401 || status === 403)
    return `The transcription endpoint refuses our key (${status}): ${check}.`;
  if (status === 404) return `The transcription endpoint has no such address or model (404): ${check}.`;
  if (status === 429) return 'The transcription endpoint takes no more for now (quota or rate limit).';
  if (status >= 500) return `The transcription endpoint cannot be reached, or fails (${status}).`;
  return `The transcription endpoint does not take that recording (${status}).`;
}

async function textIn(answer: Response): Promise<string> {
  let text = '';
  for await (const piece of answer.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += piece;
    if (text.length > longest) throw new Error('The transcription endpoint answers without an end.');
  }
  return text;
}

/** @returns the words. @throws Error with words for a person */
async function transcribe(
  { url, model, placeholder }: Transcription,
  name: string,
  bytes: Uint8Array,
  patience: number,
): Promise<string> {
  const form = new FormData();
  form.set('file', new Blob([new Uint8Array(bytes)]), name);
  form.set('model', model);
  form.set('response_format', 'json');
  const signal = AbortSignal.timeout(patience);
  try {
    const headers = { authorization: `Bearer ${placeholder}` };
    const answer = await fetch(`${url}/audio/transcriptions`, {
      method: 'POST',
      headers,
      body: form,
      signal,
    });
    if (!answer.ok) throw new Error(refusalOf(answer.status));
    const said: unknown = JSON.parse(await textIn(answer));
    if (!isWords(said)) throw new SyntaxError();
    return said.text.trim();
  } catch (error) {
    if (signal.aborted)
      throw new Error(`The transcription endpoint gave no answer within ${patience / 1000} s.`);
    if (error instanceof SyntaxError)
      throw new Error('The transcription endpoint answers in another form than OpenAI’s.');
    if (error instanceof TypeError)
      throw new Error('The way to the transcription endpoint is down (./pocketcoder doctor).');
    throw error;
  }
}

/** The endpoint knows the form by the name's end; a phone may name it without one. */
const named = (path: string): string => {
  const name = path.slice(path.lastIndexOf('/') + 1);
  return /\.(ogg|oga|opus|m4a|mp4|mp3|mpga|mpeg|wav|webm|flac)$/i.test(name) ? name : `${name}.ogg`;
};

export function createDictation(o: DictationOptions) {
  const { db, matrix, log, patience = 120_000 } = o;
  db.exec('CREATE TABLE IF NOT EXISTS dictation(event TEXT PRIMARY KEY, room TEXT) STRICT, WITHOUT ROWID;');
  const note = (event: string, room: RoomId) =>
    db.prepare('INSERT OR REPLACE INTO dictation VALUES(?, ?)').run(event, room);
  const before = db.prepare('SELECT * FROM dictation').all() as { event: string; room: RoomId }[];
  const drop = (event: string) => db.prepare('DELETE FROM dictation WHERE event = ?').run(event);

  /** Under one id each is said once, however often a restart has it said. */
  async function below(room: RoomId, event: string, content: Content, what: string): Promise<void> {
    content['m.relates_to'] = { 'm.in_reply_to': { event_id: event } };
    await matrix.post(room, 'm.room.message', content, { txn: `voice-${what}-${event}` });
  }
  const refuse = (room: RoomId, event: string, why: string) =>
    below(room, event, message(`⚠️ ${why} ${again}`, 'm.text'), 'refused').then(() => drop(event));

  async function write({ path, file }: Sent): Promise<string> {
    if (!o.transcription) return '';
    const bytes = await matrix.downloadEncrypted(file, most);
    const words = await transcribe(o.transcription, named(path), bytes, patience);
    if (!words) throw new Error('No words were made out in that recording.');
    if (Buffer.byteLength(words) > mostWords)
      throw new Error('That is more than fits into one message; say it in parts.');
    return words;
  }

  /** One at a time: each may be large, and they are to be told in their order. */
  let line: Promise<unknown> = Promise.resolve();

  return {
    /**
     * Writes down what is said in that event, shows it below, and hands it over; a reason is said where it can't. Once this
     * returns a restart says so as well.
     * @param hear takes the words, in one go with the note that they are taken. Returns what to say, or ''
     */
    take(room: RoomId, event: string, sent: Sent, hear: (words: string) => Promise<string>): void {
      if (!o.transcription) {
        const said = below(room, event, message(unheard), 'unheard');
        return void said.catch((error: unknown) => log.warn({ room, err: error }, 'not said'));
      }
      note(event, room);
      const done = async (): Promise<void> => {
        let told: { answer: Promise<string> };
        try {
          const words = await write(sent);
          const shown = message([{ line: '🎙 written down:' }, { said: visible(words).text }]);
          await below(room, event, shown, 'words');
          told = db.transaction(() => {
            drop(event);
            return { answer: hear(words) };
          });
        } catch (error) {
          return void (await refuse(room, event, oneLine(messageOf(error))));
        }
        const answer = await told.answer.catch((error: unknown) => `⚠️ ${messageOf(error)}`);
        if (answer) await below(room, event, message(answer), 'answer');
      };
      line = line.then(done).catch((error: unknown) => {
        log.error({ room, err: error }, 'of a voice message it was not said what became of it');
      });
    },
    /** After a restart: says of what was being written down that nobody heard it. */
    resume(): void {
      for (const { event, room } of before)
        refuse(room, event, 'The bot was restarted before that was heard.').catch((error: unknown) =>
          log.error({ room, err: error }, 'a loss was not told'),
        );
    },
  };
}
