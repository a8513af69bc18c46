/**
 * `npm run projects`: ten real projects of others, each in a workspace of its own on a composed instance, through the room alone. The
 * scripted model makes the calls; the network, the tools and the projects are real. Names choose some: `npm run projects -- toolz`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectLedger } from '../../ledger/src/client.ts';
import { startInstance } from '../harness/instance.ts';
import { pairedPhone } from '../harness/paired.ts';
import { projects } from './list.ts';
import { approveAll, work } from './work.ts';

const names = process.argv.slice(2);
const chosen = projects.filter(({ name }) => names.length === 0 || names.includes(name));
const folder = mkdtempSync(join(tmpdir(), 'projects-'));
process.stderr.write('projects: starting an instance of its own\n');
const instance = await startInstance({ model: 'scripted' });
let well = 0;
try {
  const phone = await pairedPhone({ address: instance.address, ...instance.owner, home: instance.home });
  const password = instance.secrets.passwords.ledger.auditor;
  const ledger = await connectLedger({ url: instance.ledgerUrl, identity: 'auditor', password });
  const stop = approveAll(phone);
  console.log('| project | cards | taps | seconds | MB down |\n|---|---|---|---|---|');
  for (const project of chosen)
    try {
      const {
        project: name,
        cards,
        taps,
        seconds,
        mb,
      } = await work({ instance, phone, ledger, folder }, project);
      console.log(`| ${name} | ${cards} | ${taps} | ${seconds} | ${mb} |`);
      well++;
    } catch (error) {
      console.log(
        `| ${project.name} ${project.version} | ${error instanceof Error ? error.message : error} |`,
      );
    }
  stop();
  await phone.close();
} finally {
  await instance.destroy();
  rmSync(folder, { recursive: true, force: true });
}
console.log(`${well} of ${chosen.length} ended well`);
process.exit(well === chosen.length && well > 0 ? 0 : 1);
