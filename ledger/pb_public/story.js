/** What an action's entries say, in words. All of it is somebody else's text: it is handed on as text alone. */

/** What is written beside an action's life: ledger/rules/lifecycle.cjs. */
const beside = ['stop', 'lease.granted', 'named'];

/** What an entry says; nothing where it is no JSON object. */
export function bodyOf(entry) {
  try {
    return Object(JSON.parse(entry.body));
  } catch {
    return {};
  }
}

/** The last entry of its life. @param story an action's entries, in order */
export const latest = (story) => story.findLast(({ kind }) => !beside.includes(kind)) ?? story[0];

const ends = ['succeeded', 'failed', 'killed', 'unknown'];
/** Whether an action ended in no way yet. */
export const isOpen = ({ kind }) => ![...ends, 'applied', 'denied', 'expired', 'void'].includes(kind);

/** How an action stands, for people; what is not here says it itself. */
export const words = {
  requested: 'asked',
  posted: 'waits for an answer',
  endorsed: 'waits for more answers',
  approved: 'approved, waits to run',
  leased: 'covered, waits to run',
  claimed: 'begins',
  running: 'runs',
  applied: 'in force',
};

/** Milliseconds as people say them: `350 ms`, `12 s`, `3 min 20 s`, `2 h 5 min`. */
export function span(ms) {
  if (ms < 1000) return `${Math.max(0, ms)} ms`;
  const s = Math.round(ms / 1000);
  if (s < 60) return `${s} s`;
  return s < 3600
    ? `${Math.floor(s / 60)} min ${s % 60} s`
    : `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

/** Bytes as people say them. */
export function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1e6 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** Who asks. A person is told by their whole id, which none of the system's own words is. */
export const asker = (requester) =>
  ({ brain: 'the agent', operator: 'the console' })[requester] ?? String(requester);

/** What one entry says of how it went: by whom, with which device, how sure, how it ended, and how long that took since `from`. */
function told(entry, from) {
  const { grade, evidence = {}, by, reason, exit, signal, changes: c } = bodyOf(entry);
  const user = evidence.user ?? by;
  const parts = [
    `${entry.kind}${user ? ` by ${user}` : ''}`,
    evidence.device && `device ${evidence.device}`,
    grade && `${grade}${evidence.form ? ` (${evidence.form})` : ''}`,
    typeof exit === 'number' && `exit ${exit}`,
    signal && `signal ${signal}`,
    from && `after ${span(Date.parse(entry.at) - Date.parse(from.at))}`,
    reason && `because ${reason}`,
    c && `files: ${c.changed} changed, ${c.added} added, ${c.removed} removed; lines: +${c.plus} −${c.minus}`,
  ];
  return parts.filter(Boolean).join(' · ');
}

const fileText = ({ path, sha256 }) =>
  `${sha256 ? String(sha256).slice(0, 12) : 'as it then stands:'} ${path}`;

/** The facts of an action besides what was asked: rows of a label and a text. */
export function factsOf(story) {
  const of = (...kinds) => story.find(({ kind }) => kinds.includes(kind));
  const action = bodyOf(story[0]);
  const { lease, use } = bodyOf(of('leased'));
  const { files = [] } = bodyOf(of('named'));
  const terms = [
    `class ${action.class}`,
    `takes a ${action.grade} answer`,
    action.approvers > 1 && `of ${action.approvers} people`,
    action.devices > 1 && `by ${action.devices} devices`,
    action.reads && `leases ${action.reads.uses} reads for ${span(action.reads.seconds * 1000)}`,
  ];
  const row = (label, from, ...kinds) =>
    story.filter(({ kind }) => kinds.includes(kind)).map((entry) => [label, told(entry, from)]);
  return [
    ...row('Decision', of('posted'), 'endorsed', 'approved', 'denied', 'expired', 'void'),
    ...(lease ? [['Decision', `covered by lease ${lease}, its use ${use}`]] : []),
    ...row('Stop', undefined, 'stop'),
    ...row('Outcome', of('running') ?? of('claimed'), ...ends),
    ...(files.length > 0 ? [['Names', files.map(fileText).join('\n')]] : []),
    ['Terms', terms.filter(Boolean).join(' · ')],
  ];
}

/** What stands in a body, or in an action's arguments: rows of a name and a text. */
export const rowsOf = (values) =>
  Object.entries(Object(values)).map(([name, value]) => [
    name,
    typeof value === 'string' ? value : JSON.stringify(value, undefined, 1),
  ]);

/** The one text that says most of what an action would do, as a row, if it has such a one. */
export const gist = ({ args }) =>
  rowsOf(args).find(([name]) => ['script', 'path', 'url', 'user', 'host', 'pattern'].includes(name));
