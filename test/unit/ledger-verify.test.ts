/** What the verifier of an export refuses: single histories that no rule lets stand, files and checkpoints that say less than they seem to. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { readsOf } from '../../ledger/rules/answers.cjs';
import { canonical } from '../../ledger/rules/canonical.cjs';
import { idOf } from '../../ledger/rules/id.cjs';
import { defaultPolicy, type Term } from '../../ledger/rules/policy.cjs';
import { type Action, type Asked, digestOf, makeAction, newId, sha256 } from '../../ledger/src/action.ts';
import type { Entry } from '../../ledger/src/entry.ts';
import { exported, headOf, readable, relinked, resealed, verified } from '../harness/export.ts';
import { refusedBy } from '../harness/forger.ts';
import { files, fullDay } from '../harness/full-day.ts';
import {
  controlWay,
  enrol,
  imported,
  owner,
  person,
  start,
  type Wanted,
  wayOf,
} from '../harness/ledger-chain.ts';

/** A chain of these, a second apart, as nobody judged it. */
const chainOf = (all: readonly Wanted[]): Entry[] =>
  relinked(
    all.map(({ author, kind, action = '', body, id }, i) => ({
      ...{ author, kind, action, body: canonical(body), seq: 0, prev: '', transcript: '' },
      id: id ?? (kind === 'requested' ? action : newId()),
      at: new Date(start + i * 1000).toISOString(),
    })),
  );
const offOf = async (entries: readonly Entry[]) =>
  (await verified(await exported(readable(entries), {}))).off;

const tablet = { ...person('owner', 'TABLET'), master: owner.master };
const ann = person('ann');
const enrolled = (body: object): Wanted => ({ author: 'operator', kind: 'identity.enrolled', body });
const reads = { uses: 3, seconds: 500 };
const term = (over: object): Term => ({ ...(defaultPolicy['exec'] as Term), ...over });
const policySet = (over: object): Wanted => ({
  ...{ author: 'operator', kind: 'policy.set' },
  body: { policy: { ...defaultPolicy, ...over } },
});
const run = { kind: 'bash', args: { script: 'true', cwd: '.', env: {}, timeout: 9 } };
const read = { kind: 'read_file', args: { path: 'src/a', offset: 0, limit: 10 } };
const write = (path: string) => ({ kind: 'write_file', args: { path, content: '' } });
/** As it is asked for under the default policy, with what is said otherwise. */
const action = (what: { kind: string; args: object }, over: object = {}): Action =>
  ({
    ...makeAction(
      { workspace: 'work', task: 'task', requester: 'brain', ...what } as unknown as Asked,
      defaultPolicy,
    ),
    ...over,
  }) as Action;
const control = (kind: string, args: object): Action => action({ kind, args }, { requester: '@owner:home' });
/** An action from its request to its end by a lease. */
function leased(of: Action, lease: string, use = 1): Wanted[] {
  const [asked, , , ...on] = wayOf(of);
  const body = { digest: digestOf(of), lease, use };
  return [asked as Wanted, { author: 'bot', kind: 'leased', action: of.id, body }, ...on];
}
const leaseOf = (args: object): Action => control('lease', { uses: 3, seconds: 600, ...args });
function below(what: { kind: string; args: object }, args: object, ...between: Wanted[]): Wanted[] {
  const lease = leaseOf(args);
  return [enrol, enrolled(tablet), ...controlWay(lease), ...between, ...leased(action(what), lease.id)];
}
const inSrc = { of: 'read_file', path: 'src' };
/** The same lease again, whose first use was the last. */
function again(uses: number): Wanted[] {
  const lease = leaseOf({ ...inSrc, uses });
  return [enrol, ...controlWay(lease), ...[1, 2].flatMap((use) => leased(action(read), lease.id, use))];
}
const policy = (over: object): Wanted[] =>
  controlWay(control('policy', { policy: { ...defaultPolicy, ...over } }));
