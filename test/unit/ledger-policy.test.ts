/** Terms of a policy: what is none, what two of them ask for at once, and what a grant needs of those it holds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  defaultPolicy,
  longestWait,
  type Policy,
  policyFault,
  risks,
  stricter,
  type Term,
  termOf,
} from '../../ledger/rules/policy.cjs';

const term = (over: Partial<Term> = {}): Term => ({ ...(defaultPolicy['exec'] as Term), ...over });
const withTerm = (risk: string, over: object): Policy => ({
  ...defaultPolicy,
  [risk]: { ...(defaultPolicy[risk] as Term), ...over },
});

test('a term out of its bounds makes no policy, one at its bounds does', () => {
  const rows: [object, RegExp | ''][] = [
    [{ form: 'poll' }, ''],
    [{ form: 'reaction' }, /no form/],
    [{ decide_within: 1 }, ''],
    [{ decide_within: 0 }, /no decide_within/],
    [{ decide_within: 1.5 }, /no decide_within/],
    [{ decide_within: longestWait }, ''],
    [{ decide_within: longestWait + 1 }, /no decide_within/],
    [{ execute_within: 1, grace: 0 }, ''],
    [{ execute_within: 0 }, /no execute_within/],
    [{ execute_within: longestWait + 1 }, /no execute_within/],
    [{ execute_within: 10, grace: 9 }, ''],
    [{ execute_within: 10, grace: 10 }, /no grace/],
    [{ grace: -1 }, /no grace/],
    [{ grade: 'signed', approvers: 9, devices: 9 }, ''],
    [{ grade: 'signed', approvers: 10 }, /no approvers/],
    [{ grade: 'signed', devices: 10 }, /no approvers/],
    [{ grade: 'signed', devices: 0 }, /no approvers/],
  ];
  for (const risk of risks)
    for (const [over, why] of rows) {
      const fault = policyFault(withTerm(risk, over));
      if (why) assert.match(fault, why, `${risk} ${JSON.stringify(over)}`);
      else assert.equal(fault, '', `${risk} ${JSON.stringify(over)}`);
    }
  for (const over of [{ approvers: 2 }, { devices: 2 }])
    assert.match(policyFault(withTerm('exec', { grade: 'sealed', ...over })), /needs grade signed/);
  for (const risk of risks)
    assert.equal(policyFault(withTerm(risk, { mode: 'never' })) === '', risk !== 'control', risk);
  for (const none of [null, [], 'x', {}]) assert.notEqual(policyFault(none), '');
});

test('the stricter of two terms asks for whatever either asks for', () => {
  const pairs: [Partial<Term>, Partial<Term>][] = [
    [{ mode: 'never' }, { mode: 'ask' }],
    [{ mode: 'never' }, { mode: 'lease' }],
    [{ mode: 'ask' }, { mode: 'lease' }],
    [{ grade: 'signed' }, { grade: 'sealed' }],
    [{ form: 'poll' }, { form: 'chip' }],
    [{ decide_within: 5 }, { decide_within: 6 }],
    [{ execute_within: 5 }, { execute_within: 6 }],
    [{ grace: 6 }, { grace: 5 }],
    [{ approvers: 3 }, { approvers: 2 }],
    [{ devices: 3 }, { devices: 2 }],
  ];
  for (const [strict, lax] of pairs) {
    assert.deepEqual(stricter(term(strict), term(lax)), term(strict));
    assert.deepEqual(stricter(term(lax), term(strict)), term(strict));
  }
});

test('a lease or a plan needs what each action that it holds would', () => {
  const read = { kind: 'read_file', args: { path: 'a', offset: 0, limit: 1 } };
  const write = { kind: 'write_file', args: { path: 'a', content: '' } };
  const holding: { kind: string; args: Record<string, unknown> }[] = [
    { kind: 'lease', args: { of: 'write_file', path: '', uses: 1, seconds: 1 } },
    { kind: 'lease', args: { acts: [read, write], uses: 1, seconds: 1 } },
    { kind: 'plan', args: { steps: [read, write], seconds: 1 } },
  ];
  for (const asked of holding) {
    assert.deepEqual(termOf(defaultPolicy, asked), defaultPolicy['control']);
    const two = withTerm('write', { grade: 'signed', approvers: 2, decide_within: 7 });
    assert.deepEqual(termOf(two, asked), { ...defaultPolicy['control'], approvers: 2, decide_within: 7 });
    assert.equal(termOf(withTerm('write', { mode: 'never' }), asked)?.mode, 'never');
    assert.equal(termOf(withTerm('exec', { mode: 'never' }), asked)?.mode, 'ask', 'what it does not hold');
  }
  const unknown = { kind: 'plan', args: { steps: [{ kind: 'toString', args: {} }], seconds: 1 } };
  assert.equal(termOf(defaultPolicy, unknown), undefined);
});
