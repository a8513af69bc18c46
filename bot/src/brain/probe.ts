/** One real call of a tool by a model, through brain, proxy and provider, to see what it can: only when asked, for it costs tokens. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Hands } from '../gateway/server.ts';
import type { Brain, BrainEvent, ErrorCode } from './brain.ts';
import type { Models } from './models.ts';

/** `called` is the tool that it called, `said` its words; `trouble` what went wrong. Tokens are of all requests together. */
export type Probed = {
  called: string;
  said: string;
  trouble: { code: ErrorCode | 'learned' | 'silent'; message: string } | null;
  tokens: number;
  context: number;
  seconds: number;
};

const prefix = 'probe-';
/** Why nothing is asked of anybody by such a look, or ''. */
export const probing = (task: string): string =>
  task.startsWith(prefix) ? 'this only looks whether you can call a tool; end your turn' : '';

const wish =
  'This only looks whether you can call a tool. Use the tool todowrite once, with one item: content "ready", status "completed", priority "low". Then say: done.';
const patience = 180_000;

/** @param hands opens a task's tools, which are offered as ever: a provider that refuses one of them says so */
export function createProbe(
  { brain, models, hands }: { brain: Brain | undefined; models: Models; hands(task: string): Hands },
  after: (ms: number) => Promise<unknown> = (ms) => sleep(ms, undefined, { ref: false }),
): (name: string) => Promise<Probed> {
  const looks = new Map<string, (e: BrainEvent) => void>();
  brain?.events((e) => {
    if ('session' in e) looks.get(e.session)?.(e);
  });
  return async (name) => {
    if (!brain) throw new Error('no model is configured');
    const task = `${prefix}${name}`;
    models.choose(task, name);
    const { context } = models.rung(task).rung;
    const probed: Probed = { called: '', said: '', trouble: null, tokens: 0, context, seconds: 0 };
    const from = Date.now();
    const session = await brain.createSession({ title: 'a look at the model', task: hands(task) });
    const over = Promise.withResolvers<void>();
    let begun = false;
    looks.set(session, (e) => {
      if (e.type === 'busy') begun = true;
      if (e.type === 'call') probed.called = e.tool;
      if (e.type === 'error') probed.trouble ??= { code: e.code, message: e.message };
      if (e.type === 'learned') probed.trouble ??= { code: 'learned', message: e.message };
      const another = e.type === 'call' && e.tool !== 'todowrite';
      if (another || e.type === 'error' || (begun && e.type === 'idle')) over.resolve();
    });
    try {
      await brain.prompt(session, wish);
      await Promise.race([
        over.promise,
        after(patience).then(() => {
          probed.trouble ??= { code: 'silent', message: `It gave no answer within ${patience / 1000} s.` };
        }),
      ]);
    } finally {
      await brain.abort(session).catch(() => {});
      looks.delete(session);
    }
    try {
      probed.said = await brain.last.words(session);
      probed.tokens = (await brain.last.spent(session)).tokens;
    } catch (error) {
      if (!probed.trouble) throw error;
    }
    return { ...probed, seconds: Math.round((Date.now() - from) / 1000) };
  };
}