/** What was leased, with a policy before it begins. */
function leasedUnder(over: object): Wanted[] {
  const way = below(read, inSrc);
  return [...way.slice(0, -3), ...policy(over), ...way.slice(-3)];
}
/** Decided by the message that asks for it. */
function said(what: { kind: string; args: object }): Wanted[] {
  const of = action(what, { requester: '@owner:home', grade: 'signed', id: idOf('$said', sha256) });
  return [enrol, ...answered(of, [{ ...mine, event: '$said', form: 'command' }])];
}
const freeze: Wanted[] = ['frozen', 'thawed'].map((kind) => ({ author: 'operator', kind, body: {} }));
/** Reads that a card leased, approved by a tap, and what is read by them after these. */
function readBy(what: { kind: string; args: object }, ...between: Wanted[]): Wanted[] {
  const first = action(run, { reads });
  const [asked, posted, approved, claimed, ...on] = wayOf(first) as [
    Wanted,
    Wanted,
    Wanted,
    Wanted,
    ...Wanted[],
  ];
  const story = chainOf([asked, posted, approved]);
  const body = readsOf(first, digestOf(first), story);
  const granted = { author: 'executor', kind: 'lease.granted', action: first.id, body };
  const before = [policySet({ read: term({ reads }) }), enrol, enrolled(tablet)];
  return [
    ...before,
    asked,
    posted,
    approved,
    claimed,
    granted,
    ...on,
    ...between,
    ...leased(action(what), first.id),
  ];
}
/** The way of an action that these answered in turn. */
function answered(of: Action, by: readonly object[], grade = 'signed'): Wanted[] {
  const [asked, posted, , ...on] = wayOf(of);
  const answers = by.map((evidence, i) => ({
    ...{ author: 'bot', kind: i < by.length - 1 ? 'endorsed' : 'approved', action: of.id },
    body: { digest: digestOf(of), grade, evidence },
  }));
  return [asked as Wanted, posted as Wanted, ...answers, ...on];
}
const [mine, hers] = [owner, ann].map(({ user, device }) => ({
  user,
  device,
  event: '$e',
  form: 'poll',
})) as [object, object];
const two = { approvers: 2, grade: 'signed' };
const byTwo = (requester: string): Wanted[] => [
  ...[policySet({ exec: term(two) }), enrol, enrolled({ ...ann, role: 'approves' })],
  ...answered(action(run, { ...two, requester }), [hers, mine]),
];
const role = (user: string, role: string): Wanted[] => controlWay(control('role', { user, role }));
function between(...all: Wanted[]): Wanted[] {
  const [asked, posted, approved, ...on] = answered(action(run), [hers]) as [
    Wanted,
    Wanted,
    Wanted,
    ...Wanted[],
  ];
  return [enrol, enrolled({ ...ann, role: 'approves' }), asked, posted, approved, ...all, ...on];
}
function named(times: number): Wanted[] {
  const of = action(run);
  const [asked, ...on] = wayOf(of) as [Wanted, ...Wanted[]];
  const body = { digest: digestOf(of), files: [] };
  const said: Wanted = { author: 'executor', kind: 'named', action: of.id, body };
  return [enrol, asked, ...Array<Wanted>(times).fill(said), ...on];
}
const ended = (over: object): Wanted[] => {
  const way = wayOf(action(run));
  const last = way.at(-1) as Wanted;
  return [enrol, ...way.slice(0, -1), { ...last, body: { ...last.body, ...over } }];
};

