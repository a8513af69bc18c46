// Judges a proposed entry from the chain itself and links it, in one transaction. Runs in goja.
const { hashed, refusal } = require('../rules/judge.cjs');
const {
  empty,
  fold,
  grantOf,
  grantsCountFor,
  lastingKinds,
  leasingKinds,
  pass,
} = require('../rules/state.cjs');

const row = { id: '', seq: 0, prev: '', at: '', author: '', kind: '', action: '', body: '', hash: '' };
const columns = Object.keys(row);
const listed = (kinds) => kinds.map((kind) => `'${kind}'`).join(', ');
const [lasts, leases] = [listed(lastingKinds), listed(leasingKinds)];

function select(tx, rest, params) {
  const rows = arrayOf(new DynamicModel(row));
  tx.db().newQuery(`SELECT ${columns} FROM entries ${rest}`).bind(params).all(rows);
  return rows.map((r) => Object.fromEntries(columns.map((name) => [name, r[name]])));
}

/** The one value that a query gives, of the type of `zero`. */
function valueIn(tx, zero, query, params) {
  const found = new DynamicModel({ value: zero });
  tx.db().newQuery(query).bind(params).one(found);
  return found.value;
}

/** The number from which on leases have to be read, for a machine that begins: whatever came of those before it is over. */
function firstLease(tx, latest, end) {
  const since = new Date(Date.parse(latest) - grantsCountFor).toISOString();
  const given = "SELECT MIN(seq) FROM entries WHERE kind IN ('applied', 'lease.granted') AND at >= {:since}";
  return valueIn(tx, 0, `SELECT COALESCE((${given}), {:end}) AS value`, { since, end });
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
  const [had] = select(tx, 'WHERE seq = {:seq} AND hash = {:hash}', { seq: kept.seq, hash: kept.hash });
  const state = had ? kept : empty();
  const { seq } = state;
  kept = empty(); // until all of it is folded: what breaks off half-way is not gone on with
  const at = valueIn(tx, '', 'SELECT MAX(at) AS value FROM entries WHERE seq > {:seq}', { seq });
  const from = had ? seq : firstLease(tx, at, head.seq);
  const counts = `(kind IN (${lasts}) OR (kind IN (${leases}) AND seq >= {:from}))`;
  for (const entry of select(tx, `WHERE seq > {:seq} AND ${counts} ORDER BY seq`, { seq, from }))
    fold(state, entry);
  pass(state, { seq: head.seq, hash: head.hash, at });
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
