/** An export and its verifier, which shares no code with what writes and judges the chain. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, test } from 'node:test';
import fc from 'fast-check';
import { createTree } from '../../ledger/audit/checkpoint.ts';
import { canonical } from '../../ledger/rules/canonical.cjs';
import { hashed } from '../../ledger/rules/judge.cjs';
import { defaultPolicy } from '../../ledger/rules/policy.cjs';
import { type Action, type Asked, digestOf, makeAction, newId, sha256 } from '../../ledger/src/action.ts';
import type { Entry } from '../../ledger/src/entry.ts';
import { exported, headOf, keptOf, readable, relinked, resealed, verified } from '../harness/export.ts';
import {
  controlWay,
  enrol,
  memoryLedger,
  owner,
  person,
  start,
  type Wanted,
  wayOf,
} from '../harness/ledger-chain.ts';

const output = Buffer.from(`Zoë\0${'a long output\n'.repeat(4000)}`);
const sent = Buffer.from('what somebody sends');
const bash = { kind: 'bash', args: { script: 'make «all»', cwd: '.', env: {}, timeout: 60 } } as const;
const action = (what: Pick<Asked, 'kind' | 'args'>, over: Partial<Asked> = {}): Action =>
  makeAction(
    { workspace: 'work', task: 'task', requester: '@owner:home', ...what, ...over } as Asked,
    defaultPolicy,
  );

/** A day of a ledger: runs, a file sent, an output of its own, a lease and its use, another device, a denial, a freeze, another workspace. */
function aDay(): Entry[] {
  const { entries, clock, put } = memoryLedger();
  const write = (...all: Wanted[]): void => {
    for (const wanted of all) {
      clock.now += 1000;
      assert.equal(put(wanted), '', wanted.kind);
    }
  };
  const beside = (name: string): object => Object.assign(entries.at(-1) as Entry, { transcript: name });
  const alarm = (reason: string): Wanted => ({ author: 'bot', kind: 'alarm', body: { reason } });
  write(enrol, ...wayOf(action(bash)));
  const long = wayOf(action(bash, { workspace: 'shop' }));
  write(...long.slice(0, -1));
  const digest = (long[3] as { body: { digest: string } }).body.digest;
  const body = { digest, exit: 0, signal: null, bytes: output.length, sha256: sha256(output) };
  write({ ...(long.at(-1) as Wanted), body });
  beside('output');
  const args = { path: 'a', sha256: sha256(sent), size: sent.length };
  const [request, ...rest] = wayOf(action({ kind: 'put_file', args }), 'signed');
  write(request as Wanted);
  beside('sent');
  write(...rest);
  const lease = action({ kind: 'lease', args: { acts: [bash], uses: 2, seconds: 600 } });
  write(...controlWay(lease));
  const used = action(bash, { requester: 'brain' });
  const [asked, , , ...on] = wayOf(used);
  const leased = { digest: digestOf(used), lease: lease.id, use: 1 };
  write(asked as Wanted, { author: 'bot', kind: 'leased', action: used.id, body: leased }, ...on);
  write({ author: 'bot', kind: 'lease.ended', body: { lease: lease.id } });
  write(
    ...controlWay(action({ kind: 'device', args: { ...person('owner', 'TABLET'), master: owner.master } })),
  );
  const denied = action(bash);
  write(...wayOf(denied).slice(0, 2));
  write({ author: 'bot', kind: 'denied', action: denied.id, body: { digest: digestOf(denied) } });
  write({ author: 'operator', kind: 'frozen', body: {} }, alarm('somebody looked'));
  write({ author: 'operator', kind: 'thawed', body: {} }, alarm('and went'));
  return entries;
}

const day = aDay();
const all = (entries: readonly Entry[], seenBy = entries): Promise<Buffer> =>
  exported(readable(entries, { output, sent }), {
    bot: headOf(seenBy.slice(0, -2)),
    executor: headOf(seenBy),
  });
let whole: Buffer;
before(async () => {
  whole = await all(day);
});

test('genuine-81 a whole export holds, in pieces of any size, and tells what it has', async () => {
  const { off, pins, ...found } = await verified(whole);
  assert.equal(off, '');
  const ran = day.filter(({ kind }) => kind === 'claimed').length;
  assert.deepEqual([found.entries, found.head, found.claimed], [day.length, day.at(-1)?.hash, ran]);
  assert.deepEqual(pins, [
    `the bot has it up to entry ${day.length - 2}`,
    `the executor has it up to entry ${day.length}`,
  ]);
  const file = mkdtempSync(join(tmpdir(), 'export-'));
  try {
    writeFileSync(join(file, 'ledger'), whole);
    writeFileSync(join(file, 'kept'), `${found.checkpoint}\n— a.witness c2ln\n`);
    const program = 'ledger/verify/verify.mjs';
    const run = (...words: string[]) =>
      spawnSync(process.execPath, [program, join(file, 'ledger'), ...words], { encoding: 'utf8' });
    const { stdout, status } = run(join(file, 'kept'), `3:${day[2]?.hash.slice(0, 12)}`);
    assert.equal(status, 0, stdout);
    assert.match(stdout, /^HOLDS: \d+ entries\. Up to entry \d+ it is what somebody kept\.\n/);
    assert.match(stdout, /kept has it up to entry \d+\. Its own checkpoint/);
    assert.match(stdout, new RegExp(`what came after entry ${day.length}`));
    const other = run(`3:${'0'.repeat(12)}`);
    assert.equal(other.status, 1);
    assert.match(
      other.stdout,
      /^OFF: entry 3 \(posted\): it is another ledger than 3:0{12} has\. The 2 entries before that hold\.\n$/,
    );
  } finally {
    rmSync(file, { recursive: true });
  }
});

