// @ts-check
// What an egress lease may name: hosts, each with what may be asked of it, bytes either way, and seconds. Runs in goja too.
// A secret goes by its name alone; that it is there, and for that host, is the executor's to say.
const { longestWait, whole } = require('./policy.cjs');
const { isObjectId } = require('./workspaces.cjs');

/** @typedef {Record<string, unknown>} Body */

const classes = ['read', 'git-fetch', 'git-push', 'any'];
/** Hosts of packages that take a login to read, and do not say it back. */
const registries = ['registry.npmjs.org', 'npm.pkg.github.com'];
const mostBytes = 100 * 2 ** 30;
const mostRules = 20;

/**
 * A name as DNS has it, in lower case, with a letter in its last label: so no address, whatever way it is written, and no name that
 * is spelt in two ways.
 * @param {unknown} v
 */
const isHost = (v) =>
  typeof v === 'string' &&
  v.length <= 253 &&
  /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/.test(v);

/** A path that means nothing else once it is resolved or decoded. @param {unknown} v */
const isPrefix = (v) =>
  typeof v === 'string' &&
  v.length <= 200 &&
  /^\/[A-Za-z0-9._~@+/-]*$/.test(v) &&
  v
    .split('/')
    .every(
      (part, i, all) => part !== '.' && part !== '..' && (part !== '' || i === 0 || i === all.length - 1),
    );

/** What a secret of the operator's is called. @param {unknown} v */
const isSecretName = (v) => typeof v === 'string' && /^[A-Za-z][A-Za-z0-9_-]{0,31}$/.test(v);

/** @param {unknown} v */
function isRule(v) {
  const { host, port, class: kind, path, secret, ...more } = /** @type {Body} */ (v ?? {});
  if (!isHost(host) || port !== 443 || !isPrefix(path) || Object.keys(more).length > 0) return false;
  // Where whoever asks could choose what is answered, it could be had to say the secret.
  const silent = String(kind).startsWith('git-') || (kind === 'read' && registries.includes(String(host)));
  if (secret !== undefined && !(isSecretName(secret) && silent)) return false;
  // A repository is named; all of a host's would be more than the card could say.
  return kind === 'git-fetch' || kind === 'git-push'
    ? String(path).length > 1
    : classes.some((one) => one === kind);
}

/** Whether these are an egress lease's arguments. @param {Body} args */
const isEgress = ({ rules, up, down, seconds, ...more }) =>
  Array.isArray(rules) &&
  rules.length > 0 &&
  rules.length <= mostRules &&
  rules.every(isRule) &&
  whole(up, 1, mostBytes) &&
  whole(down, 1, mostBytes) &&
  whole(seconds, 1, Math.min(longestWait, 86400)) &&
  Object.keys(more).length === 0;

/** A repository, what its host is shown, the ssh address that it stands for, and nothing more. @param {string} kind @param {Body} args */
const isRepository = (kind, { host, path, secret, ssh, ...more }) =>
  isRule({ host, port: 443, class: kind, path, ...(secret !== undefined && { secret }) }) &&
  (ssh === undefined || isText(ssh)) &&
  Object.keys(more).length === 0;

/** @param {unknown} v */
const isText = (v) => typeof v === 'string' && v.length > 0 && v.length <= 4000;

/** As git may name one. @param {unknown} v */
const isBranch = (v) => typeof v === 'string' && /^[^\0- \x7f~^:?*[\\]{1,200}$/.test(v);

/** Whether these are a push's arguments: a branch, a commit, and what that brings. @param {Body} args */
const isPush = ({ branch, commit, commits, ...where }) =>
  isRepository('git-push', where) && isBranch(branch) && isObjectId(commit) && isText(commits);

/** Whether these are a pull's. @param {Body} args */
const isPull = ({ branch, ...where }) =>
  isRepository('git-fetch', where) && (branch === '' || isBranch(branch));

module.exports = { isEgress, isPull, isPush, isHost, isPrefix, isSecretName };
