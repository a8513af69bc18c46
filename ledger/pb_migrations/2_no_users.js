/// <reference path="../pb_data/types.d.ts" />
// PocketBase makes a collection of its own for people, where whoever is signed in may write. Nobody here is one of them.
migrate(
  (app) => app.delete(app.findCollectionByNameOrId('users')),
  () => {
    throw new Error('the ledger is never migrated down');
  },
);