/** Lines of the file with where they begin. */
function* linesOf(file: Buffer): Generator<{ from: number; to: number }> {
  for (let from = 0; from < file.length; ) {
    const to = file.indexOf(10, from) + 1;
    yield { from, to };
    from = to;
  }
}

test('attack-81 each byte of an export changed, taken out or put in is found, in each of its lines', async () => {
  const lines = [...linesOf(whole)];
  const line = fc.constantFrom(...lines);
  await fc.assert(
    fc.asyncProperty(
      line,
      fc.nat(),
      fc.constantFrom('flip', 'delete', 'insert'),
      fc.nat(7),
      fc.nat(255),
      async (where, n, how, bit, byte) => {
        const at = where.from + (n % (where.to - where.from));
        const [head, tail] = [whole.subarray(0, at), whole.subarray(at + 1)];
        const flipped = Buffer.of((whole[at] ?? 0) ^ (1 << bit));
        const put =
          how === 'flip' ? [flipped] : how === 'insert' ? [Buffer.of(byte), whole.subarray(at, at + 1)] : [];
        const changed = Buffer.concat([head, ...put, tail]);
        if (changed.equals(whole)) return;
        assert.notEqual((await verified(changed)).off, '', `${how} at ${at}`);
        // Who changed it closes the file again: all but what the first line says of time is held by what follows.
        if (where.from > 0 && where.to < whole.length)
          assert.notEqual((await verified(resealed(changed))).off, '', `${how} at ${at}, closed again`);
      },
    ),
    { numRuns: 500, endOnFailure: true },
  );
});

test('attack-81 entries cut off at the end, left out, doubled or put in another order are found, and named', async () => {
  const cut = day.slice(0, -3);
  const { off } = await verified(await all(cut, day));
  assert.match(off, /^its end: it has \d+ entries, and the bot has it up to \d+: the last are missing$/);
  for (let i = 0; i < day.length - 1; i++) {
    const place = { ...(day[i] as Entry), at: (day[i] as Entry).at.replace('T12', 'T11') };
    const alone = (await verified(await all(day.with(i, { ...place, hash: sha256(hashed(place)) })))).off;
    assert.match(
      alone,
      new RegExp(`^entry (${i + 1}|${i + 2}) `),
      'changed in its place, with its own right hash',
    );
    const swapped = day.with(i, day[i + 1] as Entry).with(i + 1, day[i] as Entry);
    for (const forged of [day.toSpliced(i, 1), day.toSpliced(i, 0, day[i] as Entry), swapped]) {
      const { off } = await verified(await all(forged));
      assert.match(off, new RegExp(`^entry ${i + 1}( |:)|^entry ${i + 2} `), `${i}: ${off}`);
    }
  }
});

