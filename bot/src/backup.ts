/**
 * What a backup holds of the bot: `node bot/src/backup.ts STATE OUT`, run beside a bot that is stopped. All of its small
 * stores, its identity and its room keys; never its key store, which rolled back would use message keys again, and never
 * its session. The store is opened as a copy, so the bot's own is left as it was.
 */
import { copyFileSync, cpSync, existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { openCrypto } from '@matrix-org/matrix-sdk-crypto-nodejs';
import { keepSaved } from './proof/saved.ts';
import { storeKeyIn } from './proof/store-key.ts';

const isKeyStore = (name: string): boolean => /^(crypto\.sqlite|session\.json|store\.key)/.test(name);

const [state = '', out = ''] = process.argv.slice(2);
cpSync(state, out, {
  recursive: true,
  filter: (path) => path === state || !(isKeyStore(basename(path)) || lstatSync(path).isSocket()),
});
if (existsSync(join(state, 'session.json'))) {
  const copy = mkdtempSync(join(tmpdir(), 'keys-'));
  for (const name of readdirSync(state).filter(isKeyStore)) copyFileSync(join(state, name), join(copy, name));
  const session = JSON.parse(readFileSync(join(copy, 'session.json'), 'utf8')) as Record<string, string>;
  const { user = '', device = '' } = session;
  const { machine } = await openCrypto({
    ...{ dir: copy, storeKey: storeKeyIn(copy), user, device },
    recipients: () => [],
    panic(error) {
      throw error;
    },
  });
  const keys = await machine.exportCrossSigningKeys();
  if (!keys?.masterKey || !keys.self_signing_key || !keys.userSigningKey)
    throw new Error('the bot has no identity yet: start it once, then back up');
  const { masterKey: master, self_signing_key: selfSigning, userSigningKey: userSigning } = keys;
  keepSaved(out, device, { master, selfSigning, userSigning }, await machine.exportRoomKeys(() => true));
}
process.exit(0);
