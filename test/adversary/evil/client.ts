/** Sends what calls.ts makes up, by bare HTTP: no client of the protocol's is in the way of what a brain may write. */
import type { Hands } from '../../../bot/src/gateway/server.ts';
import { asPlan, type Call, type Door, marking, markOf, marksIn, type Step } from './calls.ts';

export type Played = {
  /** By which tasks' own doors each mark was asked for. */
  asked: Map<string, Set<string>>;
  calls: number;
  /** How many requests got which status; 0 for those that were hung up. */
  statuses: Map<number, number>;
  /** Statuses of what came by no door of its own. */
  outside: Set<number>;
};
export type Evil = ReturnType<typeof createEvil>;

const most = 60_000;
/** Sessions of each task, side by side. */
const each = 3;

export function createEvil() {
  const played: Played = { calls: 0, asked: new Map(), statuses: new Map(), outside: new Set() };
  const sessions = new Map<string, string[]>();
  let ids = 1000;

  async function post(hands: Hands, headers: Record<string, string>, body: string, patience = most) {
    try {
      const answer = await fetch(hands.url, {
        method: 'POST',
        headers: {
          ...{ accept: 'application/json, text/event-stream', 'content-type': 'application/json' },
          ...headers,
        },
        body,
        signal: AbortSignal.timeout(patience),
      });
      return {
        status: answer.status,
        session: answer.headers.get('mcp-session-id'),
        text: await answer.text(),
      };
    } catch {
      return { status: 0, session: null, text: '' };
    }
  }

  async function sessionOf(hands: Hands, n: number): Promise<string> {
    const open = sessions.get(hands.task) ?? [];
    sessions.set(hands.task, open);
    const there = open[n % each];
    if (there !== undefined) return there;
    const params = {
      protocolVersion: '2025-06-18',
      capabilities: {},
      clientInfo: { name: 'evil', version: '1' },
    };
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params });
    const { session } = await post(hands, { authorization: `Bearer ${hands.token}` }, body);
    open[n % each] = session ?? '';
    return session ?? '';
  }

  /** The headers by which a request comes in at a task's address. */
  async function headersOf(
    door: Door,
    hands: Hands,
    other: Hands,
    n: number,
  ): Promise<Record<string, string>> {
    const token = door === 'token' ? other.token : door === 'none' ? '' : hands.token;
    const own = await sessionOf(door === 'session' || door === 'token' ? other : hands, n);
    return {
      ...(token && { authorization: `Bearer ${token}` }),
      'mcp-session-id': door === 'made up' ? own.replace(/./g, 'f') : own,
      ...(door === 'origin' && { origin: 'https://example.org' }),
    };
  }

  const message = ({ tool, args }: Call, id: unknown = ++ids) => ({
    ...{ jsonrpc: '2.0', id, method: 'tools/call' },
    params: { name: tool, arguments: args },
  });

  async function play(step: Step, all: readonly Hands[]): Promise<void> {
    const hands = all[step.hand % all.length] as Hands;
    const other = all[(step.hand + 1) % all.length] as Hands;
    const headers = await headersOf(step.door, hands, other, step.session);
    const messages = step.calls.map((call) => message(call, step.id));
    if (step.door === 'own')
      for (const mark of marksIn(JSON.stringify(step.calls)))
        played.asked.set(mark, (played.asked.get(mark) ?? new Set()).add(hands.task));
    // An answer to an id that several have goes to one of them: the others hang up.
    const patience = step.patience ?? (step.id === undefined ? most : 2000);
    const body = JSON.stringify(messages.length > 1 ? messages : messages[0]);
    const { status } = await post(hands, headers, body, patience);
    played.calls += messages.length;
    played.statuses.set(status, (played.statuses.get(status) ?? 0) + 1);
    if (step.door !== 'own') played.outside.add(status);
  }

  /** One call at a task's own door, waited for. @returns what the gateway answers */
  async function call(hands: Hands, what: Call): Promise<string> {
    for (const mark of marksIn(JSON.stringify(what)))
      played.asked.set(mark, (played.asked.get(mark) ?? new Set()).add(hands.task));
    const headers = await headersOf('own', hands, hands, 0);
    return (await post(hands, headers, JSON.stringify(message(what)))).text;
  }

  return {
    played,
    call,
    /** All these steps, so many at once. */
    async storm(steps: readonly Step[], hands: readonly Hands[], abreast: number): Promise<void> {
      const left = steps.values();
      const one = async () => {
        for (const step of left) await play(step, hands);
      };
      await Promise.all(Array.from({ length: abreast }, one));
    },
    /**
     * Asks for one plan after the other until so many were approved, and goes by each: all of it, or a few steps and then
     * something else. What it did once it tries again.
     * @param first the number of its first plan's marks; each has one more
     * @param told how an action ended that no call was told of
     */
    async walk(
      hands: Hands,
      first: number,
      plans: number,
      length: number,
      told: (action: string) => Promise<string>,
    ): Promise<void> {
      for (let n = first, done = 0; done < plans; n++) {
        const steps = Array.from({ length }, (_, i) => marking(markOf(n, i)));
        const answer = await call(hands, asPlan(steps));
        const waits = /PENDING: action (\w+)/.exec(answer)?.[1];
        const approved = waits ? (await told(waits)) === 'applied' : answer.includes('was APPROVED');
        if (!approved) continue;
        done++;
        for (const step of done % 3 ? steps : steps.slice(0, n % length)) await call(hands, step);
        if (n % 2) await call(hands, steps[0] as Call);
      }
    },
  };
}
