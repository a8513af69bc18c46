/** OpenCode's server as the brain. It is given text and hands; never tools, permissions or parts that name a file. */
import { setTimeout as sleep } from 'node:timers/promises';
import { createOpencodeClient, type Event, type Message } from '@opencode-ai/sdk/v2';
import { retry } from '@pocketcoder/ledger/src/retry.ts';
import type { Logger } from 'pino';
import type { Acting, Brain, BrainEvent, Picture } from './brain.ts';
import { createForks } from './forks.ts';
import { handsName, handsOf } from './hands.ts';
import { createLast } from './last.ts';
import type { Models } from './models.ts';
import { need } from './need.ts';
import { translator } from './translate.ts';

export type OpenCodeOptions = {
  url: string;
  password: string;
  models: Pick<Models, 'rung' | 'learn'>;
  log: Logger;
};

/** A call that should take milliseconds; a request sent while the port opens is never answered at all. */
const patience = 10_000;

/**
 * Milliseconds in which nothing comes from a stream that is lost: it beats each ten seconds. A brain that is busy may answer
 * nothing for some of them, and is there.
 */
const silence = 25_000;

/** The versions whose protocol this is: a newer one says that it is healthy as well, and is another. */
const spoken = /^1\.18\.\d+$/;

/** Milliseconds between two looks at a brain that is down. Each is a name looked up, in one of the process's few threads. */
const backOff = { first: 250, most: 4000 };

