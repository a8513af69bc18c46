/// <reference path="../pb_data/types.d.ts" />
// Indexes for what is read at every entry since there are policies and leases; people's roles in the dashboard.
migrate(
  (app) => {
    const entries = app.findCollectionByNameOrId('entries');
    entries.removeIndex('entries_control');
    entries.addIndex('entries_kind', false, 'kind, seq', '');
    entries.addIndex('entries_leased', false, "json_extract(body, '$.lease')", "kind = 'leased'");
    app.save(entries);
    const approvers = app.findCollectionByNameOrId('approvers');
    approvers.fields.add(new TextField({ name: 'role', max: 40 }));
    app.save(approvers);
  },
  () => {
    throw new Error('the ledger is never migrated down');
  },
);
