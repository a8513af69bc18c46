// Judges a proposed entry from the chain itself and links it, in one transaction. Runs in goja.
const { hashed, refusal } = require('../rules/judge.cjs');
const { empty, fold, grantOf, judgedKinds, pass } = require('../rules/state.cjs');

const columns = 'id, seq, prev, at, author, kind, action, body, hash';
const row = { id: '', seq: 0, prev: '', at: '', author: '', kind: '', action: '', body: '', hash: '' };
const judged = judgedKinds.map((kind) => `'${kind}'`).join(', ');

function select(tx, rest, params) {
  const rows = arrayOf(new DynamicModel(row));
  tx.db().newQuery(`SELECT ${columns} FROM entries ${rest}`).bind(params).all(rows);
  return rows.map((r) => {
    const entry = {};
    for (const name of Object.keys(row)) entry[name] = r[name];
    return entry;
  });
}

/** The state of the chain as this machine last folded it: never of an entry that may yet be rolled back. */
let kept = empty();

/**
 * The state at the head. Other machines append too, so it goes on from what this one kept; where the chain does not have that, from
 * the beginning.
 */
function stateAt(tx, head) {
  if (!head) return empty();
  if (head.hash === kept.hash) return kept;
  const has =
    select(tx, 'WHERE seq = {:seq} AND hash = {:hash}', { seq: kept.seq, hash: kept.hash }).length > 0;
  const state = has ? kept : empty();
  const after = { seq: state.seq };
  kept = empty(); // until all of it is folded: what breaks off half-way is not gone on with
  for (const entry of select(tx, `WHERE seq > {:seq} AND kind IN (${judged}) ORDER BY seq`, after))
    fold(state, entry);
  const latest = new DynamicModel({ at: '' });
  tx.db().newQuery('SELECT MAX(at) AS at FROM entries WHERE seq > {:seq}').bind(after).one(latest);
  pass(state, { seq: head.seq, hash: head.hash, at: latest.at });
  kept = state;
  return state;
}

/** Refuses with a code that reaches the client as `data.entry.code`: messages are reformatted on their way. */
function refuse(code) {
  throw new BadRequestError(`Entry refused: ${code}`, {
    entry: new ValidationError(code, `refused: ${code}`),
  });
}

function append(e) {
  const outer = e.app;
  outer.runInTransaction((tx) => {
    // Whatever runs further down must use the transaction: the plain app would wait for it for ever.
    e.app = tx;
    try {
      const record = e.record;
      const [head] = select(tx, 'ORDER BY seq DESC LIMIT 1', {});
      const state = stateAt(tx, head);
      const action = record.getString('action');
      const storyOf = (id) => select(tx, 'WHERE action = {:action} ORDER BY seq', { action: id });
      const story = action ? storyOf(action) : [];
      const entry = {
        action,
        at: new Date().toISOString(),
        author: record.getString('author'),
        body: record.getString('body'),
        id: record.id,
        kind: record.getString('kind'),
        prev: head ? head.hash : '',
        seq: head ? head.seq + 1 : 1,
      };
      const sha256 = (text) => $security.sha256(text);
      const given = (lease) => typeof lease === 'string' && lease !== '' && storyOf(lease).some(grantOf);
      const code = refusal(entry, { story, state, now: entry.at, sha256, given });
      if (code) refuse(code);
      for (const name of ['at', 'prev', 'seq']) record.set(name, entry[name]);
      record.set('hash', sha256(hashed(entry)));
      e.next();
    } finally {
      e.app = outer;
    }
  });
}

module.exports = { append };
