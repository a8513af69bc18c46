/**
 * The ledger's rules, read a second time for who verifies an export (verify.mjs): what an entry may say, and what it needs of those
 * before it. It shares no code with the rules that the ledger goes by; a test has both judge the same chains.
 */
import { createHash } from 'node:crypto';

export const sha256 = (...parts) =>
  parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest();
export const has = (list, word) => !!list && list.split(' ').includes(word);
const hexOf = (bytes) => sha256(bytes).toString('hex');
/** As RFC 8785 writes it. What has no such text (half a character) gets another one, which is not that of the entry. */
export function canonical(v) {
  if (Array.isArray(v)) return `[${v.map(canonical)}]`;
  if (!isObject(v)) return JSON.stringify(typeof v === 'string' ? v.toWellFormed() : v);
  return `{${Object.keys(v)
    .sort()
    .map((key) => `${canonical(key)}:${canonical(v[key])}`)}}`;
}
const same = (a, b) => canonical(a) === canonical(b);
/** What is compared with something that is not there, or of another type, does not hold. */
export function must(holds, why) {
  if (holds !== true) throw new Error(why);
}

// What a value may be.
const week = 604_800;
const isObject = (v) => typeof v === 'object' && v !== null;
export const isRecord = (v) => isObject(v) && !Array.isArray(v);
export const isWhole = (least, most) => (v) => Number.isSafeInteger(v) && v >= least && v <= most;
export const isText = (most) => (v) => typeof v === 'string' && v !== '' && v.length <= most;
export const isLike = (form) => (v) => typeof v === 'string' && form.test(v);
const isAny = () => true;
const isOne = (words) => (v) => has(words, v);
const isList = (is, least, most) => (v) =>
  Array.isArray(v) && v.length >= least && v.length <= most && v.every((one) => is(one));
/** An object of these, and of nothing else. What ends with "?" may be missing. */
export function isJust(form) {
  const parts = Object.entries(form).map(([name, is]) => [name.replace('?', ''), is, name.endsWith('?')]);
  return (v) =>
    isObject(v) &&
    parts.every(([name, is, may]) => (Object.hasOwn(v, name) ? is(v[name]) : may)) &&
    Object.keys(v).every((key) => parts.some(([name]) => name === key));
}

// Actions, and what they and the policy may say.
const classes = {
  read: `read_file list grep get_file diff export push_look undo_diff merge_look screen terminal_read mcp_read`,
  ...{ write: 'put_file write_file edit_file undo merge', network: 'push pull egress server_reach mcp_out' },
  exec: 'bash try terminal_open terminal_send server_look mcp',
  control: 'server_pin lease plan policy role device thaw',
};
const classOf = (kind) => Object.keys(classes).find((risk) => has(classes[risk], kind));
const withPath = 'read_file list grep write_file edit_file';
/** Decided by the message that asks for it, where the policy lets that; by an owner alone; reading what no file has. */
const byWords = 'list get_file put_file diff export push_look undo_diff merge_look try screen';
const byOwner = 'policy role device thaw';
const shows = 'terminal_read mcp_read';
const calls = { mcp: 'exec', mcp_read: 'read', mcp_out: 'network' };
const grades = ['plain', 'sealed', 'signed'];
const rank = (grade) => grades.indexOf(grade);
const roles = ['none', 'reads', 'asks', 'approves', 'owner'];
const approves = (role) => roles.indexOf(role) >= 3;

const isInside = (risk) => has('read write exec', risk);
const isReads = (most) => isJust({ uses: isWhole(1, most.uses), seconds: isWhole(1, most.seconds) });
const isTerm = (risk) => (v) =>
  isJust({
    mode: isOne(isInside(risk) ? 'ask lease never' : risk === 'control' ? 'ask' : 'ask never'),
    grade: isOne(isInside(risk) ? 'sealed signed' : 'signed'),
    form: isOne('chip poll'),
    ...{ decide_within: isWhole(1, week), execute_within: isWhole(1, week) },
    grace: isWhole(0, v?.execute_within - 1),
    ...{ approvers: isWhole(1, 9), devices: isWhole(1, 9) },
    ...(risk === 'read' && { 'reads?': isReads({ uses: 1000, seconds: week }) }),
  })(v) &&
  (v.approvers * v.devices === 1 || v.grade === 'signed');
