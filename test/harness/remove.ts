/** Removes everything the engine has of a project: `node test/harness/remove.ts PROJECT`. */
import { removeProject } from './instance.ts';

const [project] = process.argv.slice(2);
if (!project?.startsWith('pocketcoder-')) throw new Error('usage: remove.ts PROJECT');
await removeProject(project);
