/** Two of the ten real projects that `npm run projects` works on. They come from npm and PyPI, over a lease of the network. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { whyUnreachable } from '../projects/fetched.ts';
import { projects } from '../projects/list.ts';
import { startBench } from '../projects/started.ts';
import { work } from '../projects/work.ts';

const two = projects.filter(({ name }) => ['through', 'iniconfig'].includes(name));
const unreachable = await whyUnreachable();
let bench: Awaited<ReturnType<typeof startBench>>;
before(async () => {
  if (!unreachable) bench = await startBench(two);
});
after(async () => {
  await bench?.close();
});

for (const project of two)
  test(`${project.name} of ${project.registry}: its dependencies fetched by an approved lease, its tests green, red, undone and green, committed, exported`, {
    skip: unreachable,
  }, async () => {
    const { cards, mb } = await work(bench, project);
    assert.equal(cards, 9, 'network, dependencies, tests, edit, tests, undo, tests, note, commit');
    assert.ok(mb > 0, 'its dependencies came by the lease');
  });
