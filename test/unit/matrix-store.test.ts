import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeKey } from '../../bot/crypto/keys.ts';

type Line = { identity?: string; session?: string; index?: number };

/** One life of the child: killed after so many messages. */
async function life(dir: string, messages: number): Promise<Line[]> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'matrix-store-child.ts'), dir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  const lines: Line[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(JSON.parse(line) as Line);
    if (lines.length === messages) child.kill('SIGKILL');
  }
  assert.deepEqual(await ended, [null, 'SIGKILL']);
  return lines;
}

test('keys survive kill -9, and no message key is ever used twice', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'store-'));
  const used = new Set<string>();
  const identities = new Set<string>();
  let sent = 0;
  for (const messages of [2, 7, 30, 61, 45, 12]) {
    const [first, ...rest] = await life(dir, messages);
    identities.add(first?.identity ?? '');
    for (const { session, index } of rest) used.add(`${session} ${index}`);
    sent += rest.length;
  }
  rmSync(dir, { recursive: true, force: true });
  assert.equal(identities.size, 1);
  assert.equal(used.size, sent);
  assert.ok(sent > 140);
});

test('keys sort as bytes the way IndexedDB sorts them', () => {
  const rank = (v: unknown): number => ['number', 'date', 'string', 'binary', 'array'].indexOf(kind(v));
  const kind = (v: unknown): string =>
    v instanceof Date ? 'date' : v instanceof Uint8Array ? 'binary' : Array.isArray(v) ? 'array' : typeof v;
  const compare = (a: unknown, b: unknown): number => {
    if (kind(a) !== kind(b)) return Math.sign(rank(a) - rank(b));
    if (a instanceof Date || typeof a === 'number') return Math.sign(Number(a) - Number(b));
    const [x, y] = [a, b] as [ArrayLike<unknown>, ArrayLike<unknown>];
    const at = (v: ArrayLike<unknown>, i: number) => (typeof v === 'string' ? v.charCodeAt(i) : v[i]);
    for (let i = 0; i < Math.min(x.length, y.length); i++) {
      const c = compare(at(x, i), at(y, i));
      if (c !== 0) return c;
    }
    return Math.sign(x.length - y.length);
  };
  const scalar = fc.oneof(
    fc.double({ noNaN: true }),
    fc.date({ noInvalidDate: true }),
    fc.string({ unit: 'binary' }),
    fc.uint8Array({ maxLength: 4 }),
  );
  const key = fc.oneof(scalar, fc.array(scalar, { maxLength: 3 }));
  fc.assert(
    fc.property(key, key, (a, b) => {
      assert.equal(Buffer.compare(encodeKey(a), encodeKey(b)), compare(a, b));
    }),
    { numRuns: 3000 },
  );
});
