/** Reads a chain as the bot or the executor does at its start: argv names which, and the file of its entries. One JSON line comes back. */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { createBook } from '../../bot/src/approval/view.ts';
import { sha256 } from '../../ledger/src/action.ts';
import { entryOf } from '../../ledger/src/entry.ts';
import { makeBook } from '../../sandbox/src/claim.ts';

const [part = '', file = ''] = process.argv.slice(2);
const bot = createBook(sha256, () => true);
const executor = makeBook();
const began = performance.now();
const before = process.cpuUsage();
let entries = 0;
for await (const line of createInterface({ input: createReadStream(file) })) {
  const entry = entryOf(JSON.parse(line) as Record<string, unknown>);
  entries++;
  if (part === 'bot') bot.read(entry);
  else if (executor.add(entry)) throw new Error(`entry ${entry.seq} was not taken`);
}
const seconds = Math.round(performance.now() - began) / 1000;
const { user, system } = process.cpuUsage(before);
const cpu = Math.round((user + system) / 1000) / 1000;
const mib = Math.round(process.resourceUsage().maxRSS / 1024);
console.log(JSON.stringify({ bench: `growth.start.${part}`, entries, seconds, cpu, mib }));
