/** Opens a network lease and holds it, for a test that kills this process: `node holder.ts '{"place": …, "name": …, "args": …}'`. */
import Docker from 'dockerode';
import { makeTasks } from '../../sandbox/src/tasks.ts';

const { place, name, args } = JSON.parse(process.argv[2] ?? '');
await makeTasks(new Docker(), place).lease(name, 'held', args, () => console.log('open'));
