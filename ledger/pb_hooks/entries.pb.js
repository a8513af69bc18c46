/// <reference path="../pb_data/types.d.ts" />
// The one write path. PocketBase runs each handler in a machine of its own that sees nothing of this file, hence the
// requires inside.

onRecordCreateRequest((e) => {
  e.record.set('author', e.auth ? e.auth.collection().name : '');
  e.next();
}, 'entries');

// The model hook, not the request's: nothing that saves an entry gets around it.
onRecordCreate((e) => {
  const { append } = require(`${__hooks}/append.cjs`);
  append(e);
}, 'entries');
