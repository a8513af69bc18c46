/**
 * What it costs to look at a long ledger: its audit where it is, its export into a file, and the verifier over that, each in a process of
 * its own over a real ledger. ENTRIES names how many there are (1,000,000). Seconds, and the most memory that each process had. One
 * JSON object a figure.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkout } from '../../console/instance/paths.ts';
import { startLedger } from '../harness/ledger.ts';
import { history } from './history.ts';

const entries = Number(process.env['ENTRIES'] ?? 1_000_000);
const json = process.argv.includes('--json');
const note = (text: string): void => void process.stderr.write(`bench audit: ${text}\n`);
const folder = await mkdtemp(join(tmpdir(), 'audit-'));
const file = join(folder, 'ledger');

/** Runs this text as a module and says how long that took, and the most that it had. */
async function measure(name: string, script: string, env: Readonly<Record<string, string>>): Promise<void> {
  const after = `process.stderr.write(String(process.resourceUsage().maxRSS));`;
  const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', `${script};${after}`];
  const from = performance.now();
  const child = spawn(process.execPath, args, { cwd: checkout, env: { ...process.env, ...env, FILE: file } });
  const said = { out: '', err: '' };
  child.stdout.on('data', (bytes) => {
    said.out += bytes;
  });
  child.stderr.on('data', (bytes) => {
    said.err += bytes;
  });
  const [code] = (await once(child, 'close')) as [number];
  if (code !== 0) throw new Error(`${name} failed: ${said.out}${said.err}`);
  const seconds = Math.round((performance.now() - from) / 100) / 10;
  const mib = Math.round(Number(said.err) / 1024);
  const f = {
    bench: `audit.${name}`,
    entries,
    seconds,
    mib,
    bytes: name === 'read' ? 0 : (statSync(file, { throwIfNoEntry: false })?.size ?? 0),
  };
  console.log(
    json ? JSON.stringify(f) : `${f.bench}: ${entries} entries in ${seconds} s, ${mib} MiB at most`,
  );
}

const connect = `
  import { connectLedger } from './ledger/src/client.ts';
  const ledger = await connectLedger({ url: process.env.URL, identity: 'auditor', password: process.env.PASSWORD });`;
const ledger = await startLedger();
try {
  note(`filling a ledger with ${entries} entries`);
  await ledger.put(history(Math.ceil(entries / 8)));
  const env = { URL: ledger.url, PASSWORD: ledger.passwords.auditor };
  await measure('read', `${connect} for await (const _ of ledger.each(0));`, env);
  await measure(
    'judge',
    `${connect} import { auditLedger } from './ledger/audit/audit.ts';
     if (!(await auditLedger(ledger)).ok) process.exit(1)`,
    env,
  );
  await measure(
    'export',
    `${connect} import { exportLines } from './ledger/audit/export.ts';
     import { createWriteStream } from 'node:fs'; import { Readable } from 'node:stream'; import { pipeline } from 'node:stream/promises';
     await pipeline(Readable.from(exportLines(ledger, { pins: {}, at: '' })), createWriteStream(process.env.FILE))`,
    env,
  );
  await measure(
    'verify',
    `import { verify } from './ledger/verify/verify.mjs'; import { createReadStream } from 'node:fs';
     if ((await verify(createReadStream(process.env.FILE))).off) process.exit(1)`,
    {},
  );
} finally {
  await ledger.stop();
  await rm(folder, { recursive: true, force: true });
}
