/**
 * What a chain is told by in a few lines, in the form of C2SP's tlog-checkpoint, so that a witness who knows that form can keep and cosign it.
 * It is not signed here: no part has a key that others would know.
 */
import { createHash } from 'node:crypto';

/** Of no leaves, as RFC 6962 has it. */
const empty = createHash('sha256').digest();

/**
 * The Merkle tree of RFC 6962 whose leaves are the entries' hashes, as it grows: of n entries it keeps as many hashes as n has bits.
 * The chain's own last hash would tell of as much, but C2SP's witnesses ask for proofs that only a tree gives; and with its root an
 * export can leave entries out and still be held to the same checkpoint.
 */
export function createTree() {
  const peaks: { size: number; hash: Buffer }[] = [];
  let size = 0;
  let [first, last] = ['', ''];
  const node = (prefix: number, ...parts: Buffer[]): Buffer =>
    createHash('sha256')
      .update(Buffer.concat([Buffer.of(prefix), ...parts]))
      .digest();
  return {
    /** Takes the next entry's hash, in hex. */
    add(hash: string): void {
      size++;
      first ||= hash;
      last = hash;
      let top = { size: 1, hash: node(0, Buffer.from(hash, 'hex')) };
      for (let peak = peaks.at(-1); peak?.size === top.size; peak = peaks.at(-1)) {
        top = { size: 2 * top.size, hash: node(1, peak.hash, top.hash) };
        peaks.pop();
      }
      peaks.push(top);
    },
    /** The checkpoint of all that it took: origin, size and root, a line each, and the hash of the last entry. */
    checkpoint(): string {
      const hashes = peaks.map(({ hash }) => hash);
      const root = size > 0 ? hashes.reduceRight((right, left) => node(1, left, right)) : empty;
      return `pocketcoder/ledger/${first}\n${size}\n${root.toString('base64')}\nhead ${last}\n`;
    },
  };
}
