/// <reference path="../pb_data/types.d.ts" />
// Collections, rights to read, and the triggers that hold whatever PocketBase's own rules would let through.
migrate(
  (app) => {
    const settings = app.settings();
    settings.logs.minLevel = 4; // warnings: an action's text has no place in a log
    settings.batch.enabled = false;
    app.save(settings);

    const nobody = { listRule: null, viewRule: null, createRule: null, updateRule: null, deleteRule: null };
    const names = ['bot', 'executor', 'operator', 'auditor'];
    for (const name of names)
      app.save(
        new Collection({
          ...nobody,
          type: 'auth',
          name,
          authRule: '',
          authAlert: { enabled: false },
          passwordAuth: { enabled: true, identityFields: ['email'] },
        }),
      );
    const is = (name) => `@request.auth.collectionName = '${name}'`;
    const readers = names.map(is).join(' || ');
    const writers = names
      .filter((name) => name !== 'auditor')
      .map(is)
      .join(' || ');
    const text = (name, max, required) => ({ type: 'text', name, max, required: required === true });
    const whole = (name) => ({ type: 'number', name, onlyInt: true });

    app.save(
      new Collection({
        ...nobody,
        type: 'base',
        name: 'entries',
        listRule: readers,
        viewRule: readers,
        createRule: writers,
        fields: [
          whole('seq'),
          text('prev', 64),
          text('at', 40),
          text('author', 40),
          text('kind', 40, true),
          text('action', 15),
          text('body', 1000000, true),
          text('hash', 64),
          { type: 'file', name: 'transcript', maxSelect: 1, maxSize: 1073741824, protected: true },
        ],
        indexes: [
          'CREATE UNIQUE INDEX entries_seq ON entries (seq)',
          'CREATE INDEX entries_action ON entries (action, seq)',
          "CREATE INDEX entries_control ON entries (kind, seq) WHERE action = ''",
          "CREATE UNIQUE INDEX entries_requested ON entries (action) WHERE kind = 'requested'",
          "CREATE UNIQUE INDEX entries_claimed ON entries (action) WHERE kind = 'claimed'",
        ],
      }),
    );
    // What follows are projections: for people to browse, never read by a judgement.
    app.save(
      new Collection({
        ...nobody,
        type: 'base',
        name: 'actions',
        listRule: readers,
        viewRule: readers,
        fields: [
          whole('number'),
          text('state', 40, true),
          text('workspace', 40),
          text('summary', 200),
          whole('seq'),
        ],
        indexes: ['CREATE UNIQUE INDEX actions_number ON actions (number)'],
      }),
    );
    app.save(
      new Collection({
        ...nobody,
        type: 'base',
        name: 'approvers',
        listRule: readers,
        viewRule: readers,
        fields: [
          text('user', 255, true),
          text('device', 255, true),
          text('master', 255),
          text('ed25519', 255),
          text('curve25519', 255),
          whole('seq'),
        ],
      }),
    );

    const refuse = (name, when, condition) =>
      app
        .db()
        .newQuery(
          `CREATE TRIGGER ${name} BEFORE ${when} ON entries WHEN ${condition}
           BEGIN SELECT RAISE(ABORT, 'entries are append-only'); END`,
        )
        .execute();
    refuse('entries_no_update', 'UPDATE', '1');
    refuse('entries_no_delete', 'DELETE', '1');
    // INSERT OR REPLACE deletes without firing a DELETE trigger, so an insert must be the next link and a new id.
    refuse(
      'entries_only_append',
      'INSERT',
      `NEW.seq <> (SELECT COALESCE(MAX(seq), 0) + 1 FROM entries)
       OR NEW.prev <> COALESCE((SELECT hash FROM entries ORDER BY seq DESC LIMIT 1), '')
       OR EXISTS (SELECT 1 FROM entries WHERE id = NEW.id)
       OR EXISTS (SELECT 1 FROM entries WHERE action = NEW.action AND kind = NEW.kind AND kind IN ('requested', 'claimed'))`,
    );
  },
  () => {
    throw new Error('the ledger is never migrated down');
  },
);
