/**
 * Verifies an export of a ledger (docs/audit.md): `node verify.mjs FILE [CHECKPOINT…]`. This folder and Node are all it takes: it shares no
 * code with what writes and judges the ledger. A CHECKPOINT is
 * what somebody kept: a file in the form of C2SP's tlog-checkpoint, or NUMBER:HASH, the hash's first twelve digits at least.
 * Exit codes: 0 it holds, 1 it is off, 64 it was not verified, for what was given is not what that takes.
 */
import { createHash } from 'node:crypto';
import { createReadStream, openSync, readFileSync, realpathSync } from 'node:fs';
import {
  canonical,
  has,
  isJust,
  isLike,
  isRecord,
  isText,
  isWhole,
  makeJudge,
  must,
  sha256,
} from './rules.mjs';

/** Words of a file as they may be shown: they move no terminal, and hide nothing. */
const shown = (text) => text.replace(/[^ -~“”’]/gu, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);
/** What was given cannot be verified, so that it is said of nothing that it holds or is off. */
class Misuse extends Error {}

/** A Merkle tree (RFC 6962) whose leaves are the entries' hashes, as it grows: the roots of its whole parts, the largest first. */
const join = (left, right) => sha256('\x01', left.hash, right.hash);
function grow(peaks, { size, hash }) {
  if (peaks.at(-1)?.size !== size) peaks.push({ size, hash });
  else grow(peaks, { size: 2 * size, hash: join(peaks.pop(), { hash }) });
}
const rootOf = (peaks) =>
  (peaks.length
    ? peaks.reduceRight((right, left) => ({ hash: join(left, right) })).hash
    : sha256('')
  ).toString('base64');

const partial =
  'It is a part, which is held by a root alone: give the file of a checkpoint, and no NUMBER:HASH';
/** What a part may be of; and up to where bot or executor saw it. */
const isPart = (v) => v === undefined || isJust({ 'since?': isText(30), 'workspace?': isText(40) })(v);
const isMark = (v) =>
  isJust({ seq: isWhole(0, Number.MAX_SAFE_INTEGER), hash: isLike(/^([0-9a-f]{64})?$/) })(v) &&
  (v.hash === '') === (v.seq === 0);

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
 * Reads an export from its first byte to its last. `off` names what is wrong first, and is '' where nothing is. Throws Misuse for a
 * part to which no kept root is given: hashes that stand in it for what it leaves out could be any.
 * @param source its bytes, in pieces @param kept what others have of it: `{who, seq, hash}`, of a checkpoint `root` and `origin` as well
 */
