// @ts-check
// Files of the workspace that scripts name: which actions have them looked at, and what may be said of them. Runs in goja too.

/** Files that are looked at for one card, and bytes of a path, at most. */
const mostFiles = 32;
const mostPath = 1024;

/**
 * The scripts that this action runs, or lets run as a plan's steps.
 * @param {import('../src/action.ts').Asked} action @returns {{script: string, cwd: string}[]}
 */
function scriptsOf({ kind, args }) {
  if (kind === 'bash' || kind === 'terminal_open') return [args];
  return kind === 'plan' ? args.steps.flatMap((step) => (step.kind === 'bash' ? [step.args] : [])) : [];
}

/** @param {unknown} file */
function isFile(file) {
  if (!file || typeof file !== 'object') return false;
  const { path, sha256, ...more } = /** @type {Record<string, unknown>} */ (file);
  if (typeof path !== 'string' || path === '' || path.length > mostPath) return false;
  return typeof sha256 === 'string' && /^([0-9a-f]{64})?$/.test(sha256) && Object.keys(more).length === 0;
}

/** Whether this is what may be said of them, besides the digest. @param {Record<string, unknown>} body */
const isNamed = ({ digest: _, files, more, ...rest }) =>
  Array.isArray(files) &&
  files.length <= mostFiles &&
  files.every(isFile) &&
  (more === undefined || more === true) &&
  Object.keys(rest).length === 0;

module.exports = { mostFiles, mostPath, scriptsOf, isNamed };
