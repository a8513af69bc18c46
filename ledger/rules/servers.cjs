// @ts-check
// Tool servers: what may be looked at, what a pin holds, and which calls that lets be asked for. Runs in goja too.
const { canonical } = require('./canonical.cjs');
const { isHost, isPrefix, isSecretName } = require('./egress.cjs');

/**
 * @typedef {Record<string, unknown>} Body
 * @typedef {import('../src/action.ts').PinArgs} PinArgs
 * @typedef {import('./state.cjs').State} State
 * @typedef {(text: string) => string} Sha256
 * @typedef {{era: string} & ({url: string, secret?: string} | {image: string, command: readonly string[], secrets?: object, hosts?: readonly string[]})} Spoken
 */

/** What a server hears of us: some list other tools by it, so it is part of what is pinned. Never changed: calls that stand in a ledger are judged by it. */
const us = { name: 'pocketcoder', version: '1' };

const mostTools = 128;
const mostSecrets = 8;
const mostHosts = 8;
/** Characters of a pin's canonical text, and of a call's parameters. */
const mostPin = 200_000;
const mostParams = 65_536;
/** Levels of an item or of parameters: who reads them further calls itself for each. */
const mostLevels = 64;
/** The brain's client puts 14 characters before a name, and takes 64. */
const longestName = 50;

/** Without an underscore, so that what a tool is called by tells server and tool apart. @param {unknown} v */
const isServerName = (v) => typeof v === 'string' && /^[a-z][a-z0-9-]{0,19}$/.test(v);

/** As the engine names one. @param {unknown} v */
const isImage = (v) => typeof v === 'string' && /^[a-z0-9][A-Za-z0-9._:@/-]{0,199}$/.test(v);

/** @param {unknown} v */
const isCommand = (v) =>
  Array.isArray(v) &&
  v.length <= 32 &&
  v.every((word) => typeof word === 'string' && /^[^\0]{1,1000}$/.test(word));

/** Variables, each with the name of the secret that it holds: where there are none, nothing is said of them. @param {unknown} v */
const areSecrets = (v) =>
  v === undefined ||
  (isRecord(v) &&
    Object.keys(v).length > 0 &&
    Object.keys(v).length <= mostSecrets &&
    Object.entries(v).every(([name, secret]) => /^[A-Z][A-Z0-9_]{0,63}$/.test(name) && isSecretName(secret)));

/** Whether these are a look's arguments. @param {Body} args */
const isLook = ({ name, image, command, secrets, ...more }) =>
  isServerName(name) &&
  isImage(image) &&
  isCommand(command) &&
  areSecrets(secrets) &&
  Object.keys(more).length === 0;

/** By https, a host's name, on its port 443, and a path that means one thing. @param {unknown} v */
function isUrl(v) {
  const [, host, path] = (typeof v === 'string' && /^https:\/\/([^/]*)(\/.*)$/.exec(v)) || [];
  return isHost(host) && isPrefix(path);
}

/** @param {unknown} v */
const areHosts = (v) => Array.isArray(v) && v.length > 0 && v.length <= mostHosts && v.every(isHost);

/** Whether these say where a server is that has a URL. @param {Body} args */
const isAtUrl = ({ name, url, secret, ...more }) =>
  isServerName(name) &&
  isUrl(url) &&
  (secret === undefined || isSecretName(secret)) &&
  Object.keys(more).length === 0;

/** Whether these are the arguments of a look that goes out: at a URL, or of an image that reaches hosts. @param {Body} args */
const isReach = ({ hosts, ...args }) =>
  hosts === undefined ? isAtUrl(args) : areHosts(hosts) && isLook(args);

/** What the brain calls a tool of a server's. @param {string} server @param {string} tool */
const fullName = (server, tool) => `${server}__${tool}`;

/** @param {unknown} v @returns {v is Body} */
const isRecord = (v) => !!v && typeof v === 'object' && !Array.isArray(v);

/** Whether it has more levels than may be. @param {unknown} v @param {number} [left] @returns {boolean} */
const isDeep = (v, left = mostLevels) =>
  !!v && typeof v === 'object' && (left === 0 || Object.values(v).some((one) => isDeep(one, left - 1)));

/** Whether the brain's client takes it: it refuses a whole list for one that it does not. @param {Body} schema */
const isTaken = ({ properties = {}, required = [] }) =>
  isRecord(properties) &&
  Object.values(properties).every(isRecord) &&
  Array.isArray(required) &&
  required.every((one) => typeof one === 'string');

