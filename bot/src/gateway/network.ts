/** The brain's `network` tool: a way out for its task, put to the owner as hosts and what may be asked of each. */
import { isDeepStrictEqual } from 'node:util';
import { isEgress } from '@pocketcoder/ledger/rules/egress.cjs';
import type { Asked, EgressRule } from '@pocketcoder/ledger/src/action.ts';
import { z } from 'zod';
import type { Book } from '../approval/view.ts';
import { listed, whole, wordsOf } from './tools.ts';

const readAll = (host: string): EgressRule => ({ host, port: 443, class: 'read', path: '/' });

/** What packages come from, under the names that people know. */
const presets: Readonly<Record<string, readonly EgressRule[]>> = {
  npm: [readAll('registry.npmjs.org')],
  pypi: [readAll('pypi.org'), readAll('files.pythonhosted.org')],
  go: [readAll('proxy.golang.org'), readAll('sum.golang.org')],
  crates: [readAll('index.crates.io'), readAll('static.crates.io')],
  debian: [readAll('deb.debian.org')],
};

const { of } = wordsOf('network');
const schema = z.strictObject({
  to: z
    .array(z.string().max(300))
    .min(1)
    .max(10)
    .describe(of['to'] ?? ''),
  down_mb: whole(1, 10_000)
    .default(300)
    .describe(of['down_mb'] ?? ''),
  up_mb: whole(1, 1000)
    .default(1)
    .describe(of['up_mb'] ?? ''),
  minutes: whole(1, 480)
    .default(60)
    .describe(of['minutes'] ?? ''),
});

export const networkTool = listed('network', schema);

/** A secret's name, and which host it is for. */
type Bound = Readonly<Record<string, string>>;

/** The rules that words stand for, or why they stand for none. */
function rulesFor(to: string, bound: Bound): readonly EgressRule[] | string {
  const [, what = '', secret] = /^(.*?)(?: with (\S+))?$/s.exec(to) ?? [];
  const rules = rulesOf(what);
  if (!rules)
    return `${JSON.stringify(to)} is neither one of ${Object.keys(presets).join(', ')} nor an address like https://host/path, without port, query or user, or "fetch" or "push" and the https address of a git repository`;
  if (!secret) return rules;
  if (Object.hasOwn(bound, secret) && rules.every(({ host }) => host === bound[secret]))
    return rules.map((rule) => ({ ...rule, secret }));
  const all = Object.entries(bound).map(([name, host]) => `${name} for ${host}`);
  return `${JSON.stringify(to)} names no secret of that host; the owner's are: ${all.join(', ') || 'none'}`;
}

/** The rules that one name stands for; nothing for what is none. */
function rulesOf(to: string): readonly EgressRule[] | undefined {
  if (Object.hasOwn(presets, to)) return presets[to];
  const [, verb, rest = ''] = /^(?:(fetch|push) )?(https:\/\/\S+)$/.exec(to) ?? [];
  const url = URL.parse(rest);
  // What the parser would change means something else to somebody: the ledger takes one spelling of a host and path.
  if (!url || url.href !== rest || url.port || url.username || url.search || url.hash) return undefined;
  const { hostname: host, pathname: path } = url;
  const repository = verb !== undefined || path.endsWith('.git');
  return [
    { host, port: 443, class: !repository ? 'read' : verb === 'push' ? 'git-push' : 'git-fetch', path },
  ];
}

/** Whether all that the other lets through is let through by it. */
const covers = ({ path, ...where }: EgressRule, { path: below, ...other }: EgressRule): boolean =>
  isDeepStrictEqual(where, other) && (path === below || (path.endsWith('/') && below.startsWith(path)));

/** What the lease lets through that a task has by now, or has an answer for. */
export const heldBy = (book: Pick<Book, 'unfinished' | 'state'>, task: string): readonly EgressRule[] =>
  book
    .unfinished()
    .flatMap(({ action }) =>
      action.kind === 'egress' &&
      action.task === task &&
      ['approved', 'claimed', 'running'].includes(book.state(action.id))
        ? action.args.rules
        : [],
    );

/**
 * As `askedBy`, for the network.
 * @param held what is open to the task by now: the lease asked for takes its place, so it says all of that as well
 */
export function networkAsked(
  where: { workspace: string; task: string },
  given: unknown,
  bound: Bound,
  held: readonly EgressRule[],
): { asked: Asked } | { wrong: string } {
  const { data, error } = schema.safeParse(given);
  if (!data)
    return { wrong: error.issues.map(({ path, message }) => `${path.join('.')} ${message}`).join('; ') };
  const { to, down_mb, up_mb, minutes } = data;
  const found = to.map((one) => rulesFor(one, bound));
  const wrong = found.filter((one) => typeof one === 'string');
  if (wrong.length > 0) return { wrong: wrong.join('; ') };
  const wanted = found.flatMap((one) => (typeof one === 'string' ? [] : one));
  const isBound = ({ host, secret }: EgressRule) => secret === undefined || bound[secret] === host;
  const further = held.filter((rule) => isBound(rule) && !wanted.some((one) => covers(one, rule)));
  const rules = [...wanted, ...further];
  const args = { rules, up: up_mb * 1e6, down: down_mb * 1e6, seconds: minutes * 60 };
  if (!isEgress(args))
    return {
      wrong:
        'hosts and paths are taken in lower case and without escapes, 20 at most with those that are open already (the owner ends that lease by !stop), and a secret with a git repository or npm alone',
    };
  return { asked: { kind: 'egress', args, ...where, requester: 'brain' } };
}
