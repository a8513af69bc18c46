/**
 * What a drill sees of a backup: `node bot/src/drilled.ts ROOT contents`, of its volumes, which lie there as in the backup, or
 * `ROOT audit`, of the ledger that was started on one of them and has no network but its own loopback, in which this is run.
 * It prints one JSON object, or `{ wrong }` and ends with 1.
 */
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { wasm as W } from '@matrix-org/matrix-sdk-crypto-nodejs';
import { auditLedger } from '../../ledger/audit/audit.ts';
import { connectLedger, type Ledger } from '../../ledger/src/client.ts';
import type { Head } from '../../ledger/src/entry.ts';
import { isUnreachable } from '../../ledger/src/errors.ts';
import { messageOf, retry } from '../../ledger/src/retry.ts';
import { savedIn } from './proof/saved.ts';

export type Contents = {
  /** Files of each volume, by its place below the root. */
  files: Record<string, number>;
  /** Room keys of the bot's that were read. */
  roomKeys: number;
  /** Whether the bot's identity is there: none is before it first signed in. */
  identity: boolean;
};

/** How many entries its chain has, which holds, and the hash of the last. */
export type Audited = { entries: number; head: string };

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

async function contents(root: string): Promise<Contents> {
  const files: Contents['files'] = {};
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
  return { files, roomKeys, identity: saved !== undefined };
}

/** The last entry of the ledger that each had seen. */
function pinsIn(root: string): Record<string, Head> {
  const places = { bot: 'bot', executor: 'volumes/_executor_data' };
  const pins = Object.entries(places).flatMap(([who, place]) => {
    const path = join(root, place, 'ledger.pin');
    const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
    return text ? [[who, JSON.parse(text) as Head] as const] : [];
  });
  return Object.fromEntries(pins);
}

/** Half a minute is more than a ledger of any size takes to answer. */
const connected = (password: string): Promise<Ledger> =>
  retry(() => connectLedger({ url: 'http://127.0.0.1:8090', identity: 'auditor', password }), {
    ...{ first: 250, most: 250 },
    again: (error, tries) => isUnreachable(error) && tries <= 120,
  });

async function audit(root: string): Promise<Audited> {
  const passwords = JSON.parse(readFileSync('/run/pocketcoder/ledger.json', 'utf8')) as Record<
    string,
    string
  >;
  const { off, entries, head } = await auditLedger(await connected(passwords['auditor'] ?? ''), pinsIn(root));
  if (off) throw new Error(`the ledger is off at entry ${off.seq}: ${off.why}`);
  return { entries, head };
}

const [root = '', what] = process.argv.slice(2);
const work = what === 'audit' ? audit : contents;
const said = await work(root).catch((error: unknown) => ({ wrong: messageOf(error) }));
process.stdout.write(JSON.stringify(said), () => process.exit('wrong' in said ? 1 : 0));