const risks = ['read', 'write', 'exec', 'network', 'secret', 'destructive', 'control'];
const isPolicy = isJust(Object.fromEntries(risks.map((risk) => [risk, isTerm(risk)])));
const termAtFirst = (risk) => ({
  ...(isInside(risk) ? { mode: 'lease', grade: 'sealed' } : { mode: 'ask', grade: 'signed' }),
  ...{ decide_within: risk === 'destructive' ? 300 : 3600, execute_within: 600 },
  ...{ grace: 0, approvers: 1, devices: 1 },
});
const policyAtFirst = Object.fromEntries(risks.map((risk) => [risk, termAtFirst(risk)]));

const isPath = (v) => isLike(/^(?!\/)/)(v) && !/(^|\/)\.\.(\/|$)/.test(v);
const clean = (path) => `/${path}/`.replace(/\/(\.?\/)+/g, '/');
const isBelow = (path, of) => isPath(path) && isPath(of) && clean(path).startsWith(clean(of));
/** What git runs or obeys, however a file system spells it. */
const isOfGit = (path) =>
  /(^|\/)(\.git|git~\d+)[\s.]*(\/|:|$)/i.test(
    String(path).replace(/[\u200B-\u200F\u202A-\u202E\u2060-\u206F\uFEFF]/g, ''),
  );
const runs = `${classes.read} ${classes.write} ${classes.exec.replace('terminal_open ', '')}`;
const areActs = isList(isJust({ kind: isOne(runs), args: isObject }), 1, 50);
const areWords = (v) => isText(4000)(v) && v.trim() !== '';
const label = '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?';
const isName = isLike(new RegExp(`^(?=.{1,253}$)(${label}\\.)+(?=[a-z])${label}$`));
const isPrefix = (v) => isLike(/^\/[A-Za-z0-9._~@+/-]{0,199}$/)(v) && !/\/(\/|\.\.?(\/|$))/.test(v);
const isSecret = isLike(/^[A-Za-z][A-Za-z0-9_-]{0,31}$/);
const logins = ['registry.npmjs.org', 'npm.pkg.github.com'];
const isWay = isJust({
  host: isName,
  port: isWhole(443, 443),
  class: isAny,
  path: isPrefix,
  'secret?': isSecret,
});
const isRule = (v) =>
  isWay(v) &&
  has('read git-fetch git-push any', v.class) &&
  (v.path !== '/' || !has('git-fetch git-push', v.class)) &&
  (!v.secret || /^git-/.test(v.class) || (v.class === 'read' && logins.includes(v.host)));
