/**
 * Leases of the network. Each is one proxy that this process holds by its stdin: it ends with the process, with the beat, by its own
 * count and clock, or because it is ended here.
 */
import { randomInt } from 'node:crypto';
import type Docker from 'dockerode';
import type { EgressArgs } from '../../ledger/src/action.ts';
import { within } from '../../ledger/src/retry.ts';
import { type Place, SandboxError, type TaskName } from './container.ts';
import { caFile, makeLent, placeCa, socket } from './lent.ts';
import { type Secrets, secretsFor } from './secrets.ts';

/** How a lease ended: bytes as the proxy counted them on the outside, what it refused last, and why. */
export type Lease = { up: number; down: number; refused: string[]; why: string };

type Open = { name: TaskName; env: Record<string, string>; end(why: string): void };

export const beatEvery = 3000;
/** Milliseconds for a lease to open, and for a proxy's last word once it was let go. */
const patience = 30_000;
const lastWord = 500;
/** Of what a proxy prints: characters of a line; refusals that are kept, and characters of each. */
const longest = { line: 20_000, refusals: 5, words: 300 };

/** What finds its way by these goes by the lease; each tool has a name of its own for the file with the CA. */
const variables = (port: number): Record<string, string> => ({
  HTTPS_PROXY: `http://127.0.0.1:${port}`,
  https_proxy: `http://127.0.0.1:${port}`,
  NODE_USE_ENV_PROXY: '1',
  GOPROXY: 'https://proxy.golang.org',
  ...Object.fromEntries(
    [
      ...['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'PIP_CERT', 'REQUESTS_CA_BUNDLE'],
      ...['CURL_CA_BUNDLE', 'GIT_SSL_CAINFO', 'CARGO_HTTP_CAINFO'],
    ].map((name) => [name, caFile]),
  ),
});

/**
 * What the proxy is told: where to from the approved arguments alone. Its stdin is the one place where a secret goes.
 * @param now milliseconds since 1970, of the claim
 * @param denied addresses and networks that no name may lead to, as `203.0.113.7/32`
 */
export function orderOf(
  { rules, up, down, seconds }: Omit<EgressArgs, 'rules'> & { rules: readonly object[] },
  now: number,
  denied: string[],
  secrets: Secrets,
  roots = '',
): string {
  const until = new Date(now + seconds * 1000).toISOString();
  return `${JSON.stringify({ rules, up, down, until, socket, denied, secrets, ...(roots && { roots }) })}\n`;
}

export function makeEgress(docker: Docker, place: Place, containerOf: (name: TaskName) => Docker.Container) {
  const lent = makeLent(docker, place);
  const leases = new Map<string, Open>();
  const closing = new AbortController();
  const of = ({ task, workspace }: TaskName): [string, Open][] =>
    [...leases].filter(([, { name }]) => name.task === task && name.workspace === workspace);

  return {
    /** What the task's scripts find in their environment while it has a lease. */
    env: (name: TaskName): Record<string, string> => Object.assign({}, ...of(name).map(([, { env }]) => env)),
    /** Ends the lease with this id. @returns false where there is none */
    end(id: string, why: string): boolean {
      leases.get(id)?.end(why);
      return leases.has(id);
    },
    endOf(name: TaskName, why: string): void {
      for (const [, lease] of of(name)) lease.end(why);
    },
    /** Takes away what leases of an earlier process left. */
    sweep: () => lent.sweep(),
    /** Ends every lease; `run` rejects then. */
    close(): void {
      closing.abort();
      for (const { end } of leases.values()) end('the executor stops');
    },

    /**
     * Opens the lease and resolves when it is over and its proxy gone. A lease that its task has already is ended first.
     * @param onOpen called once, when scripts that begin from now on have a way out
     * @throws SandboxError where it could not be opened; nothing went out
     */
    async run(name: TaskName, id: string, args: EgressArgs, onOpen: () => void): Promise<Lease> {
      if (!place.egress)
        throw new SandboxError('no image for leases: a start with a model builds it; nothing was opened');
      if (place.runtime)
        throw new SandboxError('network leases are not tried under gVisor; nothing was opened');
      const secrets = secretsFor(args.rules, place.egress.secrets);
      for (const [, other] of of(name)) other.end('another lease of its task took its place');
      const own = `${place.project}-egress-${id}`;
      const now = Date.now();
      const lease: Lease = { up: 0, down: 0, refused: [], why: '' };
      const [silent, gone] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      let wire: NodeJS.ReadWriteStream | undefined;
      const open: Open = { name, env: {}, end };
      /** A proxy that is let go says its last word and ends; one that is not quick about it is taken away. */
      function end(why: string): void {
        if (lease.why) return;
        lease.why = why;
        open.env = {};
        wire?.end();
        const word = wire ? within(silent.promise, lastWord) : Promise.resolve();
        void word.then(() => lent.kill(own)).then(() => gone.resolve());
      }
      const unlessOver = () => {
        if (lease.why) throw new SandboxError(`the network was not opened: ${lease.why}`);
      };

      /** Resolves to what the task's scripts go by. @throws SandboxError where it was ended meanwhile, or cannot be had */
      async function opened(): Promise<Record<string, string>> {
        const denied = await lent.addresses(own);
        const { container, out, ...held } = await lent.proxy(own);
        wire = held.wire;
        const ready = heardOf(out, lease, end);
        out.once('end', silent.resolve).once('end', () => end('its proxy ended'));
        unlessOver();
        await container.start();
        wire.write(orderOf(args, now, denied, secrets, place.egress?.roots));
        timers.push(setInterval(() => wire?.write('\n'), beatEvery));
        const task = containerOf(name);
        void task.wait().then(
          () => end('its task’s container ended'),
          () => end('its task’s container is not there'),
        );
        const port = randomInt(20_000, 32_000);
        await lent.lend(own, task, port);
        const ca = await Promise.race([ready, gone.promise]);
        if (ca) await placeCa(task, ca);
        unlessOver();
        return variables(port);
      }

      const late = setTimeout(() => end('its proxy did not come up'), patience);
      const timers = [late, setTimeout(() => end('its time was over'), (args.seconds + 15) * 1000)];
      leases.set(id, open);
      try {
        open.env = await opened().catch((error: unknown) => {
          unlessOver(); // whatever fails since then fails because of it
          throw error;
        });
        clearTimeout(late);
        onOpen();
        await gone.promise;
        closing.signal.throwIfAborted();
        return lease;
      } finally {
        end('it was not opened');
        await gone.promise;
        leases.delete(id);
        for (const timer of timers) clearTimeout(timer);
        await lent.sweep(own);
      }
    },
  };
}

/** What a proxy prints, a JSON object a line. It faces the task and the world, so nothing is believed that is not as it has to be. */
type Line = {
  ready?: unknown;
  up?: unknown;
  down?: unknown;
  refused?: unknown;
  why?: unknown;
  end?: unknown;
};

/** Puts what the proxy prints into the lease, and ends it at the proxy's word. @returns its CA (PEM), once it has one */
export function heardOf(
  out: NodeJS.ReadableStream,
  lease: Lease,
  end: (why: string) => void,
): Promise<string> {
  const words = (v: unknown) =>
    String(v)
      .replace(/\p{Cc}+/gu, ' ')
      .slice(0, longest.words);
  const count = (v: unknown, before: number) =>
    Number.isSafeInteger(v) ? Math.max(before, Number(v)) : before;
  return new Promise((resolve) => {
    let rest = '';
    function take(text: string): void {
      const line = parsed(text);
      if (typeof line.ready === 'string') resolve(line.ready);
      lease.up = count(line.up, lease.up);
      lease.down = count(line.down, lease.down);
      if (line.refused !== undefined)
        lease.refused = [...lease.refused, words(`${line.refused}: ${line.why}`)].slice(-longest.refusals);
      if (line.end !== undefined) end(words(line.end) || 'its proxy ended');
    }
    out.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      lines.forEach(take);
      if (rest.length > longest.line) end('its proxy said what it should not');
    });
  });
}

/** A line of the proxy's; what is none says nothing. */
function parsed(text: string): Line {
  try {
    const value: unknown = JSON.parse(text);
    return value && typeof value === 'object' ? value : {};
  } catch {
    return {};
  }
}
