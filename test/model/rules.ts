/** The very modules that the ledger's hook, the executor and the audit judge by: all that the model takes from the product. */

export { effectOf, readsOf } from '../../ledger/rules/answers.cjs';
export { canonical } from '../../ledger/rules/canonical.cjs';
export { idOf } from '../../ledger/rules/id.cjs';
export { refusal } from '../../ledger/rules/judge.cjs';
export { isFrozen, isOver, lifecycle, rights, stateOf } from '../../ledger/rules/lifecycle.cjs';
export { defaultPolicy, type Policy, type Term } from '../../ledger/rules/policy.cjs';
export { empty, fold, grantOf, type State } from '../../ledger/rules/state.cjs';
export { type Asked, makeAction, sha256, withReads } from '../../ledger/src/action.ts';
export type { Entry } from '../../ledger/src/entry.ts';
