/** What a conversation stands at, read from OpenCode: it may tell a turn's end before its last words and what they took. */
import type { OpencodeClient, Session } from '@opencode-ai/sdk/v2';
import type { Last } from './brain.ts';
import type { Spent } from './costs.ts';
import { withoutThoughts } from './errors.ts';
import { need } from './need.ts';
import { sum } from './translate.ts';

/** @param soon for a call that should take milliseconds */
export const createLast = (client: OpencodeClient, soon: () => { signal: AbortSignal }): Last => ({
  async words(sessionID) {
    const last = need('messages', await client.session.messages({ sessionID, limit: 1 }, soon())).at(-1);
    if (last?.info.role !== 'assistant' || last.info.summary) return '';
    const texts = last.parts.map((p) => (p.type === 'text' && !p.synthetic ? withoutThoughts(p.text) : ''));
    return texts.filter(Boolean).join('\n\n').trim();
  },
  spent: async (sessionID) => spentOf(need('its cost', await client.session.get({ sessionID }, soon()))),
});

export const spentOf = ({ cost, tokens }: Session): Spent => ({ dollars: cost ?? 0, tokens: sum(tokens) });
