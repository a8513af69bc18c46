import assert from 'node:assert/strict';
import { test } from 'node:test';
import { enrolled } from '../../ledger/rules/identities.cjs';
import { isFrozen } from '../../ledger/rules/lifecycle.cjs';
import { newId } from '../../ledger/src/action.ts';
import {
  enrol,
  memoryLedger,
  owner,
  someAction,
  start,
  type Wanted,
  wayOf,
} from '../harness/ledger-chain.ts';

type Scene = ReturnType<typeof memoryLedger> & {
  way: Wanted[];
  upTo(kind: string): void;
  next(kind: string): Wanted;
};

/** A ledger with the owner enrolled and an action on its way. */
function scene(action = someAction(), grade = 'sealed'): Scene {
  const ledger = memoryLedger();
  const way = wayOf(action, grade);
  assert.equal(ledger.put(enrol), '');
  const next = (kind: string) => {
    const found = way.find((w) => w.kind === kind);
    assert.ok(found);
    return found;
  };
  const upTo = (kind: string) => {
    for (const entry of way.slice(0, way.indexOf(next(kind)) + 1))
      assert.equal(ledger.put(entry), '', entry.kind);
  };
  return { ...ledger, way, next, upTo };
}
const withBody = (wanted: Wanted, over: object): Wanted => ({ ...wanted, body: { ...wanted.body, ...over } });
const frozen: Wanted = { author: 'operator', kind: 'frozen', body: { reason: 'test' } };
const thawed: Wanted = { author: 'operator', kind: 'thawed', body: { reason: 'test' } };
const revoked: Wanted = { author: 'operator', kind: 'identity.revoked', body: { user: owner.user } };
const lost: Wanted = { ...revoked, body: { user: owner.user, device: owner.device } };
const changed: Wanted = { author: 'bot', kind: 'identity.changed', body: { user: owner.user } };
const evidence = { user: owner.user, device: owner.device, event: '$tap', form: 'chip' };

/** Each: what happens before the approval, what is approved, and the code. The first row is the genuine one. */
const approvals: [string, (s: Scene) => void, object, string][] = [
  ['in time, by the owner', () => {}, {}, ''],
  ['at the last moment', (s) => (s.clock.now = start + 300_000), {}, ''],
  ['a millisecond late', (s) => (s.clock.now = start + 300_001), {}, 'late'],
  ['with another digest', () => {}, { digest: 'f'.repeat(64) }, 'digest'],
  ['without a digest', () => {}, { digest: null }, 'digest'],
  ['at grade plain', () => {}, { grade: 'plain' }, 'grade'],
  ['at no grade', () => {}, { grade: 'constructor' }, 'grade'],
  ['signed by the enrolled device', () => {}, { grade: 'signed' }, ''],
  [
    'signed by another device',
    () => {},
    { grade: 'signed', evidence: { ...evidence, device: 'X' } },
    'not_enrolled',
  ],
  ['by somebody else', () => {}, { evidence: { ...evidence, user: '@other:home' } }, 'not_enrolled'],
  ['by nobody', () => {}, { evidence: null }, 'not_enrolled'],
  ['while frozen', (s) => s.put(frozen), {}, 'frozen'],
  ['after the thaw', (s) => [frozen, thawed].map(s.put), {}, ''],
  ['after the revocation of the user', (s) => s.put(revoked), {}, 'not_enrolled'],
  ['after the revocation of the device', (s) => s.put(lost), {}, 'not_enrolled'],
  ['after the identity changed', (s) => s.put(changed), {}, 'not_enrolled'],
  ['by a tap, enrolled again since the card', (s) => [revoked, enrol].map(s.put), {}, 'grade'],
  ['signed, enrolled again since the card', (s) => [revoked, enrol].map(s.put), { grade: 'signed' }, ''],
  ['with the clock gone back', (s) => (s.clock.now = start - 1), {}, 'clock_back'],
];
for (const [name, before, body, code] of approvals)
  test(`approval ${name}: ${code || 'allowed'}`, () => {
    const s = scene();
    s.upTo('posted');
    before(s);
    assert.equal(s.put(withBody(s.next('approved'), body)), code);
  });

