/**
 * What a drill sees of a backup's volumes: `node bot/src/drilled.ts ROOT`, where they lie as in the backup. It is run without a
 * network, on copies. It prints one JSON object: `Looked`, or `{ wrong }` and ends with 1.
 */
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { wasm as W } from '@matrix-org/matrix-sdk-crypto-nodejs';
import type { Head } from '../../ledger/src/entry.ts';
import { messageOf } from '../../ledger/src/retry.ts';
import { savedIn } from './proof/saved.ts';

export type Looked = {
  /** Files of each volume, by its place below the root. */
  files: Record<string, number>;
  /** Room keys of the bot's that were read. */
  roomKeys: number;
  /** Whether the bot's identity is there: none is before it first signed in. */
  identity: boolean;
  /** The last entry of the ledger that each had seen. */
  pins: Record<string, Head>;
};

/** The public half of a cross-signing key, as a homeserver states it. @param seed unpadded base64; PKCS #8 of RFC 8410 */
function publicOf(seed: string): string {
  const key = Buffer.concat([
    Buffer.from('302e020100300506032b657004220420', 'hex'),
    Buffer.from(seed, 'base64'),
  ]);
  const { x = '' } = createPublicKey(createPrivateKey({ key, format: 'der', type: 'pkcs8' })).export({
    format: 'jwk',
  });
  return Buffer.from(x, 'base64url').toString('base64').replace(/=+$/, '');
}

function requireWhole(file: string): DatabaseSync {
  const db = new DatabaseSync(file);
  const said = Object.values(db.prepare('PRAGMA quick_check(1)').get() ?? {})[0];
  if (said !== 'ok') throw new Error(`${basename(file)} is damaged: ${said}`);
  return db;
}

/** The identity that phones trust is the one that the homeserver states: another would have all of them paired anew. */
function requireStated(master: string, db: DatabaseSync): void {
  const stated = db.prepare("SELECT keydata FROM e2e_cross_signing_keys WHERE keytype = 'master'").all();
  if (!stated.some(({ keydata }) => String(keydata).includes(`"ed25519:${master}"`)))
    throw new Error("the bot's identity in it is not one that its homeserver states");
}

async function look(root: string): Promise<Looked> {
  const files: Looked['files'] = {};
  for (const place of globSync(['bot', 'volumes/*'], { cwd: root }))
    files[place] = readdirSync(join(root, place), { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    ).length;
  const bot = join(root, 'bot');
  for (const name of globSync('*.sqlite', { cwd: bot })) requireWhole(join(bot, name)).close();
  const database = join(root, 'volumes/_homeserver_data/homeserver.db');
  const homeserver = existsSync(database) ? requireWhole(database) : undefined;
  const saved = existsSync(bot) ? savedIn(bot) : undefined;
  if (saved) for (const seed of Object.values(saved)) publicOf(seed);
  if (saved && homeserver) requireStated(publicOf(saved.master), homeserver);
  // Without a name its store is in memory alone.
  const machine = await W.OlmMachine.initialize(new W.UserId('@drill:drill'), new W.DeviceId('DRILL'));
  let roomKeys = 0;
  for (const name of globSync('room-keys-*.json', { cwd: bot })) {
    const read = await machine.importExportedRoomKeys(readFileSync(join(bot, name), 'utf8'), () => {});
    roomKeys += read.totalCount;
  }
  const pins: Looked['pins'] = {};
  for (const [who, place] of [
    ['bot', 'bot'],
    ['executor', 'volumes/_executor_data'],
  ] as const) {
    const pin = join(root, place, 'ledger.pin');
    const text = existsSync(pin) ? readFileSync(pin, 'utf8') : '';
    if (text) pins[who] = JSON.parse(text) as Head;
  }
  return { files, roomKeys, identity: saved !== undefined, pins };
}

const said = await look(process.argv[2] ?? '').catch((error: unknown) => ({ wrong: messageOf(error) }));
process.stdout.write(JSON.stringify(said), () => process.exit('wrong' in said ? 1 : 0));