test('attack-81 a history forged whole, with right hashes, in which something runs that nobody approved is found', async () => {
  const forged = async (change: (entries: Entry[]) => Entry[]) =>
    (await verified(await all(relinked(change(day))))).off;
  assert.equal(await forged((entries) => entries), '', 'the twin');
  const at = (kind: string, of = day) => of.findIndex((entry) => entry.kind === kind);
  const [approved, claimed, frozen, leased] = ['approved', 'claimed', 'frozen', 'leased'].map((kind) =>
    at(kind),
  ) as [number, number, number, number];
  const body = (i: number, over: object): Entry[] =>
    day.with(i, { ...(day[i] as Entry), body: canonical({ ...JSON.parse(day[i]?.body ?? ''), ...over }) });
  const mine = (kind: string, body: object, author = 'operator'): Entry =>
    ({
      ...day[0],
      id: newId(),
      kind,
      author,
      action: '',
      body: canonical(body),
      at: day[claimed]?.at ?? '',
    }) as Entry;
  const stories: [string, (entries: Entry[]) => Entry[], RegExp][] = [
    ['no approval', (e) => e.toSpliced(approved, 1), /\(claimed\): it may not follow on “posted”/],
    ['no card', (e) => e.toSpliced(approved - 1, 1), /\(approved\): it may not follow on “requested”/],
    [
      'claimed twice',
      (e) => e.toSpliced(claimed + 1, 0, { ...(e[claimed] as Entry), id: newId() }),
      /\(claimed\): it may not follow on “claimed”/,
    ],
    ['no enrolment', (e) => e.slice(1), /\(approved\): who approved it was not enrolled/],
    [
      'a stranger',
      () => body(approved, { evidence: { user: '@eve:home', device: 'X' } }),
      /\(approved\): who approved it was not/,
    ],
    ['a weaker grade', () => body(approved, { grade: 'plain' }), /\(approved\): an answer proves less/],
    [
      'another text',
      () => body(approved - 2, { args: { ...bash.args, script: 'rm -rf .' } }),
      /\(posted\): it names another text/,
    ],
    [
      'revoked before',
      (e) => e.toSpliced(claimed, 0, mine('identity.revoked', { user: owner.user })),
      /\(claimed\): who approved it was .*revoked/,
    ],
    ['frozen before', (e) => e.toSpliced(claimed, 0, mine('frozen', {})), /\(claimed\): all is frozen/],
    [
      'a freeze and thaw between',
      (e) => e.toSpliced(claimed, 0, mine('frozen', {}), mine('thawed', {})),
      /\(claimed\): all was frozen since/,
    ],
    [
      'claimed late',
      (e) =>
        e.map((one, i) =>
          i < claimed ? one : { ...one, at: new Date(Date.parse(one.at) + 3e6).toISOString() },
        ),
      /\(claimed\): its time was over/,
    ],
    [
      'a lease of something else',
      () => body(leased - 1, { workspace: 'shop' }),
      /\(leased\): it names another text/,
    ],
    ['a second use', () => body(leased, { use: 2 }), /\(leased\): it is not the next use/],
    [
      'by the agent’s part',
      (e) => e.with(frozen, { ...(e[frozen] as Entry), author: 'auditor' }),
      /\(frozen\): auditor may not write it/,
    ],
    [
      'an action of another life',
      (e) => [...e, { ...(e[claimed] as Entry), id: newId(), at: e.at(-1)?.at ?? '' }],
      /\(claimed\): it may not follow on “”/,
    ],
    [
      'bytes of another output',
      () => body(at('succeeded'), { output: 'no\n' }),
      /\(succeeded\): its bytes are not what it states/,
    ],
  ];
  for (const [name, change, why] of stories) assert.match(await forged(change), why, name);
});

test('genuine-81 a part holds for what it has, by the same checkpoint as the whole, and says what it leaves out', async () => {
  const pins = { bot: headOf(day), executor: headOf(day) };
  const { checkpoint } = await verified(whole);
  const kept = [keptOf(checkpoint)];
  const half = new Date(start + 30_000).toISOString();
  for (const part of [
    { workspace: 'work' },
    { workspace: 'shop' },
    { since: half },
    { since: half, workspace: 'work' },
    { workspace: 'none' },
  ]) {
    const file = await exported(readable(day, { output, sent }), pins, part);
    const found = await verified(file, kept);
    assert.equal(found.off, '', JSON.stringify(part));
    assert.equal(found.entries, day.length);
    assert.ok(found.omitted > 0 && found.checkpoint === checkpoint);
    assert.equal(file.includes('make «all»'), part.workspace !== 'none');
    const other = file
      .toString()
      .replace(
        /"hash":"(.)(.{63})","omitted":(\d+)/,
        (_, a, b, n) => `"hash":"${a === '0' ? 1 : 0}${b}","omitted":${n}`,
      );
    assert.notEqual((await verified(resealed(Buffer.from(other)), kept)).off, '');
  }
  const shop = (await exported(readable(day, { output, sent }), pins, { workspace: 'shop' })).toString();
  assert.ok(shop.includes('"kind":"identity.enrolled"') && !shop.includes('"kind":"denied"'));
});

test('the root is that of RFC 6962, computed from the definition', () => {
  const node = (prefix: number, data: Buffer) =>
    Buffer.from(sha256(Buffer.concat([Buffer.of(prefix), data])), 'hex');
  const rootOf = (leaves: readonly Buffer[]): Buffer => {
    if (leaves.length === 1) return node(0, leaves[0] as Buffer);
    const half = 2 ** (Math.ceil(Math.log2(leaves.length)) - 1);
    return node(1, Buffer.concat([rootOf(leaves.slice(0, half)), rootOf(leaves.slice(half))]));
  };
  const tree = createTree();
  const leaves: string[] = [];
  for (let n = 1; n <= 70; n++) {
    leaves.push(sha256(String(n)));
    tree.add(leaves.at(-1) ?? '');
    const root = rootOf(leaves.map((leaf) => Buffer.from(leaf, 'hex'))).toString('base64');
    assert.equal(
      tree.checkpoint(),
      `pocketcoder/ledger/${leaves[0]}\n${n}\n${root}\nhead ${leaves.at(-1)}\n`,
    );
  }
});