/** What no rule lets stand, beside what they do. */
const histories: readonly [string, Wanted[], Wanted[], RegExp][] = [
  [
    'a lease of what git obeys',
    below(write('src/b'), { of: 'write_file', path: 'src' }),
    below(write('src/.git/hooks/x'), { of: 'write_file', path: 'src' }),
    /\(leased\): its lease was given for something else/,
  ],
  [
    'a lease of files without a path',
    below(read, { of: 'read_file', path: '' }),
    below({ ...read, args: { ...read.args, path: 'undefined/a' } }, { of: 'read_file' }),
    /\(requested\): its arguments/,
  ],
  [
    'a lease of the network as files',
    below(read, { of: 'read_file', path: 'src' }),
    below({ kind: 'egress', args: { path: 'x' } }, { of: 'egress', path: '' }),
    /\(requested\): its arguments/,
  ],
  [
    'a class that is a list',
    [enrol, ...answered(action(run, { grade: 'signed' }), [mine])],
    [enrol, ...answered(action(run, { grade: 'signed', class: ['exec'] }), [mine])],
    /\(requested\): its kind is of another class/,
  ],
  [
    'a class that there is not',
    [enrol, ...wayOf(action(read))],
    [enrol, ...answered(action(read, { grade: 'signed', kind: '', class: 'none' }), [mine])],
    /\(requested\): its kind is of another class/,
  ],
  [
    'a device of a stranger',
    [enrol, ...controlWay(control('device', tablet))],
    [enrol, ...controlWay(control('device', ann))],
    /\(requested\): it cannot be had/,
  ],
  [
    'demoted and promoted between answer and claim',
    between(...role(owner.user, 'owner')),
    between(...role(ann.user, 'asks'), ...role(ann.user, 'approves')),
    /\(claimed\): who approved it was not enrolled/,
  ],
  [
    'who asked counted among two',
    byTwo('brain'),
    byTwo('@owner:home'),
    /\(approved\): who asked is one of several/,
  ],
  [
    'one person counted as two',
    byTwo('brain'),
    [
      ...[policySet({ exec: term(two) }), enrol, enrolled(tablet)],
      ...answered(action(run, two), [mine, { ...mine, device: tablet.device }]),
    ],
    /\(approved\): it takes more people or devices/,
  ],
  [
    'reads by a tap, after a device was revoked',
    readBy(read),
    readBy(read, {
      author: 'operator',
      kind: 'identity.revoked',
      body: { user: tablet.user, device: tablet.device },
    }),
    /\(leased\): who gave its lease may not/,
  ],
  [
    'a whole file by a lease of reads',
    readBy(read),
    readBy({ kind: 'get_file', args: { path: 'src/a' } }),
    /\(leased\): its lease was given for something else/,
  ],
  [
    'what a push brings by a lease of reads',
    readBy(read),
    readBy({ kind: 'push_look', args: { branch: '' } }),
    /\(leased\): its lease was given for something else/,
  ],
  [
    'a device without a name, and a signed answer of it',
    [enrol, ...answered(action(run), [mine])],
    [enrolled({ ...owner, device: '' }), ...answered(action(run), [{ user: owner.user, device: '' }])],
    /\(identity\.enrolled\): it enrols no device/,
  ],
  [
    'what the policy lets run no more',
    between(...policy({})),
    between(...policy({ exec: term({ mode: 'never' }) })),
    /\(claimed\): the policy lets none of its class run/,
  ],
  [
    'a grace that is not over',
    [policySet({ exec: term({ grace: 1 }) }), enrol, ...wayOf(action(run, { grace: 1 }))],
    [policySet({ exec: term({ grace: 2 }) }), enrol, ...wayOf(action(run, { grace: 2 }))],
    /\(claimed\): it had to wait/,
  ],
  [
    'more reads than the policy has',
    [policySet({ read: term({ reads }) }), enrol, ...wayOf(action(run, { reads }))],
    [policySet({ read: term({ reads }) }), enrol, ...wayOf(action(run, { reads: { ...reads, uses: 4 } }))],
    /\(requested\): its card may not lease these reads/,
  ],
  [
    'a script by the message that asks for it',
    said({ kind: 'list', args: { path: 'src' } }),
    said(run),
    /\(approved\): the message that asks for it does not decide it/,
  ],
  [
    'a role that no owner approved',
    [enrol, enrolled({ ...ann, role: 'approves' }), ...role(ann.user, 'asks')],
    [
      enrol,
      enrolled({ ...ann, role: 'approves' }),
      ...controlWay(control('role', { user: ann.user, role: 'asks' }), [ann]),
    ],
    /\(approved\): it takes an owner/,
  ],
  [
    'a control action that runs',
    [enrol, ...controlWay(leaseOf(inSrc))],
    [enrol, ...wayOf(leaseOf(inSrc), 'signed')],
    /\(claimed\): nothing of its class runs/,
  ],
  [
    'a lease from before a freeze',
    [...freeze, ...below(read, inSrc)],
    below(read, inSrc, ...freeze),
    /\(leased\): all was frozen since its lease was given/,
  ],
  [
    'a lease that the policy takes more for by now',
    below(read, inSrc, ...policy({})),
    below(read, inSrc, ...policy({ control: term({ mode: 'ask', grade: 'signed', devices: 2 }) })),
    /\(leased\): the policy takes more for a lease by now/,
  ],
  [
    'a lease where the policy takes none by now',
    below(read, inSrc, ...policy({})),
    below(read, inSrc, ...policy({ read: term({ mode: 'ask' }) })),
    /\(leased\): the policy takes no lease for it/,
  ],
  [
    'what was leased, begun where the policy takes no lease by now',
    leasedUnder({}),
    leasedUnder({ read: term({ mode: 'ask' }) }),
    /\(claimed\): the policy takes no lease for it/,
  ],
  ['a lease that was used up', again(2), again(1), /\(leased\): its lease was used up/],
  ['named twice', named(1), named(2), /\(named\): .* it is named again/],
  ['bytes in quotes', ended({}), ended({ bytes: '3' }), /\(succeeded\): it states no number of bytes/],
  [
    'bytes that do not come',
    ended({}),
    ended({ bytes: 0, sha256: sha256(''), output: null }),
    /\(succeeded\): its bytes are not what it states/,
  ],
];

