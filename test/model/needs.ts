/** What an action needs under a policy, and what a lease, a plan or reads cover: from docs/approvals.md alone. */
import { posix } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Act, Given, Request } from './facts.ts';
import type { Policy } from './rules.ts';

export type Need = {
  risk: string;
  grade: string;
  approvers: number;
  devices: number;
  grace: number;
  decide_within: number;
  execute_within: number;
  closed: boolean;
};

const risks: Record<string, readonly string[]> = {
  read: [
    ...['read_file', 'list', 'grep', 'get_file', 'diff', 'export', 'push_look', 'undo_diff', 'screen'],
    'merge_look',
    'terminal_read',
    'mcp_read',
  ],
  write: ['put_file', 'write_file', 'edit_file', 'undo', 'merge'],
  exec: ['bash', 'terminal_open', 'terminal_send', 'try', 'server_look', 'mcp'],
  network: ['egress', 'push', 'pull', 'server_reach', 'mcp_out'],
};
const riskOf = (kind: string): string =>
  Object.keys(risks).find((risk) => risks[risk]?.includes(kind)) ?? 'control';

const grades = ['plain', 'sealed', 'signed'];
export const strength = (grade: string): number => grades.indexOf(grade);

const both = (a: Need, b: Need): Need => ({
  risk: a.risk,
  grade: strength(a.grade) > strength(b.grade) ? a.grade : b.grade,
  approvers: Math.max(a.approvers, b.approvers),
  devices: Math.max(a.devices, b.devices),
  grace: Math.max(a.grace, b.grace),
  decide_within: Math.min(a.decide_within, b.decide_within),
  execute_within: Math.min(a.execute_within, b.execute_within),
  closed: a.closed || b.closed,
});

/** What a policy asks for, the floor below every policy too; of a lease or a plan, whatever each act that it holds needs as well. */
export function policyTerm(policy: Policy, { kind, args }: Act): Need {
  const risk = riskOf(kind);
  const term = policy[risk];
  if (!term) throw new Error(`a policy without ${risk}`);
  const grade = ['control', 'network'].includes(risk) ? 'signed' : term.grade;
  const own: Need = { ...term, risk, grade, closed: term.mode === 'never' };
  const of = args['of'] ? [{ kind: String(args['of']), args: {} }] : undefined;
  const held = ((kind === 'plan' && args['steps']) ||
    (kind === 'lease' && (args['acts'] ?? of)) ||
    []) as Act[];
  return held.reduce((need, act) => both(need, policyTerm(policy, act)), own);
}

/** What its request said and what the policy in force says, whichever is stricter: a stricter one holds at once. */
export const needOf = (request: Request, policy: Policy): Need =>
  both({ ...request, risk: riskOf(request.kind), closed: false }, policyTerm(policy, request));

/** Whether a path leads to what is below a folder of the workspace, and never out of it on its way. */
function isInside(path: unknown, folder: string): boolean {
  if (typeof path !== 'string' || path.startsWith('/') || path.split('/').includes('..')) return false;
  const way = posix.relative(posix.join('/tree', folder), posix.join('/tree', path));
  return way !== '..' && !way.startsWith('../');
}

const fileReads = ['read_file', 'list', 'grep'];

/** Whether it covers this action after so many uses. */
export function covers({ kind, args, workspace, task }: Given, asked: Request, uses: number): boolean {
  const act: Act = { kind: asked.kind, args: asked.args };
  const { acts, steps, of, path } = args as { acts?: Act[]; steps?: Act[]; of?: string; path?: string };
  // A way out has a card of its own, always, and so has a program that stays.
  if (asked.workspace !== workspace || [...(risks['network'] ?? []), 'terminal_open'].includes(asked.kind))
    return false;
  if (kind === 'plan') return asked.task === task && isDeepStrictEqual(steps?.[uses], act);
  if (uses >= Number(args['uses'])) return false;
  // What git obeys is asked for each time.
  const writes = ['write_file', 'edit_file', 'put_file'].includes(asked.kind);
  if (writes && posix.normalize(String(asked.args['path'])).toLowerCase().split('/').includes('.git'))
    return false;
  if (kind === 'reads') {
    const agents = asked.task === task && asked.requester === 'brain';
    const isFile = fileReads.includes(asked.kind) && isInside(asked.args['path'], '');
    return agents && (['terminal_read', 'mcp_read'].includes(asked.kind) || isFile);
  }
  if (acts) return acts.some((one) => isDeepStrictEqual(one, act));
  return asked.kind === of && isInside(asked.args['path'], path ?? '');
}
