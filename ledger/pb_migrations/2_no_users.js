/// <reference path="../pb_data/types.d.ts" />
// PocketBase makes a collection of its own for people, where whoever is signed in may write. Nobody here is one of them.
migrate(
  (app) => {
    const [users] = app.findAllCollections().filter(({ name }) => name === 'users');
    if (users) app.delete(users);
  },
  () => {
    throw new Error('the ledger is never migrated down');
  },
);
