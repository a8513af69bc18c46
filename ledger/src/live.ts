/** A running action's output on its way to the people who watch: as it comes, dropped rather than waited for. */
import type { Session } from './session.ts';

const gathered = 100; // ms: what is over before then has its output in its result already
const most = 128 << 10; // bytes of an action that wait for its next request: base64 of it stays below the ledger's limit

export function makeLive(session: Session) {
  const waiting = new Map<string, Buffer>();
  let sending = false;

  // One request at a time keeps the order; what came meanwhile goes together in the next.
  const pump = async () => {
    for (let next = waiting.entries().next(); !next.done; next = waiting.entries().next()) {
      const [action, bytes] = next.value;
      waiting.delete(action);
      const chunk = bytes.toString('base64');
      await session
        .once(
          (signal) => session.pb.send('/api/live', { method: 'POST', body: { action, chunk }, signal }),
          2,
        )
        .catch(() => {}); // the complete output comes with the result
    }
    sending = false;
  };

  return {
    /**
     * Executor only. Never waits and never throws; what the ledger can't take in time is dropped. Of no action and empty, it
     * says that the executor is there.
     */
    send(action: string, chunk: Uint8Array): void {
      const before = waiting.get(action);
      if ((before?.length ?? 0) + chunk.length > most) return;
      waiting.set(action, before ? Buffer.concat([before, chunk]) : Buffer.from(chunk));
      if (!sending) setTimeout(pump, gathered);
      sending = true;
    },
    /** Bot only. Returns the way to end it. */
    subscribe: (take: (action: string, chunk: Uint8Array) => void): Promise<() => Promise<void>> =>
      session.patient(() =>
        session.pb.realtime.subscribe('live', (message: { action?: unknown; chunk?: unknown }) => {
          if (typeof message.action === 'string' && typeof message.chunk === 'string')
            take(message.action, Buffer.from(message.chunk, 'base64'));
        }),
      ),
    /** Bot only. Figures for whoever asks the ledger's /metrics, in Prometheus's text form; in one attempt. @throws LedgerError */
    tell: (text: string): Promise<unknown> =>
      session.once((signal) => session.pb.send('/api/metrics', { method: 'POST', body: { text }, signal })),
  };
}
