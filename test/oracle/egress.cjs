// @ts-check
// What an egress lease may name, read by what a URL of it says.

const most = 100 * 1024 ** 3;
/** @param {unknown} v @param {number} top */
const counts = (v, top) => Number.isSafeInteger(v) && Number(v) > 0 && Number(v) <= top;

/** @param {any} rule */
function isNamed(rule) {
  const { secret, ...named } = rule ?? {};
  if (Object.keys(named).sort().join() !== 'class,host,path,port' || rule.port !== 443) return false;
  if (Object.keys(rule).includes('secret')) {
    if (typeof secret !== 'string' || !/^[a-z][\w-]{0,31}$/i.test(secret) || rule.class === 'any')
      return false;
    if (rule.class === 'read' && !/^(registry\.npmjs\.org|npm\.pkg\.github\.com)$/.test(rule.host))
      return false;
  }
  const { host, path, class: what } = rule;
  if (typeof host !== 'string' || typeof path !== 'string' || path.length > 200) return false;
  const url = URL.parse(`https://${host}${path}`);
  if (!url || url.href !== `https://${host}${path}` || url.hostname !== host || url.pathname !== path)
    return false;
  const labels = host.split('.');
  const plain =
    labels.length > 1 && labels.every((label) => /^[a-z0-9-]{1,63}$/.test(label) && !/^-|-$/.test(label));
  if (!plain || host.length > 253 || !/^[a-z]/.test(labels.at(-1) ?? '')) return false;
  if (/[^\w.~@+/-]/.test(path) || path.includes('//')) return false;
  return what === 'read' || what === 'any' || ((what === 'git-fetch' || what === 'git-push') && path !== '/');
}

/** Whether these are none of an egress lease's arguments. @param {Record<string, any>} args */
const egressFault = (args) =>
  Object.keys(args).sort().join() !== 'down,rules,seconds,up' ||
  !Array.isArray(args['rules']) ||
  args['rules'].length < 1 ||
  args['rules'].length > 20 ||
  !args['rules'].every(isNamed) ||
  !counts(args['up'], most) ||
  !counts(args['down'], most) ||
  !counts(args['seconds'], 86_400);

/** Whether these are none of a push's. @param {Record<string, any>} args */
function pushFault({ branch, commit, commits, ssh, ...where }) {
  const texts = ssh === undefined ? [commits] : [commits, ssh];
  return !(
    isNamed({ ...where, port: 443, class: 'git-push' }) &&
    typeof branch === 'string' &&
    branch.length > 0 &&
    branch.length <= 200 &&
    ![...branch].some((c) => c <= ' ' || c === '\x7f' || '~^:?*[\\'.includes(c)) &&
    typeof commit === 'string' &&
    [40, 64].includes(commit.length) &&
    !/[^0-9a-f]/.test(commit) &&
    texts.every((text) => typeof text === 'string' && text !== '' && text.length <= 4000)
  );
}

/** Whether these are none of a pull's: a push's without a commit, and it need not name the branch. @param {Record<string, any>} args */
const pullFault = ({ branch, ...where }) =>
  'commit' in where ||
  'commits' in where ||
  pushFault({ ...where, branch: branch === '' ? 'x' : branch, commit: 'ab'.repeat(20), commits: 'x' });

module.exports = { egressFault, pullFault, pushFault };
