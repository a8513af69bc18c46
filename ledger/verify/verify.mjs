/**
 * Verifies an export of a ledger (docs/audit.md): `node verify.mjs FILE [CHECKPOINT…]`. This file and Node are all it takes. It shares no
 * code with what writes and judges the ledger: it is a second reading of the rules, by the entries alone. A CHECKPOINT is
 * what somebody kept: a file in the form of C2SP's tlog-checkpoint, or NUMBER:HASH, the hash's first twelve digits at least.
 */
import { createHash } from 'node:crypto';
import { createReadStream, readFileSync, realpathSync } from 'node:fs';

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
const classes = {
  read: `read_file list grep get_file diff export push_look undo_diff merge_look screen terminal_read mcp_read`,
  ...{ write: 'put_file write_file edit_file undo merge', network: 'push pull egress server_reach mcp_out' },
  exec: 'bash try terminal_open terminal_send server_look mcp',
  control: 'server_pin lease plan policy role device thaw',
};
const grades = ['plain', 'sealed', 'signed'];

const sha256 = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest();
const has = (list, word) => (list ?? '').split(' ').includes(word);
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
const clean = (path) => `/${path}/`.replace(/\/(\.?\/)+/g, '/');
const isBelow = (path, of) => !/^\/|(^|\/)\.\.(\/|$)/.test(path) && clean(path).startsWith(clean(of));
const treeOf = ({ task, workspace }) => (/^apart-[a-z]{8}$/.test(task) ? `${task}.${workspace}` : workspace);
const namesOf = (answers, grade) =>
  answers.map(({ who: { user, device } }) => (grade === 'signed' ? { device, user } : { user }));
/** What is compared with something that is not there, or of another type, does not hold. */
function must(holds, why) {
  if (holds !== true) throw new Error(why);
}

/** A Merkle tree (RFC 6962) whose leaves are the entries' hashes, as it grows: the roots of its whole parts, the largest first. */
const join = (left, right) => sha256('\x01', left.hash, right.hash);
function grow(peaks, { size, hash }) {
  if (peaks.at(-1)?.size !== size) peaks.push({ size, hash });
  else grow(peaks, { size: 2 * size, hash: join(peaks.pop(), { hash }) });
}
const rootOf = (peaks) =>
  peaks.reduceRight((right, left) => ({ hash: join(left, right) })).hash.toString('base64');

