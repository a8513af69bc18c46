/** The chain as far as a browser can tell: each entry has the hash that it states, and names the one before it. */

/** Web pages have hashes only where nobody on the way could have changed them: on loopback, or by https. */
export const canHash = globalThis.crypto?.subtle !== undefined;

/** SHA-256 in hex, of a text's UTF-8 bytes or of bytes. */
export async function sha256(of) {
  const data = typeof of === 'string' ? new TextEncoder().encode(of) : of;
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', data));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** What the ledger hashes of an entry: ledger/rules/judge.cjs. */
const hashed = ({ action, at, author, body, id, kind, prev, seq }) =>
  JSON.stringify({ action, at, author, body, id, kind, prev, seq });

/** Whether an entry is what its hash says; true where that cannot be told. */
const isWhole = async (entry) => !canHash || (await sha256(hashed(entry))) === entry.hash;

/** Looks at a stretch of the chain that grows at both ends. */
export function createChain() {
  /** By number, why an entry is not right. */
  const off = new Map();
  let low;
  let high;

  async function look(entry, links) {
    if (!(await isWhole(entry))) off.set(entry.seq, 'its content does not have the hash that it states');
    else if (!links) off.set(entry.seq, 'it and its neighbour do not name each other');
  }

  return {
    off,
    /** Takes the next older entries, newest first. */
    async older(some) {
      for (const entry of some) {
        const links = !low || (entry.seq === low.seq - 1 && entry.hash === low.prev);
        await look(entry, links && (entry.seq === 1) === (entry.prev === ''));
        low = entry;
        high ??= entry;
      }
    },
    /** Takes the next newer entries, oldest first. */
    async newer(some) {
      for (const entry of some) {
        await look(entry, entry.seq === (high?.seq ?? 0) + 1 && entry.prev === (high?.hash ?? ''));
        high = entry;
        low ??= entry;
      }
    },
    /** Looks at entries by themselves. */
    async alone(some) {
      for (const entry of some) await look(entry, true);
    },
    /** The numbers of the ends; 0 before there are any. */
    ends: () => ({ low: low?.seq ?? 0, high: high?.seq ?? 0 }),
  };
}