const beside = (author: string, kind: string, body: object): Wanted => ({ author, kind, body });
const made = beside('bot', 'workspace.created', { workspace: 'work', room: '!a' });
const brought = beside('operator', 'workspace.imported', { workspace: 'work', ...imported });
const taken = beside('operator', 'workspace.exported', { workspace: 'work', ...imported, form: 'patch' });
/** Reads that a card leased, with its grant changed. */
function granted(change: (grant: Wanted) => Wanted[]): Wanted[] {
  return readBy(read).flatMap((one) => (one.kind === 'lease.granted' ? change(one) : [one]));
}
const asking = (over: object, what: { kind: string; args: object } = run): Wanted[] => [
  enrol,
  ...wayOf(action(what, over)),
];
/** Single entries that no rule lets stand. What they would have to be is in the day that both take (ledger-agreement.test.ts). */
const single: readonly [Wanted[], RegExp][] = [
  [asking({ workspace: '' }), /\(requested\): it says not where/],
  [asking({ requester: 'eve' }), /\(requested\): it says not who asks/],
  [
    asking({}, { kind: 'lease', args: { ...inSrc, uses: 3, seconds: 9 } }),
    /\(requested\): the agent may not/,
  ],
  [[policySet({ exec: term({ mode: 'never' }) }), ...asking({})], /\(requested\): the policy lets none/],
  [
    [
      enrol,
      ...answered(action({ kind: 'list', args: { path: '' } }, { requester: '@owner:home' }), [
        { ...mine, form: 'command' },
      ]),
    ],
    /\(approved\): its message is that of another action/,
  ],
  [
    [...byTwo('brain').slice(0, 3), ...answered(action(run, two), [mine, mine])],
    /\(approved\): its device counts already/,
  ],
  [granted((grant) => [grant, grant]), /\(lease\.granted\): no card leased it, it was leased before/],
  [
    granted((grant) => [{ ...grant, body: { ...grant.body, task: 'other' } }]),
    /\(lease\.granted\): it leases what was not approved/,
  ],
  [[beside('bot', 'lease.ended', { lease: 'none' })], /\(lease\.ended\): there never was/],
  [[beside('bot', 'identity.changed', {})], /\(identity\.changed\): it names nobody/],
  [[beside('operator', 'policy.set', { policy: {} })], /\(policy\.set\): it is no policy/],
  [[enrol, policySet({})], /\(policy\.set\): somebody is enrolled/],
  [
    [beside('bot', 'server.removed', { workspace: 'work', name: 'own' })],
    /\(server\.removed\): no such server/,
  ],
  [
    [beside('bot', 'workspace.created', { workspace: 'Work', room: '!a' })],
    /\(workspace\.created\): it makes no workspace/,
  ],
  [[made, made], /\(workspace\.created\): there is such a workspace, or room/],
  [[brought, brought], /\(workspace\.imported\): there is such a workspace/],
  [[brought, taken], /\(workspace\.exported\): there is no such workspace/],
  [
    [made, { ...taken, body: { ...taken.body, tree: 'x' } }],
    /\(workspace\.exported\): it says not what went out/,
  ],
  [
    [
      { ...enrol, id: 'same' },
      { ...enrol, id: 'same' },
    ],
    /\(identity\.enrolled\): its id was used before/,
  ],
];

