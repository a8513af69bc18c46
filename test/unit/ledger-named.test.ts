/** What the executor says of the files that an action names, before its card is made: who may, when, and what. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { effectOf } from '../../ledger/rules/answers.cjs';
import { type Action, type Asked, digestOf, makeAction } from '../../ledger/src/action.ts';
import {
  aPolicy,
  controlWay,
  enrol,
  memoryLedger,
  putAll,
  someAction,
  verifyChain,
  type Wanted,
  wayOf,
} from '../harness/ledger-chain.ts';

const sum = 'a'.repeat(64);
const named = (action: Action, over: object = {}, author = 'executor'): Wanted => ({
  ...{ author, kind: 'named', action: action.id },
  body: { digest: digestOf(action), files: [{ path: 'deploy.sh', sha256: sum }], ...over },
});
function requested(action = someAction()) {
  const ledger = memoryLedger();
  const [request, ...more] = wayOf(action);
  assert.equal(putAll(ledger.put, [enrol, request as Wanted]), '');
  return { ...ledger, action, more };
}

test('it is the executor’s, once, between the request and the card; a chain without it stays whole', () => {
  const s = requested();
  assert.equal(s.put(named(s.action, {}, 'bot')), 'not_allowed');
  assert.equal(s.put(named(s.action, {}, 'operator')), 'not_allowed');
  assert.equal(s.put(named(s.action, { digest: 'x' })), 'digest');
  assert.equal(s.put(named(s.action)), '');
  assert.equal(s.put(named(s.action)), 'lifecycle');
  assert.equal(putAll(s.put, s.more), '');
  assert.ok(!('broken' in verifyChain(s.entries)));
  const late = requested();
  assert.equal(late.put(late.more[0] as Wanted), '');
  assert.equal(late.put(named(late.action)), 'lifecycle');
  assert.equal(putAll(late.put, late.more.slice(1)), '');
  assert.ok(!('broken' in verifyChain(late.entries)));
  assert.equal(late.put(named(late.action)), 'lifecycle');
});

test('it says paths and SHA-256, and nothing else; of what runs a script alone', () => {
  for (const over of [
    { files: undefined },
    { files: {} },
    { files: [{ path: 'x' }] },
    { files: [{ path: '', sha256: sum }] },
    { files: [{ path: 'x'.repeat(1025), sha256: sum }] },
    { files: [{ path: 'x', sha256: 'A'.repeat(64) }] },
    { files: [{ path: 'x', sha256: sum, mode: 1 }] },
    { files: [null] },
    { files: [{ path: 'x', sha256: [''] }] },
    { files: Array.from({ length: 33 }, (_, n) => ({ path: `${n}`, sha256: sum })) },
    { more: false },
    { note: 'x' },
  ]) {
    const s = requested();
    const { put, action } = s;
    const body = JSON.parse(JSON.stringify(named(action, over).body)) as object;
    assert.equal(put({ ...named(action), body }), 'body_invalid', JSON.stringify(over));
  }
  const s = requested();
  assert.equal(s.put(named(s.action, { files: [{ path: 'x', sha256: '' }], more: true })), '');
  const read = requested(someAction({ kind: 'list', args: { path: '.' }, class: 'read' } as Partial<Action>));
  assert.equal(read.put(named(read.action)), 'body_invalid');
});

test('what a plan’s card named is part of its effect, and of what stands: it can be neither left out nor put in', () => {
  const act = { kind: 'bash', args: { script: './deploy.sh', cwd: '.', env: {}, timeout: 9 } } as const;
  const asked = {
    kind: 'plan',
    args: { steps: [act], seconds: 600 },
    workspace: 'w',
    task: 't',
    requester: 'brain',
  };
  for (const says of [true, false]) {
    const plan = makeAction(asked as Asked, aPolicy());
    const ledger = memoryLedger();
    const [request, ...more] = controlWay(plan);
    const applied = more.pop() as Wanted;
    assert.equal(putAll(ledger.put, [enrol, request as Wanted, ...(says ? [named(plan)] : []), ...more]), '');
    const story = ledger.entries.filter((e) => e.action === plan.id);
    const body = effectOf(plan, digestOf(plan), story);
    const { body: files } = named(plan);
    const wrong = says ? applied.body : { ...applied.body, named: files };
    assert.equal(ledger.put({ ...applied, body: wrong }), 'body_invalid');
    assert.equal(ledger.put({ ...applied, body }), '');
    assert.deepEqual(ledger.state.grants.get(plan.id)?.named, says ? files : undefined);
    assert.ok(!('broken' in verifyChain(ledger.entries)));
  }
});
