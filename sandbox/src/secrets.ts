/** What the proxies of network leases show to hosts: the operator's file, which only this process can read. */
import { readFileSync } from 'node:fs';
import { SandboxError } from './container.ts';

/** As the console writes it: by its name, the one host that it is for, the user that it goes with, and its value. */
export type Secrets = Readonly<Record<string, { host: string; user: string; value: string }>>;

/**
 * Those that the rules name, read anew, so that what the operator took away is gone.
 * @param file undefined where the set-up is older than secrets
 * @throws SandboxError, without a value, where one is not there or is not for exactly that host
 */
export function secretsFor(rules: readonly { host: string; secret?: string }[], file?: string): Secrets {
  const named = rules.flatMap(({ host, secret }) => (secret ? [{ host, secret }] : []));
  if (named.length === 0) return {};
  const all = file ? read(file) : {};
  return Object.fromEntries(
    named.map(({ host, secret }) => {
      const found = Object.hasOwn(all, secret) ? all[secret] : undefined;
      if (found?.host === host) return [secret, found];
      const why = found ? `is not for ${host}` : 'is not there';
      throw new SandboxError(
        `the secret ${secret} ${why}; nothing was opened. At the console ./pocketcoder secret list names them`,
      );
    }),
  );
}

function read(file: string): Secrets {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Secrets;
  } catch {
    throw new SandboxError('the secrets cannot be read; nothing was opened. Run the set-up again');
  }
}
