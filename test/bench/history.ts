/** A ledger of months: tasks that each were approved once, read by what their card leased besides, and ended that. */

import { readsOf } from '../../ledger/rules/answers.cjs';
import { canonical } from '../../ledger/rules/canonical.cjs';
import { hashed } from '../../ledger/rules/judge.cjs';
import { defaultPolicy, type Policy, type Term } from '../../ledger/rules/policy.cjs';
import { type Asked, digestOf, makeAction, newId, sha256, withReads } from '../../ledger/src/action.ts';
import type { Entry } from '../../ledger/src/entry.ts';
import { enrol, type Wanted, wayOf } from '../harness/ledger-chain.ts';

const every = 600_000; // ms from task to task
export const policy: Policy = {
  ...defaultPolicy,
  read: { ...(defaultPolicy['read'] as Term), reads: { uses: 50, seconds: 600 } },
};

/** What an agent asks to run first in a task, with the reads that its card leases. */
export const action = (task: string) =>
  withReads(
    makeAction(
      {
        ...{ kind: 'bash', args: { script: 'make test', cwd: '.', env: {}, timeout: 60 } },
        ...{ workspace: 'work', task, requester: 'brain' },
      } as Asked,
      policy,
    ),
    policy,
  );

/** A linked chain of that many tasks, the last of them just now. Eight entries a task, two of them control entries, and two before the first. */
export function* history(tasks: number): Generator<Entry> {
  let head = { seq: 0, hash: '' };
  let now = Date.now() - (tasks + 1) * every;
  const next = ({ author, kind, action = '', body }: Wanted): Entry => {
    const id = kind === 'requested' ? action : newId();
    now += 1000;
    const at = new Date(now).toISOString();
    const entry = { id, seq: head.seq + 1, prev: head.hash, at, author, kind, action, body: canonical(body) };
    head = { seq: entry.seq, hash: sha256(hashed(entry)) };
    return { ...entry, hash: head.hash, transcript: '' };
  };
  yield next({ author: 'operator', kind: 'policy.set', body: { policy } });
  yield next(enrol);
  for (let i = 0; i < tasks; i++) {
    const asked = action(`task${i}`);
    const story: Entry[] = [];
    for (const wanted of wayOf(asked)) {
      const entry = next(wanted);
      story.push(entry);
      yield entry;
      if (wanted.kind !== 'claimed') continue;
      const body = readsOf(asked, digestOf(asked), story);
      yield next({ author: 'executor', kind: 'lease.granted', action: asked.id, body });
    }
    yield next({ author: 'bot', kind: 'lease.ended', body: { lease: asked.id, reason: 'the task is over' } });
    now += every - 10_000;
  }
}
