/**
 * `npm run projects`: ten real projects of others, each in a workspace of its own on a composed instance, through the room alone. The
 * scripted model makes the calls; the network, the tools and the projects are real. Names choose some: `npm run projects -- toolz`.
 */
import { projects } from './list.ts';
import { startBench } from './started.ts';
import { work } from './work.ts';

const names = process.argv.slice(2);
const unknown = names.filter((name) => !projects.some((project) => project.name === name));
if (unknown.length > 0) {
  const known = projects.map(({ name }) => name).join(', ');
  process.stderr.write(`projects: there is no ${unknown.join(', ')} among ${known}. Nothing was started.\n`);
  process.exit(64);
}
const chosen = projects.filter(({ name }) => names.length === 0 || names.includes(name));
process.stderr.write('projects: starting an instance of its own\n');
const bench = await startBench(chosen);
let well = 0;
try {
  console.log('| project | version | cards | taps | seconds | MB down |\n|---|---|---|---|---|---|');
  for (const project of chosen) {
    const name = `${project.name} | ${project.version}`;
    try {
      const { cards, taps, seconds, mb } = await work(bench, project);
      console.log(`| ${name} | ${cards} | ${taps} | ${seconds} | ${mb} |`);
      well++;
    } catch (error) {
      console.log(`| ${name} | ${error instanceof Error ? error.message : error} |`);
    }
  }
} finally {
  await bench.close();
}
console.log(`${well} of ${chosen.length} ended well`);
process.exit(well === chosen.length ? 0 : 1);
