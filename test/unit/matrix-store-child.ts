/** Encrypts for ever into an empty room and tells each message's session and index, to be killed at any moment. */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { openCrypto } from '@matrix-org/matrix-sdk-crypto-nodejs';
import { megolmIndex } from '../../bot/crypto/megolm.ts';

const dir = process.argv[2] ?? '';
const keyFile = join(dir, 'key');
if (!existsSync(keyFile)) writeFileSync(keyFile, randomBytes(32));
const crypto = await openCrypto({
  dir,
  storeKey: readFileSync(keyFile),
  user: '@bot:x',
  device: 'BOT',
  recipients: () => [],
  panic: () => process.exit(9),
});
const say = (line: object): void => void writeSync(1, `${JSON.stringify(line)}\n`);
say({ identity: crypto.machine.identityKeys.ed25519.toBase64() });
for (;;) {
  await crypto.share('!r:x');
  const sealed = await crypto.encrypt('!r:x', 'm.room.message', { body: 'x' });
  say({ session: sealed['session_id'], index: megolmIndex(String(sealed['ciphertext'])) });
}
