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
          'CREATE INDEX entries_kind ON entries (kind, seq)',
          "CREATE UNIQUE INDEX entries_requested ON entries (action) WHERE kind = 'requested'",
          "CREATE UNIQUE INDEX entries_claimed ON entries (action) WHERE kind = 'claimed'",
        ],
      }),
    );
    // Views, for people to browse: nothing is written for them, and no judgement reads them.
    const view = (name, viewQuery) =>
      app.save(
        new Collection({ ...nobody, type: 'view', name, viewQuery, listRule: readers, viewRule: readers }),
      );
    view(
      'actions',
      `SELECT asked.action AS id, CAST(ROW_NUMBER() OVER (ORDER BY asked.seq) AS INT) AS number, latest.kind AS state,
         CAST(asked.body ->> 'workspace' AS TEXT) AS workspace,
         CAST(substr(asked.body ->> 'kind' || ' ' || COALESCE(asked.body ->> '$.args.script', asked.body ->> '$.args.path',
           asked.body ->> '$.args.user', ''), 1, 190) AS TEXT) AS summary,
         latest.seq AS seq
       FROM entries asked JOIN entries latest ON latest.seq = (
         SELECT MAX(seq) FROM entries WHERE action = asked.action AND kind NOT IN ('stop', 'lease.granted', 'named'))
       WHERE asked.kind = 'requested'`,
    );
    // An enrolment stands until its device, or its user, is taken back or enrolled anew: what state.cjs folds, as SQL.
    view(
      'approvers',
      `SELECT id, CAST(user AS TEXT) AS user, CAST(device AS TEXT) AS device, CAST(master AS TEXT) AS master,
         CAST(ed25519 AS TEXT) AS ed25519, CAST(curve25519 AS TEXT) AS curve25519, CAST(role AS TEXT) AS role, seq
       FROM (
         WITH said AS (
           SELECT id, seq, kind, body FROM entries WHERE kind IN ('identity.enrolled', 'identity.changed', 'identity.revoked')
           UNION ALL SELECT id, seq, body ->> 'kind', body -> 'args' FROM entries WHERE kind = 'applied'),
         stated AS (
           SELECT id, seq, kind, body, body ->> 'user' AS user, body ->> 'device' AS device, body ->> 'master' AS master
           FROM said WHERE kind LIKE 'identity.%' OR kind IN ('device', 'role')),
         standing AS (
           SELECT id, seq, user, device, master, body ->> 'ed25519' AS ed25519, body ->> 'curve25519' AS curve25519,
             COALESCE((SELECT body ->> 'role' FROM stated WHERE user = now.user AND kind IN ('identity.enrolled', 'role')
               AND body ->> 'role' <> '' ORDER BY seq DESC LIMIT 1), 'owner') AS role
           FROM stated now
           WHERE kind IN ('identity.enrolled', 'device') AND NOT EXISTS (
             SELECT 1 FROM stated later WHERE later.seq > now.seq AND later.user = now.user AND CASE later.kind
               WHEN 'role' THEN 0
               WHEN 'identity.changed' THEN 1
               WHEN 'identity.revoked' THEN COALESCE(later.device, '') IN ('', now.device)
               ELSE later.device = now.device OR later.master <> now.master END))
         SELECT id, user, device, master, ed25519, curve25519, role, seq FROM standing WHERE role <> 'none')`,
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
    // INSERT OR REPLACE deletes without firing a DELETE trigger, so an insert must be the next link and a new id. The plus keeps the
    // index over kinds out of the search for an action's request or claim.
    refuse(
      'entries_only_append',
      'INSERT',
      `NEW.seq <> (SELECT COALESCE(MAX(seq), 0) + 1 FROM entries)
       OR NEW.prev <> COALESCE((SELECT hash FROM entries ORDER BY seq DESC LIMIT 1), '')
       OR EXISTS (SELECT 1 FROM entries WHERE id = NEW.id)
       OR (NEW.kind IN ('requested', 'claimed')
         AND EXISTS (SELECT 1 FROM entries WHERE action = NEW.action AND +kind = NEW.kind))`,
    );
  },
  () => {
    throw new Error('the ledger is never migrated down');
  },
);
