/** The official conformance suite (`@modelcontextprotocol/conformance`), run as its authors have it. */
import { spawn } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkout } from '../../console/instance/paths.ts';

type Check = { status: 'SUCCESS' | 'FAILURE' | 'WARNING' | 'INFO'; errorMessage?: string };
/** Of each scenario what failed in it; '' where it passed. */
export type Results = ReadonlyMap<string, string>;

export const era = '2025-11-25';
const program = join(checkout, 'node_modules/@modelcontextprotocol/conformance/dist/index.js');

/** Runs its scenarios for servers against what answers there. */
export async function runSuite(url: string): Promise<Results> {
  const folder = mkdtempSync(join(tmpdir(), 'conformance-'));
  try {
    const words = ['server', '--url', url, '--spec-version', era, '--output-dir', folder];
    // It ends with 1 where any scenario failed: what it wrote says which.
    const child = spawn(process.execPath, [program, ...words], { stdio: ['ignore', 'ignore', 'inherit'] });
    await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
    const results = globSync('server-*/checks.json', { cwd: folder }).map((file): [string, string] => {
      const name = /^server-(.*)-\d{4}-\d\d-\d\dT/.exec(file)?.[1] ?? file;
      const checks = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Check[];
      const failed = checks.filter(({ status }) => status === 'FAILURE');
      const passed = failed.length === 0 && checks.some(({ status }) => status === 'SUCCESS');
      return [name, passed ? '' : failed.map((f) => f.errorMessage ?? '').join('; ') || 'nothing passed'];
    });
    return new Map(results);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
