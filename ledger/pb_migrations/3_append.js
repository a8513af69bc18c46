/// <reference path="../pb_data/types.d.ts" />
// The trigger of before looked for an action's request or claim among all entries of that kind, ever since those have an index.
migrate(
  (app) => {
    app.db().newQuery('DROP TRIGGER entries_only_append').execute();
    // INSERT OR REPLACE deletes without firing a DELETE trigger, so an insert must be the next link and a new id. The plus keeps
    // the index over kinds out of it.
    app
      .db()
      .newQuery(
        `CREATE TRIGGER entries_only_append BEFORE INSERT ON entries
         WHEN NEW.seq <> (SELECT COALESCE(MAX(seq), 0) + 1 FROM entries)
           OR NEW.prev <> COALESCE((SELECT hash FROM entries ORDER BY seq DESC LIMIT 1), '')
           OR EXISTS (SELECT 1 FROM entries WHERE id = NEW.id)
           OR (NEW.kind IN ('requested', 'claimed')
             AND EXISTS (SELECT 1 FROM entries WHERE action = NEW.action AND +kind = NEW.kind))
         BEGIN SELECT RAISE(ABORT, 'entries are append-only'); END`,
      )
      .execute();
  },
  () => {
    throw new Error('the ledger is never migrated down');
  },
);
