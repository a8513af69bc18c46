import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkout } from '../../console/instance/paths.ts';
import { canonical } from '../../ledger/rules/canonical.cjs';
import { refusals } from '../../ledger/rules/codes.cjs';
import { refusal } from '../../ledger/rules/judge.cjs';
import { lifecycle, rights } from '../../ledger/rules/lifecycle.cjs';
import { empty } from '../../ledger/rules/state.cjs';
import { digestOf, newId, sha256 } from '../../ledger/src/action.ts';
import { enrol, memoryLedger, someAction, type Wanted, wayOf } from '../harness/ledger-chain.ts';

const action = someAction();
const digest = digestOf(action);
const way = wayOf(action);
const end = (author: string, kind: string): Wanted => ({ author, kind, action: action.id, body: { digest } });

/** The entries that bring the action into each state. */
const into: Record<string, Wanted[]> = {
  '': [],
  requested: way.slice(0, 1),
  posted: way.slice(0, 2),
  approved: way.slice(0, 3),
  claimed: way.slice(0, 4),
  running: way.slice(0, 5),
  succeeded: way,
  denied: [...way.slice(0, 2), end('bot', 'denied')],
  expired: [...way.slice(0, 2), end('bot', 'expired')],
  void: [...way.slice(0, 1), end('bot', 'void')],
  failed: [...way.slice(0, 5), end('executor', 'failed')],
  killed: [...way.slice(0, 5), end('executor', 'killed')],
  unknown: [...way.slice(0, 4), end('executor', 'unknown')],
};
/** States of actions that a card alone does not bring about; test/unit/ledger-grants.test.ts and -quorum have them. */
const elsewhere = ['endorsed', 'leased', 'applied'];

// Written out here on purpose, apart from the table under test: what may follow what, and who may say it.
const allowed = new Set(
  `>requested:bot requested>posted:bot requested>void:bot posted>approved:bot posted>denied:bot posted>expired:bot
   posted>expired:executor posted>void:bot approved>claimed:executor approved>denied:bot approved>expired:bot
   approved>expired:executor approved>void:bot claimed>running:executor claimed>unknown:executor
   running>succeeded:executor running>failed:executor running>killed:executor running>unknown:executor
   requested>void:operator posted>void:operator approved>void:operator claimed>unknown:operator
   running>unknown:operator`.split(/\s+/),
);
/** The rest of the table, for the states and kinds of several answers, of leases and of control actions. */
const besides = new Set(
  `requested>leased:bot posted>endorsed:bot endorsed>endorsed:bot endorsed>approved:bot endorsed>denied:bot
   endorsed>expired:bot endorsed>expired:executor endorsed>void:bot approved>applied:bot leased>claimed:executor
   leased>denied:bot leased>expired:bot leased>expired:executor leased>void:bot
   endorsed>void:operator leased>void:operator`.split(/\s+/),
);
const authors = ['bot', 'executor', 'operator', 'auditor', '_superusers', '', 'toString'];

test('every state of the table can be reached', () => {
  assert.deepEqual([...Object.keys(into), ...elsewhere].sort(), Object.keys(lifecycle).sort());
});

test('the table and the rights together allow exactly what is written here', () => {
  const found = Object.entries(lifecycle).flatMap(([state, kinds]) =>
    kinds.flatMap((kind) =>
      authors.flatMap((author) =>
        Object.hasOwn(rights, author) && rights[author]?.includes(kind) ? [`${state}>${kind}:${author}`] : [],
      ),
    ),
  );
  assert.deepEqual(new Set(found), allowed.union(besides));
  const beside = Object.values(rights)
    .flat()
    .filter((kind) => !Object.hasOwn(lifecycle, kind));
  const writes = (kind: string) =>
    authors.filter((a) => Object.hasOwn(rights, a) && rights[a]?.includes(kind));
  for (const kind of beside) {
    const may = { 'policy.set': 'operator', thawed: 'operator', 'identity.enrolled': 'operator' }[kind];
    if (may) assert.deepEqual(writes(kind), [may], kind);
  }
});

for (const [state, entries] of Object.entries(into))
  test(`after "${state}": each kind by each author is allowed exactly as written`, () => {
    const ledger = memoryLedger();
    assert.equal(ledger.put(enrol), '');
    for (const entry of entries) assert.equal(ledger.put(entry), '');
    for (const kind of Object.keys(lifecycle).filter((k) => k !== '' && !elsewhere.includes(k)))
      for (const author of authors) {
        const fitting = way.find((w) => w.kind === kind) ?? end(author, kind);
        const trial = memoryLedger();
        for (const entry of [enrol, ...entries]) trial.put(entry);
        const code = trial.put({ ...fitting, author });
        const expected = allowed.has(`${state}>${kind}:${author}`);
        assert.equal(code === '', expected, `${state} → ${kind} by "${author}": ${code || 'allowed'}`);
        assert.equal(trial.entries.length, entries.length + 1 + (expected ? 1 : 0));
        if (!Object.hasOwn(rights, author) || !rights[author]?.includes(kind))
          assert.equal(code, 'not_allowed');
      }
  });

test('a stop is for what is claimed or running, and changes no state', () => {
  for (const [state, entries] of Object.entries(into)) {
    const ledger = memoryLedger();
    for (const entry of [enrol, ...entries]) ledger.put(entry);
    const code = ledger.put({ author: 'bot', kind: 'stop', action: action.id, body: {} });
    assert.equal(code, state === 'claimed' || state === 'running' ? '' : 'lifecycle', state);
    if (state === 'running') assert.equal(ledger.put(end('executor', 'killed')), '');
  }
});

test('kinds beside the lifecycle name no action, and lifecycle kinds must', () => {
  const ledger = memoryLedger();
  assert.equal(
    ledger.put({ author: 'bot', kind: 'alarm', action: newId(), body: { reason: 'x' } }),
    'no_action_here',
  );
  assert.equal(ledger.put({ author: 'bot', kind: 'posted', body: { digest } }), 'action_missing');
  assert.equal(ledger.put({ author: 'bot', kind: 'alarm', body: { reason: 'x' } }), '');
});

test('a body must be the canonical text of an object', () => {
  const context = {
    story: [],
    state: empty(),
    now: new Date().toISOString(),
    sha256,
    given: () => false,
  };
  const say = (body: string) =>
    refusal({ id: newId(), author: 'bot', kind: 'alarm', action: '', body }, context);
  assert.equal(say(canonical({ reason: 'x' })), '');
  for (const body of ['{"b":1,"a":2}', '{ "a":1}', '{"a":1.0}', '{"a":"\\ud800"}', 'x', '', '{"a":1,"a":1}'])
    assert.equal(say(body), 'not_canonical', body);
  for (const body of ['[]', 'null', '"x"', '1']) assert.equal(say(body), 'body_invalid', body);
});

test('every code in the table is one that the rules give; the compiler sees to it that they give no other', () => {
  const rules = globSync(join(checkout, 'ledger/rules/*.cjs')).filter((file) => !file.endsWith('codes.cjs'));
  const text = rules.map((file) => readFileSync(file, 'utf8')).join('');
  for (const code of Object.keys(refusals)) assert.ok(text.includes(`'${code}'`), code);
});
