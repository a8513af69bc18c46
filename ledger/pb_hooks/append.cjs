// Judges a proposed entry from the chain itself and links it, in one transaction. Runs in goja.
const { hashed, refusal } = require('../rules/judge.cjs');
const { headOf, stateAt, storyOf, wasGiven } = require('./head.cjs');

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
      const head = headOf(tx);
      const state = stateAt(tx, head);
      const action = record.getString('action');
      const story = action ? storyOf(tx, action) : [];
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
      const given = (lease) => wasGiven(tx, lease);
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
