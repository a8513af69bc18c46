/** From OpenCode's events to ours: what a session's parts, roles and states were is kept here, nothing else. */
import type { AssistantMessage, Event, Message, Part } from '@opencode-ai/sdk/v2';
import type { BrainEvent, ErrorCode, Limit, Todo } from './brain.ts';
import { callIn, cutOff, type Trouble, troubleOf, troubleOfRetry, withoutThoughts } from './errors.ts';
import { toolOf } from './hands.ts';

export type Translator = {
  take(event: Event): void;
  /** A session that was made just now: all that it will say is news. */
  begin(session: string): void;
  /**
   * What was read of a session after events were missed, oldest first: what was not told yet is told, in whichever turn it was
   * said. The first time, of a session that was there before, that is its last turn as long as it is `open`.
   */
  catchUp(session: string, now: { busy: boolean; open: boolean }, messages: readonly Said[]): void;
};
export type Said = { info: Message; parts: Part[] };

/** How many ids of what was told are kept: a session's last messages are read anew, and they have far fewer parts. */
const most = 10_000;

/**
 * @param known whether a session is one of ours: nothing else on that server is told
 * @param end ends a session's turn, which would go on for ever
 * @param learn notes what a session's model said that it takes. Returns what to say, or '' where that was known
 */
export function translator(
  known: (session: string) => boolean,
  tell: (event: BrainEvent) => void,
  end: (session: string) => Promise<void>,
  learn: (session: string, limit: Limit) => string,
): Translator {
  const busy = new Set<string>();
  /** Messages of the turn that are the brain's own, each with its session. */
  const assistant = new Map<string, string>();
  /** Parts that have not ended, as far as they were told. */
  const texts = new Map<string, string>();
  /** Sessions whose turn is being ended, for a limit that was learned: what else it meets is no news. */
  const ending = new Set<string>();
  /** Sessions that are in the middle of saying something, as far as it is known. */
  const saying = new Set<string>();
  /** The last words of each message of the turn. */
  const lasts = new Map<string, string>();
  /** Parts that were told to their end, and messages that were told to be cut off. */
  const told = new Set<string>();
  /** Sessions of which it is known what was said before. */
  const heard = new Set<string>();
  const costs = new Map<string, string>();
  /** How often a turn met each kind of refusal. */
  const refusals = new Map<string, Map<ErrorCode, number>>();

  const state = (session: string, is: boolean) => {
    if (is === busy.has(session)) return;
    saying.delete(session);
    ending.delete(session);
    if (is) busy.add(session);
    else busy.delete(session);
    // At the start of a turn, not at its end: the last words may come after that was told.
    if (is) {
      refusals.delete(session);
      for (const [id, its] of assistant)
        if (its === session) for (const some of [assistant, lasts]) some.delete(id);
    }
    tell({ type: is ? 'busy' : 'idle', session });
  };

  /** Returns whether it is new. */
  const once = (id: string): boolean => {
    if (told.has(id)) return false;
    told.add(id);
    if (told.size > most) for (const oldest of told.values().take(1)) told.delete(oldest);
    return true;
  };

  /** What is read and what comes may overtake each other: a text only grows, and not after its end. */
  const grow = (part: string, session: string, text: string, done: boolean) => {
    const before = texts.get(part);
    if (told.has(part) || (!done && before?.startsWith(text))) return;
    if (done) {
      once(part);
      texts.delete(part);
    } else texts.set(part, text);
    const shown = withoutThoughts(text);
    const stood = withoutThoughts(before ?? '');
    const delta = shown.startsWith(stood) ? shown.slice(stood.length) : shown;
    if (shown !== '') saying.add(session);
    if (shown !== '') tell({ type: 'text', session, part, delta, text: shown, done });
  };

  const part = (p: Part) => {
    if (p.type === 'step-finish') saying.delete(p.sessionID);
    if (p.type === 'tool' && p.state.status === 'running')
      tell({ type: 'call', session: p.sessionID, tool: toolOf(p.tool), args: p.state.input });
    if (p.type !== 'text' || p.synthetic || !assistant.has(p.messageID)) return;
    if (p.time?.end !== undefined) lasts.set(p.messageID, p.text);
    grow(p.id, p.sessionID, p.text, p.time?.end !== undefined);
  };

  /** A summary of what was said, made where a conversation gets long, is for the model alone. */
  const message = (info: Message) => {
    if (info.role !== 'assistant' || info.summary) return;
    if (info.finish === 'length' && once(info.id))
      tell({ type: 'error', session: info.sessionID, ...cutOff() });
    const meant = info.finish === 'stop' && callIn(lasts.get(info.id) ?? '');
    if (meant && once(info.id)) tell({ type: 'error', session: info.sessionID, ...meant });
    assistant.set(info.id, info.sessionID);
  };

  /**
   * A refusal of one kind ends a turn where it comes again. The first one as too long is not told: OpenCode goes on from a
   * summary by itself, and where that is refused as well it does so again, for ever.
   */
  const refused = (session: string, trouble: Trouble) => {
    const mine = refusals.get(session) ?? new Map<ErrorCode, number>();
    refusals.set(session, mine);
    const times = (mine.get(trouble.code) ?? 0) + 1;
    mine.set(trouble.code, times);
    if (ending.has(session)) return;
    const learned = trouble.limit && learn(session, trouble.limit);
    if (learned) ending.add(session);
    if (learned) return void end(session).then(() => tell({ type: 'learned', session, message: learned }));
    if (times > 1 && trouble.code !== 'aborted') void end(session);
    if (times === (trouble.code === 'too_long' ? 2 : 1))
      tell({ type: 'error', session, code: trouble.code, message: trouble.message });
  };

  const take = (event: Event) => {
    const of = 'sessionID' in event.properties ? event.properties.sessionID : undefined;
    if (typeof of !== 'string' || !known(of)) return;
    switch (event.type) {
      case 'message.updated':
        return message(event.properties.info);
      case 'message.part.updated':
        return part(event.properties.part);
      case 'message.part.delta': {
        const { partID, field, delta } = event.properties;
        const known = texts.get(partID);
        // A part begins with an update that says it is text, and whose; deltas of any other are not words to show.
        if (field === 'text' && assistant.has(event.properties.messageID) && known !== undefined)
          grow(partID, of, known + delta, false);
        return;
      }
      case 'todo.updated':
        return tell({ type: 'todo', session: of, todos: event.properties.todos.map(todo) });
      case 'session.status': {
        const { status } = event.properties;
        state(of, status.type !== 'idle');
        if (status.type !== 'retry' || status.attempt !== 1) return;
        const trouble = troubleOfRetry(status.message, saying.delete(of));
        return trouble.limit ? refused(of, trouble) : tell({ type: 'error', session: of, ...trouble });
      }
      case 'session.idle':
        return state(of, false);
      case 'session.error':
        if (event.properties.error) refused(of, troubleOf(event.properties.error));
        return;
      case 'session.updated': {
        const { cost, tokens } = event.properties.info;
        const spent = { dollars: cost ?? 0, tokens: sum(tokens) };
        const text = JSON.stringify(spent);
        if (spent.tokens > 0 && costs.get(of) !== text) tell({ type: 'cost', session: of, ...spent });
        costs.set(of, text);
      }
    }
  };
  return {
    take,
    begin: (session) => void heard.add(session),
    catchUp(session, { busy: is, open }, messages) {
      const turn = messages.findLastIndex(({ info }) => info.role === 'user') + 1;
      const before = heard.has(session) ? [] : messages.slice(0, open ? turn : undefined);
      heard.add(session);
      for (const { info, parts } of before) for (const { id } of [info, ...parts]) once(id);
      // Whoever was told that it was away counts turns anew.
      if (is && busy.has(session)) tell({ type: 'busy', session });
      if (is) state(session, true);
      for (const { info, parts } of messages) {
        message(info);
        for (const p of parts) if (is || p.type === 'text') part(p);
      }
      if (!is) state(session, false);
    },
  };
}

/** Tokens of a session, in and out, also those that the provider had kept. */
export const sum = (t?: Tokens): number =>
  t ? t.input + t.output + t.reasoning + t.cache.read + t.cache.write : 0;
type Tokens = AssistantMessage['tokens'];

const states = ['pending', 'in_progress', 'completed', 'cancelled'] as const;

/** An item of the brain's own list; its text is the brain's, its state one of ours. */
const todo = (t: { content: string; status: string }): Todo => ({
  text: t.content,
  state: states.find((s) => s === t.status) ?? 'pending',
});
