/** Questions aside in OpenCode: each in a copy of a conversation that is offered no tool, and that is removed afterwards. */
import { randomUUID } from 'node:crypto';
import type { OpencodeClient, Session } from '@opencode-ai/sdk/v2';
import { within } from '@pocketcoder/ledger/src/retry.ts';
import type { Logger } from 'pino';
import type { Acting, Brain, BrainEvent, Last } from './brain.ts';
import type { Spent } from './costs.ts';
import { spentOf } from './last.ts';
import { need } from './need.ts';

export type ForksOptions = {
  client: OpencodeClient;
  /** For a call that should take milliseconds. */
  soon(): { signal: AbortSignal };
  last: Last;
  listeners: Set<(event: BrainEvent) => void>;
  /** A session's events are told from now on, as of this task's; or no longer. */
  know(session: string, task?: Acting): void;
  prompt: Brain['prompt'];
  abort: Brain['abort'];
  log: Logger;
};
export type Forks = {
  ask: Brain['aside'];
  /** Whether this session is such a copy, which gets no hands. */
  has(session: string): boolean;
  /** Removes the copies that a process before this one left. Never throws. */
  tidy(): Promise<void>;
};

/** The last of a session's rules counts, over those that it was copied from and over the configuration's. */
const permission = [{ permission: '*', pattern: '*', action: 'deny' as const }];
/** By its title a copy is found again. */
const titled = /^aside [0-9a-f-]{36}$/;
/** A model that calls tools that it was not offered may do so for ever. */
const mostCalls = 3;
/** Milliseconds within which a limit is told that a refusal said: that may be after the turn that it ended. */
const learning = 2000;

const noHands = 'It wanted to call a tool. It has none aside, so nothing was asked for, and nothing ran.';
const ends: Partial<Record<string, string>> = {
  call_as_text: noHands,
  // Those end no turn: it would be tried again for as long as it takes.
  model_unreachable: 'The model cannot be reached, and nothing was answered. Ask it again later.',
  model_limit:
    'The model refuses more requests for now (quota or rate limit), and nothing was answered. Ask it again later.',
};

export function createForks(o: ForksOptions): Forks {
  const { client, soon, last, listeners, know, prompt, abort, log } = o;
  const sessions = new Set<string>();
  /** The titles of those under way. */
  const mine = new Set<string>();
  const failed = (session: string) => (error: unknown) =>
    log.warn({ session, err: error }, 'a question aside is not over as it should be');

  async function begin(of: string, title: string): Promise<Session> {
    const own = { title, permission };
    if (!of) return need('the question', await client.session.create(own, soon()));
    const { id } = need('the question', await client.session.fork({ sessionID: of }, soon()));
    try {
      return need('the question', await client.session.update({ sessionID: id, ...own }, soon()));
    } catch (error) {
      await remove(id).catch(failed(id));
      throw error;
    }
  }
  async function remove(sessionID: string): Promise<void> {
    await abort(sessionID).catch(() => {});
    need('the end', await client.session.delete({ sessionID }, soon()));
  }

  return {
    async ask({ session: of, task, text, signal, spent }) {
      const title = `aside ${randomUUID()}`;
      mine.add(title);
      const made = await begin(of, title);
      const { id } = made;
      // A copy begins with what its conversation took.
      const before = spentOf(made);
      const count = ({ dollars, tokens }: Spent) =>
        spent(id, { dollars: dollars - before.dollars, tokens: tokens - before.tokens });
      const learned = Promise.withResolvers<string>();
      let over = Promise.withResolvers<void>();
      let [begun, calls, note] = [false, 0, ''];
      const heard = (e: BrainEvent) => {
        if (e.type === 'down')
          over.reject(new Error('The agent was restarted before it answered. Ask it again.'));
        if (!('session' in e) || e.session !== id) return;
        if (e.type === 'busy') begun = true;
        if (e.type === 'cost') count(e);
        if (e.type === 'learned') learned.resolve(e.message);
        // What is told of messages before it begins is of those that were copied.
        const copied = !begun && (e.type !== 'error' || ['cut', 'call_as_text'].includes(e.code));
        if (copied) return;
        if (e.type === 'call' && ++calls > mostCalls) over.reject(new Error(noHands));
        if (e.type === 'error') note ||= ends[e.code] ?? e.message;
        if (e.type === 'error' && (ends[e.code] || !begun)) over.reject(new Error(note));
        if (e.type === 'idle') over.resolve();
      };
      const stopped = () => over.reject(new Error('It was stopped before it was answered.'));
      async function turn(): Promise<string> {
        over = Promise.withResolvers<void>();
        over.promise.catch(() => {});
        begun = false;
        if (signal.aborted) stopped();
        else await prompt(id, text);
        await over.promise;
        return last.words(id);
      }
      sessions.add(id);
      know(id, task);
      listeners.add(heard);
      signal.addEventListener('abort', stopped);
      try {
        let said = await turn();
        const limit = said || note ? '' : await within(learned.promise, learning);
        if (limit) said = await turn();
        if (!said) throw new Error(note || limit || 'It said nothing. Ask it again.');
        return { said, note: [limit, note && `⚠️ ${note}`].filter(Boolean).join('\n') };
      } finally {
        listeners.delete(heard);
        signal.removeEventListener('abort', stopped);
        await abort(id).catch(() => {});
        // What its last step took may be told after its end.
        await last.spent(id).then(count).catch(failed(id));
        await remove(id).catch(failed(id));
        know(id);
        sessions.delete(id);
        mine.delete(title);
      }
    },
    has: (session) => sessions.has(session),
    async tidy() {
      try {
        const all = need('the list', await client.session.list({ search: 'aside ', limit: 100 }, soon()));
        for (const { id, title } of all)
          if (titled.test(title) && !mine.has(title)) await remove(id).catch(failed(id));
      } catch (error) {
        log.warn({ err: error }, 'copies of before were not looked for');
      }
    },
  };
}