const claims: [string, (s: Scene) => void, object, string][] = [
  ['in time', () => {}, {}, ''],
  ['at the last moment', (s) => (s.clock.now = start + 60_000), {}, ''],
  ['a millisecond late', (s) => (s.clock.now = start + 60_001), {}, 'late'],
  ['with another digest', () => {}, { digest: 'f'.repeat(64) }, 'digest'],
  ['while frozen', (s) => s.put(frozen), {}, 'frozen'],
  ['frozen since, though thawed', (s) => [frozen, thawed].map(s.put), {}, 'frozen'],
  ['after the revocation of the approver', (s) => s.put(revoked), {}, 'revoked'],
  ['after the identity changed', (s) => s.put(changed), {}, 'revoked'],
  ['with the clock gone back', (s) => (s.clock.now = start - 1), {}, 'clock_back'],
];
for (const [name, before, body, code] of claims)
  test(`claim ${name}: ${code || 'allowed'}`, () => {
    const s = scene();
    s.upTo('approved');
    before(s);
    assert.equal(s.put(withBody(s.next('claimed'), body)), code);
  });

test('what asks for signed is not approved by sealed', () => {
  const s = scene(someAction({ grade: 'signed' }));
  s.upTo('posted');
  assert.equal(s.put(s.next('approved')), 'grade');
  assert.equal(s.put(withBody(s.next('approved'), { grade: 'signed' })), '');
});

test('a denial after the approval ends it before the claim', () => {
  const s = scene();
  s.upTo('approved');
  const digest = (s.next('claimed').body as { digest: string }).digest;
  assert.equal(
    s.put({ author: 'bot', kind: 'denied', action: s.next('claimed').action ?? '', body: { digest } }),
    '',
  );
  assert.equal(s.put(s.next('claimed')), 'lifecycle');
});

const other = newId();
const requests: [string, object, string][] = [
  ['as it should be', {}, ''],
  ['with another id inside', { id: other }, 'action_id'],
  ['of an unknown kind', { kind: 'toString' }, 'class'],
  ['of a lower class than its kind', { class: 'read' }, 'class'],
  ['of a higher grade', { grade: 'signed' }, ''],
  ['of grade plain', { grade: 'plain' }, 'grade'],
  ['with no time to decide', { decide_within: 0 }, 'clock'],
  ['with a time that is text', { decide_within: '300' }, 'clock'],
  ['with ever to run', { execute_within: 1e9 }, 'clock'],
  ['by a requester that is none', { requester: 'server' }, 'body_invalid'],
  ['without a workspace', { workspace: '' }, 'body_invalid'],
  ['without arguments', { args: null }, 'body_invalid'],
];
for (const [name, over, code] of requests)
  test(`request ${name}: ${code || 'allowed'}`, () => {
    const s = scene();
    assert.equal(s.put(withBody(s.next('requested'), over)), code);
  });

test('an enrolment needs all its keys', () => {
  for (const key of Object.keys(owner))
    assert.equal(memoryLedger().put(withBody(enrol, { [key]: '' })), 'body_invalid', key);
});

test('a device enrolled under a new master key replaces those under the old one', () => {
  const ledger = memoryLedger();
  for (const body of [owner, { ...owner, device: 'TABLET' }]) ledger.put({ ...enrol, body });
  assert.deepEqual(
    enrolled(ledger.state.people).map((d) => d.device),
    ['PHONE', 'TABLET'],
  );
  ledger.put({ ...enrol, body: { ...owner, master: 'NEW', device: 'THIRD' } });
  assert.deepEqual(
    enrolled(ledger.state.people).map((d) => d.device),
    ['THIRD'],
  );
});

test('frozen lasts until thawed', () => {
  const ledger = memoryLedger();
  const states = [frozen, thawed, frozen].map((entry) => {
    assert.equal(ledger.put(entry), '');
    return isFrozen(ledger.state);
  });
  assert.deepEqual(states, [true, false, true]);
});
