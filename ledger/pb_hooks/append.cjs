// Judges a proposed entry from the chain itself and links it, in one transaction. Runs in goja.
const { controlKinds } = require('../src/lifecycle.cjs');
const { hashed, refusal } = require('../src/rules.cjs');
const { project } = require('./projections.cjs');

const columns = 'id, seq, prev, at, author, kind, action, body, hash';
const row = { id: '', seq: 0, prev: '', at: '', author: '', kind: '', action: '', body: '', hash: '' };

function select(tx, rest, params) {
  const rows = arrayOf(new DynamicModel(row));
  tx.db().newQuery(`SELECT ${columns} FROM entries ${rest}`).bind(params).all(rows);
  return rows.map((r) => {
    const entry = {};
    for (const name of Object.keys(row)) entry[name] = r[name];
    return entry;
  });
}

/** How often a lease was used: its entries are found by an index over the lease that their bodies name. */
function countUses(tx, lease) {
  const count = new DynamicModel({ uses: 0 });
  const query =
    "SELECT COUNT(*) AS uses FROM entries WHERE kind = 'leased' AND json_extract(body, '$.lease') = {:lease}";
  tx.db().newQuery(query).bind({ lease }).one(count);
  return count.uses;
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
      const kinds = controlKinds.map((kind) => `'${kind}'`).join(', ');
      const control = select(tx, `WHERE kind IN (${kinds}) ORDER BY seq`, {});
      const action = record.getString('action');
      const story = action ? select(tx, 'WHERE action = {:action} ORDER BY seq', { action }) : [];
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
      const uses = (lease) => countUses(tx, lease);
      const code = refusal(entry, { story, control, head: head || null, now: entry.at, sha256, uses });
      if (code) refuse(code);
      for (const name of ['at', 'prev', 'seq']) record.set(name, entry[name]);
      record.set('hash', sha256(hashed(entry)));
      e.next();
      project(tx, entry, control);
    } finally {
      e.app = outer;
    }
  });
}

module.exports = { append };