/** The rules, read a second time: takes one entry after the other, and throws at the first that may not stand where it stands. */
function makeJudge() {
  const [stories, grants, people, ids] = [new Map(), new Map(), new Map(), new Set()];
  const now = { devices: [], frozen: 0, thawed: 0, time: 0 };

  /** Whoever answered may approve now, and could then: by that very device, where it is one that signs. */
  const stands = ({ user, device }, grade, seq) =>
    has('approves owner', people.get(user)) &&
    now.devices.some((d) => d.seq < seq && d.user === user && (grade !== 'signed' || d.device === device));

  /** Each answer counts at this moment; and they are enough, where that is asked. */
  function answered({ asked, answers }, enough) {
    for (const { grade, who, seq } of answers) {
      must(grades.indexOf(grade) >= grades.indexOf(asked.grade), 'an answer proves less than it asks for');
      must(stands(who, grade, seq), 'who approved it was not enrolled, was revoked, or may not approve');
      must(now.frozen <= seq, 'all was frozen since it was approved');
    }
    const names = [({ user }) => user, ({ user, device }) => `${user} ${device}`];
    const [people, own] = names.map((of) => new Set(answers.map(({ who }) => of(who))).size);
    must(!enough || (people >= asked.approvers && own >= asked.devices), 'it takes more people or devices');
  }
  function holds(grant, time) {
    must(grant !== undefined, 'there is no such lease, or it was ended');
    must(time <= grant.time + grant.args.seconds * 1000, 'its lease had run out');
    must(now.frozen < grant.seq, 'all was frozen since its lease was given');
    const may = grant.by.every((who) => stands(who, grant.grade, grant.seq));
    must(may, 'who gave its lease may not any more');
  }
  function covers({ kind, args, workspace, task, used }, asked) {
    const isIt = (act) => same([act?.kind, act?.args], [asked.kind, asked.args]);
    const { path = '' } = asked.args;
    const within = {
      plan: () => isIt(args.steps[used]),
      lease: () => args.acts?.some(isIt) ?? (asked.kind === args.of && isBelow(path, args.path)),
      reads: () => asked.class === 'read' && asked.requester === 'brain' && isBelow(path, ''),
    };
    const here = treeOf(asked) === treeOf({ task, workspace }) && (kind === 'lease' || asked.task === task);
    must(here && (kind === 'plan' || used < args.uses), 'its lease was used up, or is for elsewhere');
    must(within[kind](), 'its lease was given for something else');
  }
  /** What was decided may begin at this moment. */
  function begins(story, time, what) {
    const { asked, decided } = story;
    must((asked.class === 'control') === (what === 'control'), 'nothing of its class runs, or is applied');
    must(now.frozen <= decided.seq, 'all was frozen since it was approved');
    must(time <= decided.time + asked.execute_within * 1000, 'its time was over');
    if (decided.kind === 'leased') return holds(grants.get(decided.lease), decided.time);
    must(time >= decided.time + asked.grace * 1000, 'it had to wait');
    answered(story, true);
  }
  const drop = (lost) => Object.assign(now, { devices: now.devices.filter((d) => !lost(d)) });
  function enrol({ user, master, device, role }, seq) {
    drop((d) => d.user === user && (d.device === device || d.master !== master));
    now.devices.push({ user, device, master, seq });
    if (role || !people.has(user)) people.set(user, role ?? 'owner');
  }

  /** What an entry needs, and changes, besides its place in an action's life. */
  const kinds = {
    requested({ id, action, body }, asked, _, time) {
      must(id === action && asked.id === action, 'its id is not its action’s');
      must(has(classes[asked.class], asked.kind), 'its kind is of another class');
      const least = has('read write exec', asked.class) ? 1 : 2;
      must(grades.indexOf(asked.grade) >= least, 'it asks for less than its class takes');
      stories.set(action, { asked, digest: sha256(body).toString('hex'), time, answers: [] });
    },
    named: (_, named, story) => Object.assign(story, { named }),
    endorsed({ kind, seq }, { grade, evidence: who }, story, time) {
      must(time <= story.time + story.asked.decide_within * 1000, 'it was answered too late');
      story.answers.push({ grade, who, seq });
      answered(story, kind === 'approved');
    },
    approved: (...all) => kinds.endorsed(...all),
    leased(_, { lease, use }, { asked }, time) {
      const grant = grants.get(lease);
      holds(grant, time);
      must(use === grant.used + 1, 'it is not the next use of its lease');
      covers(grant, asked);
      grant.used++;
    },
    claimed: (_, __, story, time) => begins(story, time),
    applied({ action, seq }, body, story, time) {
      begins(story, time, 'control');
      const { asked, digest, named, answers } = story;
      const { kind, args, workspace, task } = asked;
      const by = namesOf(answers, 'signed');
      const effect = { args, by, digest, kind, named, task, workspace };
      must(same(body, effect), 'it applies what was not approved');
      if (kind === 'thaw') now.thawed = seq;
      if (kind === 'role') people.set(args.user, args.role);
      if (kind === 'device') enrol(args, seq);
      if (kind === 'lease' || kind === 'plan')
        grants.set(action, { kind, args, workspace, task, by, grade: 'signed', seq, time, used: 0 });
    },
    'lease.granted'({ action, seq }, body, story, time) {
      const { asked, answers, digest } = story;
      const { reads, workspace, task } = asked;
      must(!!reads && !story.given, 'no card leased it, it was leased before, or stopped');
      begins(story, time);
      const grade = answers.every((answer) => answer.grade === 'signed') ? 'signed' : 'sealed';
      const by = namesOf(answers, grade);
      must(same(body, { by, digest, grade, reads, task, workspace }), 'it leases what was not approved');
      story.given = true;
      grants.set(action, { kind: 'reads', args: reads, workspace, task, by, grade, seq, time, used: 0 });
    },
    stop: (_, __, story) => Object.assign(story, { given: true }),
    'lease.ended': (_, { lease }) => grants.delete(lease),
    'identity.enrolled': ({ seq }, body) => enrol(body, seq),
    'identity.revoked': (_, lost) =>
      drop((d) => d.user === lost.user && d.device === (lost.device || d.device)),
    'identity.changed': (_, { user }) => drop((d) => d.user === user),
    frozen: ({ seq }) => Object.assign(now, { frozen: seq }),
    thawed: ({ seq }) => Object.assign(now, { thawed: seq }),
  };

  function take(e, body) {
    const { kind, action } = e;
    const time = Date.parse(e.at);
    must(has(writers[e.author], kind), `${e.author || 'nobody'} may not write it`);
    must(!ids.has(e.id), 'its id was used before');
    const { state = '', digest, asked } = stories.get(action) ?? {};
    const timely = time >= now.time && (now.frozen <= now.thawed || asked?.kind === 'thaw');
    must(timely || !has(decisive, kind), 'all is frozen, or its time is before that of another');
    const follows = kind in beside ? has(beside[kind], state) : has(next[state], kind);
    const isApart = /\.|^(alarm|frozen|thawed)$/.test(kind) && !(kind in beside);
    must(isApart ? action === '' : follows, `it may not follow on “${state}”`);
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

async function* linesOf(source) {
  let rest = [];
  for await (const chunk of source) {
    let from = 0;
    for (let to = chunk.indexOf(10); to >= 0; to = chunk.indexOf(10, from)) {
      yield Buffer.concat([...rest, chunk.subarray(from, to)]);
      [rest, from] = [[], to + 1];
    }
    rest.push(chunk.subarray(from));
  }
  must(Buffer.concat(rest).length === 0, 'it breaks off within a line');
}

/**
 * Reads an export from its first byte to its last. `off` names what is wrong first, and is '' where nothing is.
 * @param source its bytes, in pieces @param kept what others have of it: `{who, seq, hash}`, or `{who, seq, root, origin}`
 */
export async function verify(source, kept = []) {
  const [judge, peaks, seal, marks] = [makeJudge(), [], createHash('sha256'), [...kept]];
  const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const found = { entries: 0, omitted: 0, requested: 0, claimed: 0, seen: [], head: '', checkpoint: '' };
  let [where, origin, phase, off, file] = ['its first line', 'pocketcoder/ledger/', 'head', ''];

  /** Of the bytes that stand beside the entry before no more come. */
  function ends() {
    must(file.left === 0 && file.hash.digest('hex') === file.sha256, 'its bytes are not what it states');
    file = undefined;
  }
  function piece(bytes) {
    must(file !== undefined, 'bytes come that belong to no entry');
    file.left -= bytes.length;
    file.hash.update(bytes);
  }
  function states({ kind }, { bytes: size, sha256, output, ...asked }) {
    const isResult = has('succeeded failed killed', kind);
    if (!isResult && (kind !== 'requested' || asked.kind !== 'put_file')) return;
    const stated = isResult ? { size, sha256 } : asked.args;
    file = { hash: createHash('sha256'), left: stated.size, sha256: stated.sha256 };
    if (typeof output === 'string') ends(piece(Buffer.from(output)));
  }
  function passes(hash, number) {
    must(/^[0-9a-f]{64}$/.test(hash), 'its hash is none');
    grow(peaks, { size: 1, hash: sha256('\x00', Buffer.from(hash, 'hex')) });
    if (number === 1) origin += hash;
    for (const mark of marks.filter(({ seq }) => seq === number)) {
      const is = hash.startsWith(mark.hash ?? '') && (mark.root ?? rootOf(peaks)) === rootOf(peaks);
      must(is && (mark.origin ?? origin) === origin, `it is another ledger than ${mark.who} has`);
      found.seen.push(`${mark.who} has it up to entry ${number}`);
    }
    [found.entries, found.head] = [number, hash];
  }

  function linked({ hash, omitted, entry }, text, is) {
    const seq = found.entries + 1;
    where = `entry ${seq}${entry ? ` (${entry.kind})` : ''}`;
    if (omitted !== undefined) {
      must(!!found.part && is({ hash, omitted: seq }), 'it is left out, of what calls itself whole');
      found.omitted++;
    } else {
      const { action, at, author, body, id, kind, prev } = entry;
      const form = { action, at, author, body, id, kind, prev, seq };
      must(is({ hash, entry: form }), `it is not number ${seq} in the form of one`);
      must(prev === found.head, 'its "prev" is not the hash of the entry before');
      // What stands after "entry": and before the line's last brace is what the chain hashes.
      must(sha256(text.slice(83, -1)).toString('hex') === hash, 'it does not have the hash that it states');
      const said = JSON.parse(body);
      judge(form, said);
      states(form, said);
      if (has('requested claimed', kind)) found[kind]++;
    }
    passes(hash, seq);
  }
  function read(line) {
    const text = utf8.decode(line);
    const value = JSON.parse(text);
    const is = (form) => text === JSON.stringify(form);
    if (phase === 'head') {
      const { at, part, pins } = value;
      const form = { export: 'pocketcoder-ledger', version: 1, at, part, pins };
      must(is(form), 'it begins like no export that is known here');
      for (const [who, pin] of Object.entries(pins)) marks.push({ who: `the ${who}`, ...pin });
      [found.part, phase] = [part ? JSON.stringify(part) : '', 'entries'];
    } else if (phase === 'entries' && value.file !== undefined) {
      const bytes = Buffer.from(value.file, 'base64');
      must(is({ file: bytes.toString('base64') }), 'its bytes are in another form');
      piece(bytes);
    } else if (phase === 'entries') {
      if (file) ends();
      if (value.hash !== undefined) return linked(value, text, is);
      [where, phase] = ['its checkpoint', 'checkpoint'];
      found.checkpoint = `${origin}\n${found.entries}\n${rootOf(peaks)}\nhead ${found.head}\n`;
      must(is({ checkpoint: found.checkpoint }), 'it is not that of the entries before it');
    } else {
      must(phase === 'checkpoint' && is({ sha256: seal.digest('hex') }), 'the file is not as it was written');
      phase = 'end';
    }
  }
  try {
    for await (const line of linesOf(source)) {
      read(line);
      if (phase !== 'end') seal.update(line).update('\n');
    }
    must(phase === 'end', 'the file breaks off after it');
    where = 'its end';
    const { who, seq } = marks.find((mark) => mark.seq > found.entries) ?? { seq: 0 };
    must(seq === 0, `it has ${found.entries} entries, and ${who} has it up to ${seq}: the last are missing`);
  } catch (error) {
    off = `${where}: ${error.message}`;
  }
  return { off, ...found };
}

/** What somebody kept, as a word of the command line names it. */
function keptBy(word) {
  const [, seq, hash] = /^(\d+):([0-9a-f]{12,64})$/.exec(word) ?? [];
  if (hash) return { who: word, seq: Number(seq), hash };
  const [origin, size, root] = readFileSync(word, 'utf8').split('\n');
  must(/^\d+$/.test(size), `${word} is no checkpoint`);
  return { who: word, seq: Number(size), root, origin };
}

if (realpathSync(process.argv[1] ?? '.') === import.meta.filename) {
  const [name, ...words] = process.argv.slice(2);
  must(name !== undefined, 'node verify.mjs FILE [CHECKPOINT…] takes an export; nothing was verified');
  const f = await verify(createReadStream(name), words.map(keptBy));
  process.exitCode = f.off ? 1 : 0;
  if (f.off) console.log(`OFF: ${f.off}. The ${f.entries} entries before that hold.`);
  else
    console.log(`HOLDS: ${f.entries} entries${f.part && `, a part, ${f.part}: ${f.omitted} are left out but for their hashes`}.
Checked:
- bytes and chain: each entry has the hash it states, and states that of the one before; the last is ${f.head};
  outputs and files have the size and SHA-256 that their entries state
- life: of ${f.requested} actions ${f.claimed} ran, each once, after an answer or a lease from who was enrolled at that time
- checkpoints: ${f.seen.join('; ') || 'nobody’s but its own'}; its own, to be kept elsewhere:
    ${f.checkpoint.trimEnd().replaceAll('\n', '\n    ')}
Not known from this file:
- what came after entry ${f.entries}, or whether others were told of another ledger: ask who keeps a checkpoint
- whether a device gave the answer that stands here (its signature was judged when it came, and is not in a ledger), what
  its card showed, and whether all that the policy takes was asked for (./pocketcoder audit judges that)`);
  if (f.omitted)
    console.log('- what is left out says: a freeze, a revocation or another claim may be among it');
}