const isOid = isLike(/^([0-9a-f]{40}|[0-9a-f]{64})$/);
const isBranch = isLike(/^[^\0- \x7f~^:?*[\\]{1,200}$/);
const isDeepPrefix = (v) => isPrefix(v) && v !== '/';
const repository = { host: isName, path: isDeepPrefix, 'secret?': isSecret, 'ssh?': isText(4000) };
const isServer = isLike(/^[a-z][a-z0-9-]{0,19}$/);
const areHosts = isList(isName, 1, 8);
const isImage = isLike(/^[a-z0-9][A-Za-z0-9._:@/-]{0,199}$/);
const areVariables = (v) =>
  isRecord(v) &&
  isList(isLike(/^[A-Z][A-Z0-9_]{0,63}$/), 1, 8)(Object.keys(v)) &&
  Object.values(v).every(isSecret);
const started = {
  name: isServer,
  command: isList(isLike(/^[^\0]{1,1000}$/), 0, 32),
  'secrets?': areVariables,
};
const isUrl = (v) => {
  const [, host, path] = (isText(1000)(v) && /^https:\/\/([^/]*)(\/.*)$/.exec(v)) || [];
  return isName(host) && isPrefix(path);
};
const reached = { name: isServer, url: isUrl, 'secret?': isSecret };
const isDeep = (v, left = 64) =>
  isObject(v) && (left === 0 || Object.values(v).some((one) => isDeep(one, left - 1)));
const isTool = (server, { name, description = '', inputSchema }) => {
  const { type, properties = {}, required = [] } = inputSchema ?? {};
  const named = isLike(/^[A-Za-z0-9_-]+$/)(name) && `${server}__${name}`.length <= 50;
  const takes = isRecord(properties) && Object.values(properties).every(isRecord);
  const asks = isList(isLike(/^/), 0, Number.POSITIVE_INFINITY)(required);
  return named && typeof description === 'string' && type === 'object' && takes && asks;
};
const isEra = (v) => /^\d{4}-\d\d-\d\d$/.test(v);
const isPinned = (v) => /^sha256:[0-9a-f]{64}$/.test(v);
const toolsOf = (risk) => isList(isJust({ class: isOne(risk), item: isObject }), 1, 128);
const startedPin = isJust({
  ...started,
  from: isImage,
  image: isPinned,
  era: isEra,
  tools: toolsOf('exec read'),
});
const outwardPin = isJust({
  ...started,
  from: isImage,
  image: isPinned,
  hosts: areHosts,
  era: isEra,
  tools: toolsOf('network'),
});
const reachedPin = isJust({ ...reached, era: isEra, tools: toolsOf('network') });
function isPin(args) {
  if (![startedPin, outwardPin, reachedPin].some((is) => is(args))) return false;
  const items = args.tools.map(({ item }) => item);
  const names = new Set(items.map(({ name }) => String(name).toLowerCase()));
  const are = names.size === items.length && items.every((item) => isTool(args.name, item) && !isDeep(item));
  return are && canonical(items).length <= 1e5 && canonical(args).length <= 2e5;
}
const keys = ['user', 'master', 'device', 'ed25519', 'curve25519'];
const areKeys = (v) => keys.every((key) => isText(255)(v[key]));
const isFile = isJust({ path: isText(1024), sha256: isLike(/^([0-9a-f]{64})?$/) });
const isNamed = isJust({ digest: isAny, files: isList(isFile, 0, 32), 'more?': (v) => v === true });
const isTraffic = isWhole(1, 100 * 2 ** 30);
const counted = { uses: isWhole(1, 1000), seconds: isWhole(1, week) };
const isLeaseOfActs = isJust({ acts: areActs, ...counted });
const isLeaseBelow = isJust({ of: isOne(withPath), path: isPath, ...counted });
const areSteps = (v) => areActs(v) || (Array.isArray(v) && v.length === 0);
const isPlan = isJust({ steps: areSteps, seconds: counted.seconds, 'words?': areWords });
/** What the arguments of an action may be, by its kind, wherever the chain stands. */
const forms = {
  egress: isJust({
    rules: isList(isRule, 1, 20),
    up: isTraffic,
    down: isTraffic,
    seconds: isWhole(1, 86_400),
  }),
  push: isJust({ ...repository, branch: isBranch, commit: isOid, commits: isText(4000) }),
  pull: isJust({ ...repository, branch: (v) => v === '' || isBranch(v) }),
  server_look: isJust({ ...started, image: isImage }),
  server_reach: (v) => isJust(reached)(v) || isJust({ ...started, image: isImage, hosts: areHosts })(v),
  server_pin: isPin,
  lease: (v) => isLeaseOfActs(v) || isLeaseBelow(v),
  plan: (v) => isPlan(v) && (v.steps.length > 0 || areWords(v.words)),
  policy: isJust({ policy: isPolicy }),
  role: isJust({ user: isText(255), role: (v) => roles.includes(v) }),
  device: isJust(Object.fromEntries(keys.map((key) => [key, isText(255)]))),
  thaw: isJust({}),
};

// The life of an action.
const undecided = 'endorsed approved denied expired void';
/** From the state of an action to what may follow; and what is written beside its life, in which states. */
const next = {
  ...{ '': 'requested', requested: 'posted leased void', posted: undecided, endorsed: undecided },
  ...{ approved: 'claimed applied denied expired void', leased: 'claimed denied expired void' },
  ...{ claimed: 'running unknown', running: 'succeeded failed killed unknown' },
};
const beside = { named: 'requested', stop: 'claimed running', 'lease.granted': 'claimed running' };
/** What decides or begins something: not while all is frozen, and by no clock that went back. */
const decisive = 'endorsed approved leased applied claimed lease.granted';
const writers = {
  bot: `requested posted leased applied stop alarm frozen identity.changed identity.revoked lease.ended server.removed workspace.created helper.ended ${undecided}`,
  executor: 'named claimed lease.granted running succeeded failed killed unknown expired alarm',
  operator:
    'identity.enrolled identity.revoked policy.set lease.ended frozen thawed void unknown alarm workspace.imported workspace.exported',
};

const treeOf = ({ task, workspace }) => (/^apart-[a-z]{8}$/.test(task) ? `${task}.${workspace}` : workspace);
const namesOf = (answers, grade) =>
  answers.map(({ who: { user, device } }) => (grade === 'signed' ? { device, user } : { user }));
/** How many people these are, and how many devices. */
const count = (all) => [
  new Set(all.map(({ user }) => user)).size,
  new Set(all.map(({ user, device }) => `${user} ${device}`)).size,
];
const areEnough = (all, { approvers, devices }) => count(all)[0] >= approvers && count(all)[1] >= devices;
/** The id of what the message decides that asks for it. */
const idOf = (event) =>
  [...sha256(event).subarray(0, 15)].map((byte) => 'abcdefghijklmnopqrstuvwxyz012345'[byte & 31]).join('');

/** The rules, read a second time: takes one entry after the other, and throws at the first that may not stand where it stands. */
export function makeJudge() {
  const [stories, grants, people, rooms, pins] = Array.from({ length: 5 }, () => new Map());
  const [given, ids] = [new Set(), new Set()];
  const now = { devices: [], lost: 0, frozen: 0, thawed: 0, time: 0, policy: policyAtFirst };
  const isFrozen = () => now.frozen > now.thawed;
  const roleOf = ({ user }) => people.get(user) || 'none';
  const enrolled = () => now.devices.filter((d) => roleOf(d) !== 'none');
  const owners = () => now.devices.filter((d) => roleOf(d) === 'owner');

  /** Whoever answered may approve now, and could then: by that very device, where it is one that signs. */
  const stands = ({ user, device }, grade, seq) =>
    approves(people.get(user)) &&
    now.devices.some((d) => d.seq < seq && d.user === user && (grade !== 'signed' || d.device === device));
  /** Somebody knows the chips of that time who may not approve. */
  const isSpoilt = (since) => now.lost > since || enrolled().some((d) => !approves(roleOf(d)));

  const stricter = (a, b) => ({
    mode: b.mode,
    grade: rank(a.grade) > rank(b.grade) ? a.grade : b.grade,
    decide_within: Math.min(a.decide_within, b.decide_within),
    execute_within: Math.min(a.execute_within, b.execute_within),
    ...{ grace: Math.max(a.grace, b.grace), approvers: Math.max(a.approvers, b.approvers) },
    devices: Math.max(a.devices, b.devices),
  });
  /** What the policy takes by now; for a plan or a lease also what each act in it takes. */
  function termOf({ kind, args }) {
    const own = now.policy[classOf(kind)];
    const acts = { plan: args.steps, lease: args.acts ?? [{ kind: args.of, args: {} }] }[kind] ?? [];
    const modeOf = (term, needs) => (needs.mode === 'never' ? 'never' : term.mode);
    return acts.map(termOf).reduce((a, b) => ({ ...stricter(a, b), mode: modeOf(a, b) }), own);
  }
  function termNow(asked) {
    const term = termOf(asked);
    must(term.mode !== 'never', 'the policy lets none of its class run');
    return stricter(asked, term);
  }
  function readsTerm({ read } = now.policy) {
    const isQuick = read.grace === 0 && read.approvers * read.devices === 1;
    return read.reads && read.mode === 'lease' && isQuick ? read : undefined;
  }
  function mayLease({ reads, requester, class: risk, grade }) {
    if (reads === undefined) return;
    const term = readsTerm();
    const may = !!term && requester === 'brain' && risk !== 'control' && rank(grade) >= rank(term.grade);
    must(may && isReads(term.reads)(reads), 'its card may not lease these reads');
  }

  /** Each answer counts at this moment; and they are enough, where that is asked. */
  function answered({ asked, answers, seq: since }, enough) {
    const term = termNow(asked);
    const isAlone = term.approvers * term.devices === 1 && term.grace === 0;
    for (const { grade, who, seq } of answers) {
      must(rank(grade) >= rank(term.grade), 'an answer proves less than it asks for');
      must(stands(who, grade, seq), 'who approved it was not enrolled, was revoked, or may not approve');
      must(grade === 'signed' || !isSpoilt(since), 'somebody knows its chips who may not approve');
      must(now.frozen <= seq, 'all was frozen since it was approved');
      const own = has(byWords, asked.kind) && grade === 'signed' && who.user === asked.requester && isAlone;
      must(who.form !== 'command' || own, 'the message that asks for it does not decide it');
      must(term.approvers === 1 || who.user !== asked.requester, 'who asked is one of several who approve');
    }
    if (!enough) return;
    const all = answers.map(({ who }) => who);
    must(areEnough(all, term), 'it takes more people or devices');
    const own = asked.kind === 'device' ? asked.args.user : undefined;
    const may = all.some(({ user }) => user === own || people.get(user) === 'owner');
    must(may || !has(byOwner, asked.kind), 'it takes an owner');
  }
  function holds(grant, time) {
    must(grant !== undefined, 'there is no such lease, or it was ended');
    const { kind, args, by, grade, seq } = grant;
    must(time <= grant.time + args.seconds * 1000, 'its lease had run out');
    must(now.frozen < seq, 'all was frozen since its lease was given');
    const may = by.every((who) => stands(who, grade, seq)) && (grade === 'signed' || !isSpoilt(seq));
    must(may, 'who gave its lease may not any more');
    const term = kind === 'reads' ? readsTerm() : termOf(grant);
    const are = !!term && areEnough(by, term) && rank(grade) >= rank(term.grade);
    must(are, 'the policy takes more for a lease by now');
  }
  function covers({ kind, args, workspace, task, used }, asked) {
    const text = canonical([asked.kind, asked.args, asked.workspace]);
    const isIt = (act) => isObject(act) && canonical([act.kind, act.args, workspace]) === text;
    const isIn = (folder) => has(withPath, asked.kind) && isBelow(asked.args.path, folder);
    const isObeyed = asked.class === 'write' && isOfGit(asked.args.path);
    const within = {
      plan: () => isIt(args.steps[used]),
      lease: () => !isObeyed && (args.acts?.some(isIt) ?? (asked.kind === args.of && isIn(args.path))),
      reads: () =>
        asked.requester === 'brain' && (has(shows, asked.kind) || (asked.class === 'read' && isIn(''))),
    };
    const here = treeOf(asked) === treeOf({ task, workspace }) && (kind === 'lease' || asked.task === task);
    must(here && (kind === 'plan' || used < args.uses), 'its lease was used up, or is for elsewhere');
    must(within[kind](), 'its lease was given for something else');
    const { mode } = termOf(asked);
    must(mode === 'lease' || (kind === 'plan' && mode === 'ask'), 'the policy takes no lease for it');
  }
  /** What was decided may begin at this moment. */
  function begins(story, time, what) {
    const { asked, decided } = story;
    must((asked.class === 'control') === (what === 'control'), 'nothing of its class runs, or is applied');
    must(now.frozen <= decided.seq, 'all was frozen since it was approved');
    const { execute_within, grace, mode } = termNow(asked);
    must(time <= decided.time + execute_within * 1000, 'its time was over');
    if (decided.kind === 'leased') {
      const grant = grants.get(decided.lease);
      must(grant?.kind !== 'lease' || mode === 'lease', 'the policy takes no lease for it');
      return holds(grant, decided.time);
    }
    must(time >= decided.time + grace * 1000, 'it had to wait');
    answered(story, true);
  }
  /** Without these devices, from this entry on. */
  const drop = (seq, isLost) =>
    Object.assign(now, { lost: seq, devices: now.devices.filter((d) => !isLost(d)) });
  function enrol({ user, master, device, ed25519, curve25519 }, seq) {
    const isNew = (d) =>
      d.master !== master || (d.device === device && !(d.ed25519 === ed25519 && d.curve25519 === curve25519));
    const others = now.devices.filter((d) => d.user !== user || (d.device !== device && d.master === master));
    if (now.devices.some((d) => d.user === user && isNew(d))) now.lost = seq;
    now.devices = [...others, { user, master, device, ed25519, curve25519, seq }];
  }
  /** Answers from before somebody might not approve never come back: the devices count anew. */
  function give(user, role, seq) {
    const had = people.get(user) ?? role;
    people.set(user, role);
    if (had === role) return;
    now.lost = seq;
    if (!approves(role)) for (const d of now.devices) if (d.user === user) d.seq = seq;
  }

  const pinAt = ({ workspace }, name) => JSON.stringify([workspace, name]);
  const isHeld = ({ server, tool, hash, params, ...way }, asked) => {
    const pin = pins.get(pinAt(asked, server));
    const held = pin?.tools.find(({ item }) => item.name === tool);
    if (!held || held.class !== calls[asked.kind]) return false;
    const { era, image, command, secrets, hosts, url, secret = '' } = pin;
    const own = url ? { url } : { ...(hosts && { hosts }) };
    const where = url ? { secret } : { image, command, ...(secrets && { secrets }) };
    const text = canonical({
      client: { name: 'pocketcoder', version: '1' },
      era,
      item: held.item,
      ...where,
      ...own,
    });
    const isIt = hexOf(text) === hash && same(way, own);
    return isIt && isRecord(params) && !isDeep(params) && canonical(params).length <= 65_536;
  };
  /** What a kind needs of the chain, besides the form of its arguments. */
  const needs = {
    policy: ({ policy }) =>
      areEnough(
        now.devices.filter((d) => approves(roleOf(d))),
        policy.control,
      ),
    role: ({ user, role }) => people.has(user) && (role === 'owner' || owners().some((d) => d.user !== user)),
    device: ({ user, master }) => enrolled().some((d) => d.user === user && d.master === master),
    thaw: isFrozen,
    ...{ mcp: isHeld, mcp_read: isHeld, mcp_out: isHeld },
  };
  function canBe(asked) {
    const { kind, args } = asked;
    must(!forms[kind] || forms[kind](args), 'its arguments are none of its kind');
    must(!needs[kind] || needs[kind](args, asked), 'it cannot be had where the chain stands');
  }

  /** What an entry needs, and changes, besides its place in an action's life. */
  const kinds = {
    requested({ id, action, body, seq }, asked, _, time) {
      must(id === action && asked.id === action, 'its id is not its action’s');
      const { kind, args, requester, workspace, task } = asked;
      must(!!classOf(kind) && asked.class === classOf(kind), 'its kind is of another class');
      must(isText(40)(workspace) && isText(40)(task) && isObject(args), 'it says not where, or not what');
      must(isLike(/^(brain$|operator$|@)/)(requester), 'it says not who asks');
      const may = requester !== 'brain' || asked.class !== 'control' || kind === 'plan';
      must(may, 'the agent may not ask for it');
      canBe(asked);
      const term = termOf(asked);
      must(term.mode !== 'never', 'the policy lets none of its class run');
      must(rank(asked.grade) >= rank(term.grade), 'it asks for less than its class takes');
      const { decide_within, execute_within, grace, approvers, devices } = asked;
      const waits =
        [decide_within, execute_within].every((one) => isWhole(1, week)(one)) && isWhole(0, week)(grace);
      const shorter = decide_within <= term.decide_within && execute_within <= term.execute_within;
      must(waits && shorter && grace >= term.grace, 'it gives other times than its class does');
      const many = isWhole(term.approvers, 9)(approvers) && isWhole(term.devices, 9)(devices);
      const tells = approvers * devices === 1 || asked.grade === 'signed';
      must(many && tells, 'it asks for fewer than its class takes');
      mayLease(asked);
      stories.set(action, { asked, digest: hexOf(body), seq, time, answers: [] });
    },
    named(_, body, story) {
      const { kind, args } = story.asked;
      const isScript = has('bash terminal_open', kind);
      const scripts = isScript || (kind === 'plan' && args.steps.some((step) => step.kind === 'bash'));
      must(scripts && isNamed(body) && !story.named, 'nothing is to be named, or it is named again');
      story.named = body;
    },
    endorsed({ kind, seq, action }, { grade, evidence: who }, story, time) {
      must(isObject(who), 'nobody answered');
      const { decide_within } = termNow(story.asked);
      must(time <= story.time + decide_within * 1000, 'it was answered too late');
      const own = who.form !== 'command' || idOf(String(who.event)) === action;
      must(own, 'its message is that of another action');
      const before = story.answers.map((answer) => answer.who);
      must(count([...before, who])[1] > count(before)[1], 'its device counts already');
      story.answers.push({ grade, who, seq });
      answered(story, kind === 'approved');
    },
    approved: (...all) => kinds.endorsed(...all),
    leased(_, { lease, use }, { asked }, time) {
      const grant = grants.get(String(lease));
      holds(grant, time);
      must(use === grant.used + 1, 'it is not the next use of its lease');
      covers(grant, asked);
      if (grants.has(lease)) grant.used++;
    },
    claimed(_, __, story, time) {
      begins(story, time);
      canBe(story.asked);
    },
    applied({ action, seq }, body, story, time) {
      begins(story, time, 'control');
      const { asked, digest, named, answers } = story;
      const { kind, args, workspace, task } = asked;
      const by = namesOf(answers, 'signed');
      const effect = { args, by, digest, kind, task, workspace, ...(named && { named }) };
      must(same(body, effect), 'it applies what was not approved');
      canBe(asked);
      if (kind === 'policy') now.policy = args.policy;
      if (kind === 'thaw') now.thawed = seq;
      if (kind === 'role') {
        give(args.user, args.role, seq);
        now.lost = seq;
      }
      if (kind === 'device') enrol(args, seq);
      if (kind === 'server_pin') pins.set(pinAt(asked, args.name), args);
      if (kind === 'lease' || (kind === 'plan' && args.steps.length > 0))
        grant(action, { kind, args, workspace, task, by, grade: 'signed', seq, time });
    },
    'lease.granted'({ action, seq }, body, story, time) {
      const { asked, answers, digest, decided } = story;
      const { reads, workspace, task } = asked;
      const may = !!reads && decided.kind === 'approved' && !story.given;
      must(may, 'no card leased it, it was leased before, or stopped');
      mayLease(asked);
      begins(story, time);
      const grade = answers.every((answer) => answer.grade === 'signed') ? 'signed' : 'sealed';
      const by = namesOf(answers, grade);
      must(same(body, { by, digest, grade, reads, task, workspace }), 'it leases what was not approved');
      story.given = true;
      grant(action, { kind: 'reads', args: reads, workspace, task, by, grade, seq, time });
    },
    stop: (_, __, story) => Object.assign(story, { given: true }),
    'lease.ended'(_, { lease }) {
      must(given.has(String(lease)), 'there never was such a lease');
      grants.delete(lease);
    },
    'identity.enrolled'({ seq }, body) {
      const { user, role = 'owner' } = body;
      must(areKeys(body) && roles.includes(role) && role !== 'none', 'it enrols no device');
      enrol(body, seq);
      give(user, body.role || people.get(user) || 'owner', seq);
    },
    'identity.revoked'({ seq }, { user, device }) {
      must(isText(255)(user), 'it names nobody');
      drop(seq, (d) => d.user === user && (!device || d.device === device));
    },
    'identity.changed': (e, { user }) => kinds['identity.revoked'](e, { user }),
    'policy.set'(_, { policy }) {
      must(isPolicy(policy), 'it is no policy');
      must(enrolled().length === 0, 'somebody is enrolled, so a policy takes an approved action');
      now.policy = policy;
    },
    'server.removed'(_, body) {
      must(pins.delete(pinAt(body, body.name)), 'no such server is pinned');
    },
    frozen: ({ seq }) => Object.assign(now, { frozen: seq }),
    thawed: ({ seq }) => Object.assign(now, { thawed: seq }),
    'workspace.created'(_, { workspace, room }) {
      must(isWorkspace(workspace) && isText(255)(room), 'it makes no workspace');
      const isNew = !rooms.get(workspace) && ![...rooms.values()].includes(room);
      must(isNew, 'there is such a workspace, or room');
      rooms.set(workspace, room);
    },
    'workspace.imported'(_, body) {
      const { source, commit } = body;
      must(
        isTree(body, 'git directory') && isText(1000)(source) && isOid(commit),
        'it says not what came in',
      );
      must(!rooms.has(body.workspace), 'there is such a workspace');
      rooms.set(body.workspace, '');
    },
    'workspace.exported'(_, body) {
      must(isTree(body, 'bundle patch directory'), 'it says not what went out');
      must(!!rooms.get(body.workspace), 'there is no such workspace');
    },
  };
  const isWorkspace = isLike(/^[a-z0-9][a-z0-9-]{0,30}$/);
  const isSize = isWhole(0, Number.MAX_SAFE_INTEGER);
  const isTree = ({ workspace, form, tree, files, bytes }, formed) =>
    isWorkspace(workspace) && has(formed, form) && isOid(tree) && isSize(files) && isSize(bytes);
  function grant(action, what) {
    given.add(action);
    grants.set(action, { ...what, used: 0 });
  }

  function take(e, body) {
    const { kind, action } = e;
    const time = Date.parse(e.at);
    const may = Object.hasOwn(writers, e.author) && has(writers[e.author], kind);
    must(may, `${e.author || 'nobody'} may not write it`);
    must(!ids.has(e.id), 'its id was used before');
    const { state = '', digest, asked } = stories.get(action) ?? {};
    const timely = time >= now.time || !has(`${decisive} named`, kind);
    const thaws = !isFrozen() || asked?.kind === 'thaw' || !has(decisive, kind);
    must(timely && thaws, 'all is frozen, or its time is before that of another');
    const follows = kind in beside ? has(beside[kind], state) : has(next[state], kind);
    const isApart = /\.|^(alarm|frozen|thawed)$/.test(kind) && !(kind in beside);
    must(isApart ? action === '' : action !== '' && follows, `it may not follow on “${state}”`);
    must(!digest || kind === 'stop' || body.digest === digest, 'it names another text than was asked for');
    kinds[kind]?.(e, body, stories.get(action), time);
    ids.add(e.id);
    now.time = Math.max(now.time, time);
    const story = stories.get(action);
    if (!story || kind in beside) return;
    story.state = kind;
    if (has('approved leased', kind)) story.decided = { kind, lease: body.lease, seq: e.seq, time };
    if (!(kind in next)) stories.delete(action);
  }
  return take;
}
