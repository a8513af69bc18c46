/** What a proxy of a network lease prints: it faces the task and the world, so the executor believes little of it. */
import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { heardOf, type Lease } from '../../sandbox/src/egress.ts';

function scene() {
  const out = new PassThrough();
  const lease: Lease = { up: 0, down: 0, refused: [], why: '' };
  const ends: string[] = [];
  const ca = heardOf(out, lease, (why) => void ends.push(why));
  return { lease, ends, ca, say: (...lines: unknown[]) => lines.map((one) => out.emit('data', one)) };
}

test('a proxy’s lines are its CA, its counts, what it refused and its end, however they are cut', async () => {
  const s = scene();
  s.say('{"ready":"-----BEGIN', ' CERT"}\n{"up":1,"do', 'wn":20}\n\n');
  assert.equal(await s.ca, '-----BEGIN CERT');
  s.say(
    '{"refused":"GET https://a.org/x","why":"no lease covers it"}\n{"end":"its time was over","up":3,"down":21}\n',
  );
  assert.deepEqual(s.lease, {
    ...{ up: 3, down: 21, why: '' },
    refused: ['GET https://a.org/x: no lease covers it'],
  });
  assert.deepEqual(s.ends, ['its time was over']);
});

test('attack-38 a proxy that was taken over counts back, floods, and writes what is no word of its own; the twin is taken', () => {
  const s = scene();
  const refusals = Array.from(
    { length: 50 },
    (_, i) => `{"refused":"${i}\\u001b[2J${'x'.repeat(999)}","why":1}\n`,
  );
  s.say('{"up":7,"down":9}\n', '{"up":1,"down":-1}\n{"up":"8","down":9.5}\n{"up":null,"down":1e300}\n');
  s.say('null\n7\n"x"\n[]\n{"ready":7}\nno JSON\n', ...refusals);
  assert.deepEqual([s.lease.up, s.lease.down, s.lease.refused.length], [7, 9, 5]);
  assert.ok(s.lease.refused.every((one) => one.length <= 300 && !/\p{Cc}/u.test(one)));
  assert.ok(s.lease.refused[4]?.startsWith('49 [2J'));
  assert.equal(s.ends.length, 0);
  s.say('{"up":8,"down":10}\n'); // the twin
  assert.deepEqual([s.lease.up, s.lease.down], [8, 10]);
  s.say('y'.repeat(20_001));
  s.say('{"end":""}\n', `{"end":"${'z'.repeat(999)}"}\n`);
  assert.equal(s.ends[0], 'its proxy said what it should not');
  assert.ok(s.ends.every((why) => why !== '' && why.length <= 300));
});