test('genuine-81 beside what no rule lets stand: rules and verifier take what is as it has to be', async () => {
  for (const [name, genuine] of histories) {
    const chain = chainOf(genuine);
    assert.deepEqual([(await refusedBy(chain)).why, await offOf(chain)], ['', ''], name);
  }
});

test('attack-81 single histories that the rules refuse are refused where they are, and for what they are', async () => {
  for (const [name, , forged, why] of histories) {
    const off = await offOf(chainOf(forged));
    assert.match(off, why, name);
    assert.ok(off.startsWith(`entry ${(await refusedBy(chainOf(forged))).seq} `), `${name}: ${off}`);
  }
  for (const [forged, why] of single) {
    const off = await offOf(chainOf(forged));
    assert.match(off, why);
    assert.ok(off.startsWith(`entry ${(await refusedBy(chainOf(forged))).seq} `), off);
  }
});

test('attack-81 an author or a time that is no text, or no time, is no entry', async () => {
  const [first] = chainOf([enrol]) as [Entry];
  assert.equal(await offOf([first]), '', 'the twin');
  for (const over of [
    { author: ['operator'] },
    { author: 7 },
    { at: start },
    { at: '2026-11-01' },
    { at: 'x' },
    { action: null },
  ])
    assert.match(
      await offOf(relinked([{ ...first, ...over } as unknown as Entry])),
      /^entry 1 /,
      JSON.stringify(over),
    );
});

const folder = mkdtempSync(join(tmpdir(), 'verify-'));
after(() => rmSync(folder, { recursive: true }));
const put = (name: string, bytes: string | Buffer): string => {
  writeFileSync(join(folder, name), bytes);
  return join(folder, name);
};
const verifies = (...words: string[]) =>
  spawnSync(process.execPath, ['ledger/verify/verify.mjs', ...words], { encoding: 'utf8' });

const day = fullDay();
const ledger = readable(day, files);

test('attack-81 a part is held by a kept root alone: the hash of its last entry lets what it leaves out be any', async () => {
  const genuine = await exported(ledger, { bot: headOf(day) }, { workspace: 'shop' });
  const { checkpoint } = await verified(await exported(ledger, {}));
  const kept = put('kept', checkpoint);
  const other = /"hash":"(.{64})","omitted":20}/.exec(String(genuine))?.[1] ?? '';
  const forged = resealed(Buffer.from(String(genuine).replace(other, 'f'.repeat(64))));
  const pair = `${day.length}:${day.at(-1)?.hash}`;
  const [part, changed] = [put('part', genuine), put('changed', forged)];
  const held = verifies(part, kept);
  assert.equal(held.status, 0, `the twin: ${held.stdout}${held.stderr}`);
  for (const words of [[part], [part, pair], [part, kept, pair], [changed, pair], [changed]]) {
    const { status, stdout, stderr } = verifies(...words);
    assert.deepEqual([status, stdout], [64, ''], words.join(' '));
    assert.match(stderr, /^It is a part, which is held by a root alone: .* Nothing was verified\.\n$/);
  }
  const off = verifies(changed, kept);
  assert.deepEqual([off.status, /^OFF: /.test(off.stdout)], [1, true], off.stdout);
});

