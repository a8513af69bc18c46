// The chain as a machine of the hook reads it: rows of entries, and the state at the head, kept from append to append. Runs in goja.
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

/** An action's entries, oldest first. */
const storyOf = (tx, action) => select(tx, 'WHERE action = {:action} ORDER BY seq', { action });

/** Whether a lease of this id was ever given. */
const wasGiven = (tx, lease) => lease !== '' && storyOf(tx, lease).some(grantOf);

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
 * the beginning, but for leases that are over.
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

/** The last entry, or nothing before the first. */
const headOf = (tx) => select(tx, 'ORDER BY seq DESC LIMIT 1', {})[0];

module.exports = { headOf, stateAt, storyOf, wasGiven };
