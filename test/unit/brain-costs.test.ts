/** What tasks cost: counted once, by task and day, over restarts, and held by caps. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Caps, createCosts } from '../../bot/src/brain/costs.ts';
import { openDatabase } from '../../bot/src/database.ts';

const noon = new Date(2026, 10, 27, 12).getTime();
const aDay = 86_400_000;
function scene(caps: Caps = {}) {
  const db = openDatabase(':memory:');
  const clock = { now: noon };
  const start = () =>
    createCosts(
      db,
      caps,
      (task) => `title of ${task}`,
      () => clock.now,
    );
  return { start, clock, costs: start() };
}

test('what a session took since it began is counted once, also over a restart, on the day that it was taken', () => {
  const { start, clock, costs } = scene();
  costs.take('a', 's', { dollars: 0.1, tokens: 100 });
  costs.take('a', 's', { dollars: 0.1, tokens: 100 });
  clock.now += aDay;
  const again = start();
  again.take('a', 's', { dollars: 0.15, tokens: 130 });
  again.take('b', 'other', { dollars: 0, tokens: 50 });
  assert.equal(again.of('a').tokens, 130);
  assert.equal(again.of('a').dollars.toFixed(6), '0.150000');
  assert.deepEqual(again.today().tokens, 80);
  again.take('a', 's', { dollars: 0, tokens: 0 });
  assert.equal(again.of('a').tokens, 130, 'a session that counts anew takes nothing back');
  const report = again.report('a').split('\n');
  assert.equal(report[0], 'This task: 130 tokens · 0.1500 $');
  assert.equal(report[1], 'Today: 80 tokens · 0.0500 $');
  assert.ok(report.includes('2026-11-27: 100 tokens · 0.1000 $'), report.join('\n'));
  assert.ok(report.includes('title of b: 50 tokens'), 'no price, no money');
});

test('nothing holds a task where no cap is set', () => {
  const { costs } = scene();
  assert.equal(costs.take('a', 's', { dollars: 1e6, tokens: 1e9 }), '');
  assert.equal(costs.paused('a'), '');
});

test('a cap in money holds its task alone, also over a restart, until more is let', () => {
  const { start, costs } = scene({ task: 2 });
  assert.equal(costs.take('a', 's', { dollars: 1.9, tokens: 10 }), '');
  assert.match(
    costs.take('a', 's', { dollars: 2.5, tokens: 20 }),
    /^⏸ This task has used 2\.5 of 2 \$ \(spend\.task/,
  );
  assert.match(start().paused('a'), /used 2\.5 of 2 \$/);
  assert.equal(costs.paused('b'), '');
  assert.ok(costs.more('a'));
  assert.equal(start().paused('a'), '');
  assert.match(costs.take('a', 's', { dollars: 4.5, tokens: 30 }), /4\.5 of 4\.5/);
});

test('a cap of the day holds all tasks, and is over with the day', () => {
  const { clock, costs } = scene({ day_tokens: 1000 });
  costs.take('a', 's', { dollars: 0, tokens: 600 });
  assert.match(
    costs.take('b', 't', { dollars: 0, tokens: 400 }),
    /All tasks of today have used 1,000 of 1,000 tokens/,
  );
  assert.notEqual(costs.paused('a'), '');
  clock.now += aDay;
  assert.equal(costs.paused('a'), '');
});