/** Why these can't be tools of a server of this name, or ''. @param {string} server @param {unknown} items as `tools/list` gave them */
function toolsFault(server, items) {
  if (!Array.isArray(items) || items.length === 0) return 'it lists no tools';
  if (items.length > mostTools) return `it lists more than ${mostTools} tools`;
  const seen = new Set();
  for (const item of items) {
    const { name, description = '', inputSchema } = /** @type {Body} */ (item ?? {});
    if (typeof name !== 'string' || !/^[A-Za-z0-9_-]+$/.test(name)) return 'a tool has no name that is one';
    const full = fullName(server, name);
    if (full.length > longestName) return `the name ${full} is longer than ${longestName} characters`;
    if (seen.has(name.toLowerCase())) return `two tools are called ${name}`;
    seen.add(name.toLowerCase());
    const schema = /** @type {Body} */ (inputSchema ?? {});
    if (schema.type !== 'object' || typeof description !== 'string')
      return `${name} has a description that is no text, or takes no object`;
    if (!isTaken(schema))
      return `${name} has properties that are no objects, or requires what is no list of names`;
    if (isDeep(item)) return `${name} is described in more than ${mostLevels} levels`;
  }
  return canonical(items).length > mostPin / 2 ? 'its tools say too much of themselves' : '';
}

/** Whether these are a pin's arguments. @param {Body} args */
function isPin(args) {
  const { era, tools, ...where } = args;
  const { from, image, hosts, ...look } = where;
  const starts = isLook({ ...look, image: from }) && /^sha256:[0-9a-f]{64}$/.test(String(image));
  const is = starts ? hosts === undefined || areHosts(hosts) : isAtUrl(where);
  if (!is || !Array.isArray(tools)) return false;
  // What goes out by itself would be more than the card of a call shows.
  const classes = starts && !hosts ? ['exec', 'read'] : ['network'];
  const are = tools.every((tool) => {
    const { item, class: risk, ...rest } = tool ?? {};
    return classes.includes(risk) && Object.keys(rest).length === 0 && item;
  });
  return (
    are &&
    /^\d{4}-\d{2}-\d{2}$/.test(String(era)) &&
    toolsFault(
      String(where.name),
      tools.map((tool) => tool.item),
    ) === '' &&
    canonical(args).length <= mostPin
  );
}

/** Where calls of a server go out to, as each of them says it. @param {{url?: string, hosts?: readonly string[]}} pin */
const wayOf = ({ url, hosts }) => (url ? { url } : hosts ? { hosts } : undefined);

/** What an item of a list is pinned by: it, whole, and all that its server is started or reached, and spoken to by. @param {Spoken} pin @param {object} item @param {Sha256} sha256 */
function itemHash(pin, item, sha256) {
  const where =
    'url' in pin
      ? { secret: pin.secret || '', url: pin.url }
      : { command: pin.command, image: pin.image, ...(pin.secrets && { secrets: pin.secrets }) };
  return sha256(canonical({ client: us, era: pin.era, item, ...where, ...wayOf(pin) }));
}

/** Under which a server is pinned: each workspace has its own. @param {unknown} workspace @param {unknown} name */
const pinKey = (workspace, name) => JSON.stringify([workspace, name]); // so that no two pairs are one key

/**
 * Whether a pin that stands in this workspace holds the very tool that a call names, in that class.
 * @param {'exec' | 'read' | 'network'} risk @param {Body} args @param {unknown} workspace @param {State} state @param {Sha256} sha256
 */
function isPinned(risk, { server, tool, hash, params, ...way }, workspace, { servers }, sha256) {
  const pin = servers.get(pinKey(workspace, server));
  const held = pin?.tools.find(({ item }) => item.name === tool);
  return (
    !!pin &&
    held?.class === risk &&
    canonical(way) === canonical(wayOf(pin) || {}) &&
    itemHash(pin, held.item, sha256) === hash &&
    isRecord(params) &&
    !isDeep(params) &&
    canonical(params).length <= mostParams
  );
}

module.exports = {
  fullName,
  isImage,
  isLook,
  isPin,
  isPinned,
  isReach,
  itemHash,
  mostParams,
  mostTools,
  pinKey,
  toolsFault,
  us,
  wayOf,
};
