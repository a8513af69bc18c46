// @ts-check
// Workspaces as the ledger has them: each is a name, one room, and at most one tree that was brought in before the room was.
const { whole } = require('./policy.cjs');

const most = Number.MAX_SAFE_INTEGER;

/** A name that Docker and a file system take as it is, and that nobody mistakes. @param {unknown} v @returns {v is string} */
const isWorkspaceName = (v) => typeof v === 'string' && /^[a-z0-9][a-z0-9-]{0,30}$/.test(v);

/** The name of a git object. @param {unknown} v @returns {v is string} */
const isObjectId = (v) => typeof v === 'string' && /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(v);

/** Whether a task works apart, in a copy of its workspace: its id says so, and that is in each of its actions. @param {unknown} task */
const worksApart = (task) => typeof task === 'string' && /^apart-[a-z]{8}$/.test(task);

/** The tree that an action works in: that of its workspace, or its task's own copy of it. @param {{workspace?: unknown, task?: unknown}} action */
const treeOf = ({ workspace, task }) => (worksApart(task) ? `${task}.${workspace}` : String(workspace));

/** The workspace that a tree is a copy of; '' for a workspace's own. @param {string} tree */
const originOf = (tree) => (/^apart-[a-z]{8}\.(.+)$/.exec(tree) || ['', ''])[1] || '';

/**
 * Why an entry about a workspace may not be written.
 * @param {string} kind @param {Record<string, unknown>} body @param {Map<string, import('./state.cjs').Workspace>} all as they stand
 * @returns {import('./codes.cjs').Refusal}
 */
function workspaceRefusal(kind, body, all) {
  const { workspace, room, form, source, commit, tree, files, bytes } = body;
  if (!isWorkspaceName(workspace)) return 'body_invalid';
  if (kind === 'workspace.created') {
    if (typeof room !== 'string' || room.length === 0 || room.length > 255) return 'body_invalid';
    const taken = Array.from(all).some(([name, w]) => (name === workspace ? w.room !== '' : w.room === room));
    return taken ? 'workspace_known' : '';
  }
  if (!isObjectId(tree) || !whole(files, 0, most) || !whole(bytes, 0, most)) return 'body_invalid';
  if (kind === 'workspace.exported') {
    const known = all.get(workspace);
    if (form !== 'bundle' && form !== 'patch' && form !== 'directory') return 'body_invalid';
    return known?.room ? '' : 'workspace_unknown';
  }
  if (form !== 'git' && form !== 'directory') return 'body_invalid';
  if (typeof source !== 'string' || source.length === 0 || source.length > 1000 || !isObjectId(commit))
    return 'body_invalid';
  // Once there is a room, what stands in the tree is the agent's work.
  return all.has(workspace) ? 'workspace_known' : '';
}

module.exports = { worksApart, isObjectId, isWorkspaceName, originOf, treeOf, workspaceRefusal };
