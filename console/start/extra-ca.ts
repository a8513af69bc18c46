/** Extra certificate authorities: some networks re-sign https, and then the builds have to trust what the machine trusts. */
import { readFileSync } from 'node:fs';
import { fault } from '../fault.ts';

const usual = ['SSL_CERT_FILE', 'NODE_EXTRA_CA_CERTS'];

/**
 * The PEM text that build stages trust besides the image's own authorities; empty without any. POCKETCODER_EXTRA_CA names a
 * file that must be there; the variables other programs use are taken when their file can be read.
 */
export function extraCa(env: NodeJS.ProcessEnv = process.env): Buffer {
  const own = env['POCKETCODER_EXTRA_CA'];
  for (const path of own ? [own] : usual.map((name) => env[name]))
    try {
      if (path) return readFileSync(path);
    } catch (error) {
      if (own) throw fault.config(`POCKETCODER_EXTRA_CA: ${(error as Error).message}. Nothing was built.`);
    }
  return Buffer.alloc(0);
}
