/** Prometheus, where the machine has it: scrapes one address every second and judges by the rules that the product ships. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { checkout } from '../../console/instance/paths.ts';
import { freePort } from './ledger.ts';
import { until } from './wait.ts';

export const rulesFile = join(checkout, 'config/metrics/alerts.yaml');

/** Why there is none, or false. */
export const withoutPrometheus = ['prometheus', 'promtool'].some(
  (program) => spawnSync(program, ['--version']).status !== 0,
)
  ? 'there is no prometheus with its promtool here'
  : false;

/** Runs promtool to its end. @returns what it said; throws that where it failed */
export function promtool(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync('promtool', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`promtool ${args.join(' ')}: ${stdout}${stderr}`);
  return stdout + stderr;
}

/** @param target `host:port`; the rules wait for seconds where they say minutes */
export async function startPrometheus(target: string) {
  const dir = mkdtempSync(join(tmpdir(), 'prometheus-'));
  const rules = join(dir, 'alerts.yaml');
  writeFileSync(rules, readFileSync(rulesFile, 'utf8').replaceAll('for: 1m', 'for: 1s'));
  const configuration = {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: [rules],
    scrape_configs: [{ job_name: 'pocketcoder', static_configs: [{ targets: [target] }] }],
  };
  writeFileSync(join(dir, 'prometheus.yaml'), stringify(configuration));
  const address = `127.0.0.1:${await freePort()}`;
  const child = spawn(
    'prometheus',
    [
      ...[`--config.file=${join(dir, 'prometheus.yaml')}`, `--storage.tsdb.path=${join(dir, 'data')}`],
      `--web.listen-address=${address}`,
    ],
    { stdio: 'ignore' },
  );
  const ask = async (path: string) => {
    const response = await fetch(`http://${address}/api/v1/${path}`);
    return ((await response.json()) as { data: Record<string, Record<string, Record<string, string>>[]> })
      .data;
  };
  const stop = async () => {
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    rmSync(dir, { recursive: true, force: true });
  };
  await until('Prometheus', async () => (await ask('query?query=up'))['result']).catch(async (error) => {
    await stop();
    throw error;
  });
  return {
    /** Resolves when an alert of that name, with these labels, fires. */
    fires: (name: string, labels: Record<string, string> = {}, seconds = 60) =>
      until(
        `${name} to fire`,
        async () =>
          (await ask('alerts'))['alerts']?.some(
            ({ state, labels: of = {} }) =>
              String(state) === 'firing' &&
              Object.entries({ alertname: name, ...labels }).every(([key, value]) => of[key] === value),
          ),
        { seconds, every: 200 },
      ),
    /** Names of what is pending or fires. */
    alerts: async () => (await ask('alerts'))['alerts']?.map(({ labels }) => labels?.['alertname']) ?? [],
    stop,
  };
}
