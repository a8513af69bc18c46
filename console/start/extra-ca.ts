/** Extra certificate authorities: some networks re-sign https, and then the builds have to trust what the machine trusts. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { messageOf } from '../../ledger/src/retry.ts';
import { fault } from '../fault.ts';

const usual = ['SSL_CERT_FILE', 'NODE_EXTRA_CA_CERTS'];

/** The PEM text at `path`. Throws a Fault (`config`) where none can be read; `named` is what names the file. */
export function pemAt(path: string, named: string): Buffer {
  try {
    const pem = readFileSync(path);
    new X509Certificate(pem);
    return pem;
  } catch (error) {
    throw fault.config(`${named}: ${path} is no certificate (${messageOf(error)}). Nothing was started.`);
  }
}

/**
 * The PEM text that build stages trust besides the image's own authorities; empty without any. POCKETCODER_EXTRA_CA names a
 * file that must be there; the variables other programs use are taken when their file can be read.
 */
export function extraCa(env: NodeJS.ProcessEnv = process.env): Buffer {
  const own = env['POCKETCODER_EXTRA_CA'];
  if (own) return pemAt(own, 'POCKETCODER_EXTRA_CA');
  for (const path of usual.map((name) => env[name]))
    try {
      if (path) return readFileSync(path);
    } catch {} // Other programs go on without it as well.
  return Buffer.alloc(0);
}
