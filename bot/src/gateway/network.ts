/** The brain's `network` tool: a way out for its task, put to the owner as hosts and what may be asked of each. */
import { isEgress } from '@pocketcoder/ledger/rules/egress.cjs';
import type { Asked, EgressRule } from '@pocketcoder/ledger/src/action.ts';
import { z } from 'zod';
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

/** As `askedBy`, for the network. */
export function networkAsked(
  where: { workspace: string; task: string },
  given: unknown,
): { asked: Asked } | { wrong: string } {
  const { data, error } = schema.safeParse(given);
  if (!data)
    return { wrong: error.issues.map(({ path, message }) => `${path.join('.')} ${message}`).join('; ') };
  const { to, down_mb, up_mb, minutes } = data;
  const found = to.map(rulesOf);
  const rules = found.flatMap((some) => some ?? []);
  const unknown = to.filter((_, i) => !found[i]).map((name) => JSON.stringify(name));
  if (unknown.length > 0)
    return {
      wrong: `${unknown.join(', ')} is neither one of ${Object.keys(presets).join(', ')} nor an address like https://host/path, without port, query or user, or "fetch" or "push" and the https address of a git repository`,
    };
  const args = { rules, up: up_mb * 1e6, down: down_mb * 1e6, seconds: minutes * 60 };
  if (!isEgress(args))
    return { wrong: 'hosts and paths are taken in lower case and without escapes, 20 at most' };
  return { asked: { kind: 'egress', args, ...where, requester: 'brain' } };
}
