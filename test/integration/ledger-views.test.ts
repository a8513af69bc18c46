/** What people browse in the dashboard is what the rules make of the chain, and nobody can write it. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import fc from 'fast-check';
import { enrolled } from '../../ledger/rules/identities.cjs';
import { lifecycle, stateOf } from '../../ledger/rules/lifecycle.cjs';
import { startLedger } from '../harness/ledger.ts';
import { enrol, memoryLedger, someAction, type Wanted, wayOf } from '../harness/ledger-chain.ts';
import { type Step, steps, wantedBy } from '../harness/random-chain.ts';

const plain = (rows: unknown): unknown => JSON.parse(JSON.stringify(rows));
type Enrolled = ReturnType<typeof enrolled>[number];
const devicesIn = (all: readonly Enrolled[]): string[] =>
  all.map((d) => [d.user, d.device, d.master, d.ed25519, d.curve25519, d.role].join(' ')).sort();

test('the views show the actions and the approvers of any chain as the rules have them', async (t) => {
  const ledger = await startLedger();
  const folder = await mkdtemp(join(tmpdir(), 'ledger-views-'));
  t.after(() => Promise.all([ledger.stop(), rm(folder, { recursive: true })]));
  await ledger.kill();
  await ledger.copy(':/data', folder);
  const db = new DatabaseSync(join(folder, 'data', 'data.db'));
  t.after(() => db.close());
  const columns = ['id', 'seq', 'prev', 'at', 'author', 'kind', 'action', 'body', 'hash'] as const;
  const insert = db.prepare(`INSERT INTO entries (${columns}) VALUES (${columns.map(() => '?')})`);
  const seen = new Set<string>();

  const compare = (all: readonly Step[]): void => {
    const { entries, state, clock, put } = memoryLedger();
    for (const step of all) {
      clock.now += Math.max(0, step.wait) * 1000;
      put(wantedBy(step, state, entries));
    }
    db.exec('BEGIN');
    try {
      for (const e of entries) insert.run(...columns.map((name) => e[name]));
      const shown = db.prepare('SELECT * FROM approvers').all() as unknown as Enrolled[];
      assert.deepEqual(devicesIn(shown), devicesIn(enrolled(state.people)));
      const requests = entries.filter((e) => e.kind === 'requested');
      const expected = requests.map((requested, i) => {
        const story = entries.filter((e) => e.action === requested.action);
        const { kind, args, workspace } = JSON.parse(requested.body);
        return {
          id: requested.action,
          number: i + 1,
          state: stateOf(story),
          workspace,
          summary: `${kind} ${args.script ?? args.path ?? args.user ?? ''}`,
          seq: story.findLast((e) => Object.hasOwn(lifecycle, e.kind))?.seq,
        };
      });
      assert.deepEqual(plain(db.prepare('SELECT * FROM actions ORDER BY number').all()), plain(expected));
      for (const e of entries) seen.add(e.kind);
    } finally {
      db.exec('ROLLBACK');
    }
  };
  fc.assert(fc.property(steps, compare), { numRuns: 60, endOnFailure: true });
  for (const kind of ['identity.changed', 'identity.revoked', 'applied', 'stop', 'lease.granted'])
    assert.ok(seen.has(kind), `no chain has ${kind}`);
});

test('every identity reads the views as they stand now, and none writes them', async (t) => {
  const ledger = await startLedger();
  t.after(() => ledger.stop());
  const action = someAction();
  for (const { author, ...entry } of [enrol, ...wayOf(action)] satisfies Wanted[])
    await (await ledger.connect(author as 'bot' | 'executor' | 'operator')).append(entry);
  for (const name of ['bot', 'executor', 'operator', 'auditor'] as const) {
    const entered = await fetch(`${ledger.url}/api/collections/${name}/auth-with-password`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ identity: `${name}@ledger.invalid`, password: ledger.passwords[name] }),
    });
    const { token } = (await entered.json()) as { token: string };
    const headers = { authorization: token, 'content-type': 'application/json' };
    const records = async (view: string) => {
      const answer = await fetch(`${ledger.url}/api/collections/${view}/records`, { headers });
      return ((await answer.json()) as { items: Record<string, unknown>[] }).items;
    };
    const [shown, ...more] = await records('actions');
    assert.deepEqual(more, []);
    const { collectionId: _, collectionName: __, ...row } = shown ?? {};
    const summary = 'bash echo hello';
    assert.deepEqual(row, {
      ...{ id: action.id, number: 1, state: 'succeeded', workspace: 'work', summary, seq: 7 },
    });
    assert.deepEqual(
      (await records('approvers')).map(({ user, device, role, seq }) => ({ user, device, role, seq })),
      [{ user: '@owner:home', device: 'PHONE', role: 'owner', seq: 1 }],
    );
    // PocketBase's own collections are there as well, but for the one where anybody who signed in could write.
    assert.equal((await fetch(`${ledger.url}/api/collections/users/records`, { headers })).status, 404);
    const own = [
      'bot',
      'executor',
      'operator',
      'auditor',
      '_superusers',
      '_externalAuths',
      '_mfas',
      '_otps',
      '_authOrigins',
    ];
    for (const of of own) {
      const mail = {
        email: `${name}.new@ledger.invalid`,
        password: 'long enough',
        passwordConfirm: 'long enough',
      };
      const body = JSON.stringify({
        ...mail,
        collectionRef: 'x',
        recordRef: 'x',
        method: 'x',
        provider: 'x',
        providerId: 'x',
      });
      const answer = await fetch(`${ledger.url}/api/collections/${of}/records`, {
        method: 'POST',
        headers,
        body,
      });
      assert.equal(answer.status, 403, `${name} in ${of}`);
    }
    for (const view of ['actions', 'approvers']) {
      const body = JSON.stringify({ state: 'approved', role: 'owner' });
      const of = `${ledger.url}/api/collections/${view}/records`;
      for (const [method, url] of [
        ['POST', of],
        ['PATCH', `${of}/${row['id']}`],
        ['DELETE', `${of}/${row['id']}`],
      ] as const)
        assert.notEqual((await fetch(url, { method, headers, body })).ok, true, `${method} ${view}`);
    }
  }
});