test('attack-81 what says nothing of a ledger is no checkpoint, and is said to be none; the twins are compared', async () => {
  const whole = put('whole', await exported(ledger, { bot: headOf(day) }));
  const { checkpoint } = await verified(await exported(ledger, {}));
  const [origin, size, root, head] = checkpoint.split('\n') as [string, string, string, string];
  const hash = day[4]?.hash ?? '';
  const kept = (name: string, ...lines: string[]) => put(name, `${lines.join('\n')}\n`);
  for (const word of [
    ...[
      '0:000000000000',
      `0:${hash}`,
      `5:${hash.slice(0, 11)}`,
      `5:${hash}0`,
      `5:${hash.toUpperCase()}`,
      '5:',
      'none',
      '',
    ],
    put('empty', ''),
    put('cut', checkpoint.slice(0, -2)),
    kept('one', origin),
    kept('two', origin, size),
    kept('three', origin, size, root),
    kept('no root', origin, size, '', head),
    kept('short root', origin, size, root.slice(0, 8), head),
    kept('nothing', 'pocketcoder/ledger/', '0', root, 'head '),
    kept('zero', origin, '0', root, head),
    kept('number', origin, '0x5', root, head),
  ]) {
    const { status, stdout, stderr } = verifies(whole, word);
    assert.deepEqual([status, stdout], [64, ''], `${word}: ${stdout}`);
    assert.match(stderr, /Nothing was verified\.\n$/, word);
  }
  for (const words of [[], [join(folder, 'is not there')], [folder]])
    assert.equal(verifies(...words).status, 64);
  for (const word of [`5:${hash.slice(0, 12)}`, `5:${hash}`, put('kept', checkpoint)])
    assert.equal(verifies(whole, word).status, 0, word);
  for (const word of [
    `5:${'0'.repeat(12)}`,
    `${day.length + 1}:${hash}`,
    kept('other', origin, size, root, `head ${hash}`),
  ])
    assert.equal(verifies(whole, word).status, 1, word);
});

test('attack-81 a pin in the file that is none is found, and what its pins prove is said: whoever writes it anew writes them too', async () => {
  for (const bot of [
    {},
    { seq: 3 },
    { seq: '3', hash: day[2]?.hash },
    { seq: 3, hash: '' },
    { seq: 0, hash: day[2]?.hash },
    { seq: 3, hash: 'x' },
    null,
  ]) {
    const { off } = await verified(await exported(ledger, { bot } as never));
    assert.equal(off, 'its first line: it begins like no export that is known here', JSON.stringify(bot));
  }
  assert.match((await verified(await exported(ledger, { eve: headOf(day) }))).off, /^its first line/);
  const { stdout } = verifies(
    put('pins', await exported(ledger, { bot: headOf(day), executor: { seq: 0, hash: '' } })),
  );
  assert.match(stdout, /- who made what stands after entry 0: nothing that was given reaches there\n/);
  assert.match(
    stdout,
    /- whether the bot has it up to entry \d+: the file says so, and whoever forges one writes/,
  );
});

test('attack-81 what a file says moves no terminal and hides nothing: it is shown escaped', async () => {
  const evil = '\u001b[2K\r\u202Eno\u200B\u0007';
  const [first] = chainOf([enrol]) as [Entry];
  const forged = [
    { ...first, kind: evil },
    { ...first, author: evil },
    { ...first, at: evil },
  ].map((entry) => relinked([entry]));
  const head = (at: object) => `${JSON.stringify({ export: 'pocketcoder-ledger', version: 1, ...at })}\n`;
  const bytes = [
    ...(await Promise.all(forged.map((entries) => exported(readable(entries), {})))),
    head({ at: '', pins: { [evil]: headOf(day) } }),
    `{"${evil}`,
    `${evil}\n`,
  ];
  for (const some of bytes) {
    const { stdout, stderr, status } = verifies(put('evil', some));
    assert.equal(status, 1);
    assert.match(stdout + stderr, /^OFF: [ -~“”’]+\n$/);
  }
  const part = await exported(ledger, {}, { workspace: evil });
  const { checkpoint } = await verified(await exported(ledger, {}));
  const { stdout, status } = verifies(put('part', part), put('kept', checkpoint));
  assert.equal(status, 0);
  assert.match(stdout, /^[\n -~“”’]+$/);
});

test('genuine-81 a ledger without an entry is exported, and holds', async () => {
  const { stdout, status } = verifies(put('no entry', await exported(readable([]), {})));
  assert.equal(status, 0, stdout);
  assert.match(stdout, /^HOLDS: 0 entries\. It was held to no checkpoint\.\n/);
});
