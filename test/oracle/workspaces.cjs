// @ts-check
// Workspaces as the ledger has them: each is a name, one room, and at most one tree that was brought in before the room was.
const { bodyOf } = require('./lifecycle.cjs');
const { whole } = require('../../ledger/rules/policy.cjs');

/** @typedef {import('./lifecycle.cjs').Entry} Entry */
/** @typedef {{form: string, source: string, commit: string, tree: string, files: number, bytes: number}} Imported */
/** @typedef {{room: string, imported?: Imported}} Workspace `room` is '' until it is made */

const most = Number.MAX_SAFE_INTEGER;

/** A name that Docker and a file system take as it is, and that nobody mistakes. @param {unknown} v @returns {v is string} */
const isWorkspaceName = (v) => typeof v === 'string' && /^[a-z0-9][a-z0-9-]{0,30}$/.test(v);

/** The workspaces after these control entries, oldest first. @param {Entry[]} control @returns {Map<string, Workspace>} */
function workspacesOf(control) {
  /** @type {Map<string, Workspace>} */
  const found = new Map();
  for (const entry of control) {
    if (entry.kind !== 'workspace.created' && entry.kind !== 'workspace.imported') continue;
    const { workspace, room = '', ...imported } = bodyOf(entry);
    const known = found.get(workspace);
    found.set(workspace, entry.kind === 'workspace.created' ? { ...known, room } : { room, imported });
  }
  return found;
}

/** The name of a git object. @param {unknown} v */
const isObjectId = (v) => typeof v === 'string' && /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(v);

/**
 * Why an entry about a workspace may not be written, or ''.
 * @param {string} kind @param {Record<string, any>} body @param {Entry[]} control
 */
function workspaceRefusal(kind, body, control) {
  const { workspace, room, form, source, commit, tree, files, bytes } = body;
  if (!isWorkspaceName(workspace)) return 'body_invalid';
  const all = workspacesOf(control);
  if (kind === 'workspace.created') {
    if (typeof room !== 'string' || room.length === 0 || room.length > 255) return 'body_invalid';
    const taken = Array.from(all).some(([name, w]) => (name === workspace ? w.room !== '' : w.room === room));
    return taken ? 'workspace_known' : '';
  }
  if (!isObjectId(tree) || !whole(files, 0, most) || !whole(bytes, 0, most)) return 'body_invalid';
  if (kind === 'workspace.exported') {
    const known = all.get(workspace);
    if (['bundle', 'patch', 'directory'].indexOf(form) < 0) return 'body_invalid';
    return known?.room ? '' : 'workspace_unknown';
  }
  if (form !== 'git' && form !== 'directory') return 'body_invalid';
  if (typeof source !== 'string' || source.length === 0 || source.length > 1000 || !isObjectId(commit))
    return 'body_invalid';
  // Once there is a room, what stands in the tree is the agent's work.
  return all.has(workspace) ? 'workspace_known' : '';
}

module.exports = { isWorkspaceName, workspacesOf, workspaceRefusal };