/** Connects in the background, for ever, and says so by `up` and `down` events. */
export function connectOpenCode({ url, password, models, log }: OpenCodeOptions): Brain {
  const authorization = `Basic ${Buffer.from(`opencode:${password}`).toString('base64')}`;
  const client = createOpencodeClient({ baseUrl: url, headers: { authorization } });
  const over = new AbortController();
  const listeners = new Set<(event: BrainEvent) => void>();
  const sessions = new Map<string, Acting>();
  /** Which token each task's server over there was given last. */
  const attached = new Map<string, string>();
  /** Sessions that were asked something before this began, and what they answered may not have been told. */
  const open = new Set<string>();
  /** How many reads of the state are under way, and what came meanwhile: it is told after what was read, which may be older. */
  let reading = 0;
  const held: Event[] = [];
  const tell = (event: BrainEvent) => {
    for (const fn of listeners) fn(event);
  };
  let up = false;
  let refusal = '';
  const told = translator(
    (session) => sessions.has(session),
    tell,
    (session) =>
      abort(session).catch((error: unknown) => log.warn({ session, err: error }, 'brain: not ended')),
    (session, limit) => models.learn(sessions.get(session)?.task ?? '', limit),
  );
  const soon = () => ({ signal: AbortSignal.any([over.signal, AbortSignal.timeout(patience)]) });

  async function health(): Promise<boolean> {
    try {
      const { data } = await client.global.health({ signal: AbortSignal.timeout(1000) });
      if (data?.healthy !== true) return false;
      const version = String(data.version);
      const why = spoken.test(version)
        ? ''
        : `The brain is OpenCode ${version.slice(0, 20)}, which speaks another protocol than 1.18: nothing is told to it. Start again with the image of this checkout (./pocketcoder start -d).`;
      if (why && why !== refusal) log.error(why);
      refusal = why;
      return why === '';
    } catch {
      return false;
    }
  }

  async function follow(): Promise<void> {
    for (let wait = backOff.first; !over.signal.aborted; wait = Math.min(2 * wait, backOff.most)) {
      if (await health()) {
        wait = backOff.first;
        const lost = new AbortController();
        let silent: NodeJS.Timeout | undefined;
        const heard = () => {
          clearTimeout(silent);
          silent = setTimeout(() => lost.abort(), silence);
        };
        heard();
        try {
          const { stream } = await client.event.subscribe(undefined, {
            signal: AbortSignal.any([over.signal, lost.signal]),
            sseMaxRetryAttempts: 1,
          });
          for await (const event of stream) {
            heard();
            if (event.type === 'server.connected') {
              // The stream has no replay: it runs before the state is read, so that nothing falls between.
              void forks.tidy();
              void catchUp().then(() => {
                if (!up && !lost.signal.aborted) tell({ type: 'up' });
                up = !lost.signal.aborted;
              });
            } else if (reading > 0) held.push(event);
            else told.take(event);
          }
        } catch (error) {
          if (!over.signal.aborted) log.warn({ err: error }, 'brain: event stream broke');
        } finally {
          clearTimeout(silent);
          lost.abort();
        }
      }
      if (over.signal.aborted) return;
      if (up) tell({ type: 'down' });
      up = false;
      await sleep(wait, undefined, { signal: over.signal }).catch(() => {});
    }
  }

  async function reread(sessionID: string, busy: boolean): Promise<void> {
    const messages = need('messages', await client.session.messages({ sessionID, limit: 50 }, soon()));
    told.catchUp(sessionID, { busy, open: busy || open.has(sessionID) }, messages);
    if (busy) return;
    const prompts = messages.flatMap(({ info, parts }) =>
      info.role === 'user' ? parts.flatMap((p) => (p.type === 'text' ? [p.text] : [])) : [],
    );
    tell({ type: 'rest', session: sessionID, prompts, whole: isWhole(messages.at(-1)?.info) });
  }
  let catching: Promise<void> = Promise.resolve();
  /** Never throws. */
  const catchUp = (): Promise<void> => {
    reading++;
    catching = catching.then(rereadAll).then(() => {
      if (--reading > 0) return;
      // A piece of a part that was read may be in it already: the part's end says the whole.
      for (const event of held.splice(0)) if (event.type !== 'message.part.delta') told.take(event);
    });
    return catching;
  };
  /** What could not be read of one session holds up no other. */
  async function rereadAll(): Promise<void> {
    const failed = (error: unknown) => log.warn({ err: error }, 'brain: state not read');
    const tried = <T>(work: () => Promise<T>) =>
      retry(work, { ...backOff, again: (_, tries) => tries < 3, signal: over.signal });
    try {
      const states = await tried(async () =>
        need('the sessions', await client.session.status(undefined, soon())),
      );
      const one = (id: string) =>
        tried(() => reread(id, (states[id]?.type ?? 'idle') !== 'idle')).catch(failed);
      await Promise.all(Array.from(sessions.keys(), one));
    } catch (error) {
      failed(error);
    }
  }

  async function attach(hands: Acting): Promise<void> {
    const name = handsName(hands.task);
    const there = need('the tools', await client.mcp.status(undefined, soon()));
    if (attached.get(name) === hands.token && there[name]?.status === 'connected') return;
    const now = need('the tools', await client.mcp.add({ name, config: handsOf(hands) }, soon()));
    if (now[name]?.status !== 'connected')
      throw new Error('The brain cannot reach its tools (the gateway). The message was not sent; try again.');
    attached.set(name, hands.token);
  }

  async function abort(sessionID: string): Promise<void> {
    need('the stop', await client.session.abort({ sessionID }, soon()));
  }

  async function prompt(session: string, text: string, pictures: readonly Picture[] = []): Promise<void> {
    const hands = sessions.get(session);
    if (!hands) throw new Error(`session ${session} has no task; the message was not sent`);
    if (!forks.has(session)) await attach(hands);
    const parts = [{ type: 'text' as const, text }, ...pictures.map(filePart)];
    const { model, rung } = models.rung(hands.task);
    const system = [hands.sandbox && `The sandbox is ${hands.sandbox}.`, hands.words]
      .filter(Boolean)
      .join('\n\n');
    const asked = {
      sessionID: session,
      // Always said: it would go on by the model of the session's last prompt, which may be gone.
      model: { providerID: model.name, modelID: rung.id },
      agent: 'task',
      ...(system && { system }),
      parts,
    };
    const sent = await client.session.promptAsync(asked, soon());
    need('the message', sent, true);
  }

  const last = createLast(client, soon);
  const forks = createForks({
    ...{ client, soon, last, listeners, prompt, abort, log },
    know(session, task) {
      if (!task) return void sessions.delete(session);
      sessions.set(session, task);
      told.begin(session);
    },
  });
  const following = follow();
  return {
    async createSession({ title, task }) {
      const permission = [
        { permission: `${handsName(task.task)}_*`, pattern: '*', action: 'allow' as const },
      ];
      const made = need('a session', await client.session.create({ title, permission }, soon()));
      sessions.set(made.id, task);
      told.begin(made.id);
      return made.id;
    },
    resume({ session, task, asked }) {
      sessions.set(session, task);
      if (asked) open.add(session);
      if (up) void catchUp();
    },
    aside: forks.ask,
    last,
    prompt,
    abort,
    refusal: () => refusal,
    events(fn) {
      listeners.add(fn);
      if (up) fn({ type: 'up' });
    },
    async stop() {
      over.abort();
      listeners.clear();
      await following;
    },
  };
}

/** The bytes themselves: a part that named a file would have OpenCode read one of its own. */
const filePart = ({ mime, bytes }: Picture) => ({
  ...{ type: 'file' as const, mime },
  url: `data:${mime};base64,${Buffer.from(bytes).toString('base64')}`,
});

/** Whether a session's last message ends a turn: a process that is ended leaves it open, or says that it was aborted. */
function isWhole(last?: Message): boolean {
  if (last?.role !== 'assistant' || last.summary) return false;
  if (last.error) return last.error.name !== 'MessageAbortedError';
  return last.time.completed !== undefined && last.finish !== 'tool-calls';
}