export async function verify(source, kept = []) {
  const [judge, peaks, seal, marks] = [makeJudge(), [], createHash('sha256'), [...kept]];
  const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const found = {
    entries: 0,
    omitted: 0,
    requested: 0,
    claimed: 0,
    seen: [],
    pins: [],
    held: 0,
    head: '',
    checkpoint: '',
  };
  let [where, origin, phase, off, file] = ['its first line', 'pocketcoder/ledger/', 'head', ''];

  /** Of the bytes that stand beside the entry before no more come. */
  function ends() {
    const are = file.came && file.left === 0 && file.hash.digest('hex') === file.sha256;
    must(are, 'its bytes are not what it states');
    file = undefined;
  }
  function piece(bytes) {
    must(file !== undefined, 'bytes come that belong to no entry');
    file.came = true;
    file.left -= bytes.length;
    file.hash.update(bytes);
  }
  function states({ kind }, said) {
    const isResult = has('succeeded failed killed', kind);
    if (!isResult && (kind !== 'requested' || said.kind !== 'put_file')) return;
    const { size, sha256, output } = isResult ? { ...said, size: said.bytes } : said.args;
    must(isWhole(0, Number.MAX_SAFE_INTEGER)(size), 'it states no number of bytes');
    file = { hash: createHash('sha256'), left: size, sha256, came: false };
    if (typeof output === 'string') ends(piece(Buffer.from(output)));
  }
  function passes(hash, number) {
    must(/^[0-9a-f]{64}$/.test(hash), 'its hash is none');
    grow(peaks, { size: 1, hash: sha256('\x00', Buffer.from(hash, 'hex')) });
    if (number === 1) origin += hash;
    for (const mark of marks.filter(({ seq }) => seq === number)) {
      const is = hash.startsWith(mark.hash) && (mark.root ?? rootOf(peaks)) === rootOf(peaks);
      must(is && (mark.origin ?? origin) === origin, `it is another ledger than ${mark.who} has`);
      found[kept.includes(mark) ? 'seen' : 'pins'].push(`${mark.who} has it up to entry ${number}`);
      if (kept.includes(mark)) found.held = number;
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
      const texts = Object.values(form).every((one) => typeof one === 'string' || one === seq);
      must(texts && is({ hash, entry: form }), `it is not number ${seq} in the form of one`);
      const time = Date.parse(at);
      must(!Number.isNaN(time) && new Date(time).toISOString() === at, 'its time is none');
      must(prev === found.head, 'its "prev" is not the hash of the entry before');
      // What stands after "entry": and before the line's last brace is what the chain hashes.
      must(sha256(text.slice(83, -1)).toString('hex') === hash, 'it does not have the hash that it states');
      const said = JSON.parse(body);
      must(isRecord(said) && canonical(said) === body, 'its body is not the canonical JSON of one');
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
      const known = is(form) && isPart(part) && isJust({ 'bot?': isMark, 'executor?': isMark })(pins);
      must(known, 'it begins like no export that is known here');
      if (part && !(kept.length > 0 && kept.every(({ root }) => root))) throw new Misuse(partial);
      for (const [who, pin] of Object.entries(pins))
        if (pin.seq > 0) marks.push({ who: `the ${who}`, ...pin });
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
    if (error instanceof Misuse) throw error;
    if (error.syscall) throw new Misuse(error.message);
    off = shown(`${where}: ${error.message}`.slice(0, 500));
  }
  return { off, ...found };
}

/** What somebody kept, as a word of the command line names it. Throws Misuse for what says nothing of a ledger. */
export function keptBy(word) {
  const [, seq, hash] = /^([1-9]\d{0,14}):([0-9a-f]{12,64})$/.exec(word) ?? [];
  if (hash) return { who: word, seq: Number(seq), hash };
  const [, origin, size, root, head] = given(() => readFileSync(word, 'utf8')).match(checkpoint) ?? [];
  if (!head) throw new Misuse(`${word} is no whole checkpoint, of one entry at least, and no NUMBER:HASH`);
  return { who: word, seq: Number(size), hash: head, root, origin };
}
const checkpoint =
  /^(pocketcoder\/ledger\/[0-9a-f]{64})\n([1-9]\d{0,14})\n([A-Za-z0-9+/]{43}=)\nhead ([0-9a-f]{64})\n/;

/** What reading gives. Throws Misuse where it cannot be read. */
function given(read) {
  try {
    return read();
  } catch (error) {
    throw new Misuse(error.message);
  }
}

async function main([name, ...words]) {
  if (name === undefined) throw new Misuse('node verify.mjs FILE [CHECKPOINT…] takes an export');
  const kept = words.map(keptBy);
  const fd = given(() => openSync(name));
  const f = await verify(createReadStream('', { fd }), kept);
  process.exitCode = f.off ? 1 : 0;
  if (f.off) return console.log(`OFF: ${f.off}. The ${f.entries} entries before that hold.`);
  const part = f.part && `, a part, ${shown(f.part)}: ${f.omitted} are left out but for their hashes`;
  const held = f.held ? `Up to entry ${f.held} it is what somebody kept.` : 'It was held to no checkpoint.';
  console.log(`HOLDS: ${f.entries} entries${part}. ${held}
Checked:
- bytes and chain: each entry has the hash it states, and states that of the one before; the last is ${f.head};
  outputs and files have the size and SHA-256 that their entries state
- life: of ${f.requested} actions ${f.claimed} ran, each once, after as many answers as the policy took, or a lease, of people
  who might approve it then and when it began
- what somebody kept: ${shown(f.seen.join('; ')) || 'nothing was given'}. Its own checkpoint, to be kept elsewhere:
    ${f.checkpoint.trimEnd().replaceAll('\n', '\n    ')}
Not known from this file:
- what came after entry ${f.entries}, or whether others were told of another ledger: ask who keeps a checkpoint
- whether a device gave the answer that stands here (its signature was judged when it came, and is not in a ledger), and
  what its card showed`);
  if (f.held < f.entries)
    console.log(`- who made what stands after entry ${f.held}: nothing that was given reaches there`);
  if (f.pins.length > 0)
    console.log(
      `- whether ${f.pins.join(', and ')}: the file says so, and whoever forges one writes that too`,
    );
  if (f.omitted)
    console.log('- what is left out says: a freeze, a revocation or another claim may be among it');
}

if (realpathSync(process.argv[1] ?? '.') === import.meta.filename)
  await main(process.argv.slice(2)).catch((error) => {
    if (!(error instanceof Misuse)) throw error;
    console.error(shown(`${error.message}. Nothing was verified.`));
    process.exitCode = 64;
  });
