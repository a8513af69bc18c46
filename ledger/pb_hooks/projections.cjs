// What people browse in the dashboard: derived from the chain in the entry's own transaction, never read by a judgement.
const { enrolled } = require('../rules/identities.cjs');
const { lifecycle } = require('../rules/lifecycle.cjs');
const { peopleAfter } = require('../rules/state.cjs');

/** One line that tells an action from others in a list. */
function summary(request) {
  const { script, path, user } = request.args;
  const what = [script, path, user].find((text) => typeof text === 'string') || '';
  return `${request.kind} ${what}`.slice(0, 190);
}

function projectAction(tx, entry) {
  if (entry.kind !== 'requested') {
    // Plain SQL: a record's own update costs more than all the judging, and every decision waits for it.
    tx.db()
      .newQuery('UPDATE actions SET state = {:kind}, seq = {:seq} WHERE id = {:action}')
      .bind({ kind: entry.kind, seq: entry.seq, action: entry.action })
      .execute();
    return;
  }
  const request = JSON.parse(entry.body);
  const top = new DynamicModel({ number: 0 });
  tx.db().newQuery('SELECT COALESCE(MAX(number), 0) AS number FROM actions').one(top);
  const record = new Record(tx.findCachedCollectionByNameOrId('actions'));
  record.set('id', entry.action);
  record.set('number', top.number + 1);
  record.set('workspace', request.workspace);
  record.set('summary', summary(request));
  record.set('state', entry.kind);
  record.set('seq', entry.seq);
  tx.save(record);
}

function projectApprovers(tx, people) {
  for (const record of tx.findAllRecords('approvers')) tx.delete(record);
  for (const device of enrolled(people)) {
    const record = new Record(tx.findCachedCollectionByNameOrId('approvers'));
    for (const name of Object.keys(device)) record.set(name, device[name]);
    tx.save(record);
  }
}

/** @param entry as it was just written, `people` those before it */
function project(tx, entry, people) {
  if (entry.action && Object.hasOwn(lifecycle, entry.kind)) projectAction(tx, entry);
  const after = peopleAfter(people, entry);
  if (after !== people) projectApprovers(tx, after);
}

module.exports = { project };
