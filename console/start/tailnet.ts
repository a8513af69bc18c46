/**
 * A tailnet as the way in: `tailscale serve` ends TLS with the tailnet's public certificate and passes on to loopback. Only
 * what lies below /_matrix, so that the homeserver's own administration stays here.
 * @see https://tailscale.com/docs/reference/tailscale-cli/serve
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { run } from '../engine/program.ts';
import { type Report, silent } from '../report.ts';

const mount = ['serve', '--https=443', '--set-path=/_matrix'];

export type Tailnet = { name: string; certificates: boolean };

/** This machine's name in its tailnet, and whether that gives it certificates; null where no tailscale is up. */
export async function findTailnet(): Promise<Tailnet | null> {
  try {
    const asked = promisify(execFile)('tailscale', ['status', '--json', '--peers=false'], { timeout: 5000 });
    const status = JSON.parse((await asked).stdout) as {
      BackendState?: string;
      Self?: { DNSName?: string };
      CertDomains?: string[] | null;
    };
    const name = status.Self?.DNSName?.replace(/\.$/, '');
    if (status.BackendState !== 'Running' || !name) return null;
    return { name, certificates: (status.CertDomains ?? []).length > 0 };
  } catch {
    return null;
  }
}

/** Throws a Fault with what tailscale said when it refuses, as it does to who is neither root nor its operator. */
export async function serve(port: number, report: Report): Promise<void> {
  const [command = '', ...flags] = mount;
  await run('tailscale', [command, '--bg', ...flags, `http://127.0.0.1:${port}/_matrix`], report);
}

/** Ends that; one that is not there any more is no error. */
export async function unserve(): Promise<void> {
  await run('tailscale', [...mount, 'off'], silent).catch(() => {});
}
