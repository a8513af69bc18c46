/**
 * IndexedDB keys as bytes that SQLite sorts the same way: number < date < string < binary < array.
 * (Indexed Database API 3.0, section 2.4)
 */
const tag = { number: 0x10, date: 0x20, string: 0x30, binary: 0x40, array: 0x50 };

/** IEEE doubles sort as unsigned integers once the sign bit is flipped, or all bits where the number is negative. */
function encodeNumber(kind: number, value: number): Buffer {
  const out = Buffer.alloc(9);
  out[0] = kind;
  out.writeDoubleBE(value + 0, 1); // + 0 turns -0 into 0, which is the same key
  const negative = value < 0;
  for (let i = 1; i < 9; i++) out[i] = (out[i] ?? 0) ^ (negative ? 0xff : i === 1 ? 0x80 : 0);
  return out;
}

/** Big-endian code units, ended by 0000. Units 0 and 1 are escaped so that nothing inside looks like the end. */
function encodeString(text: string): Buffer {
  const out = [tag.string];
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 2) out.push(0, 1, 0, unit);
    else out.push(unit >> 8, unit & 0xff);
  }
  return Buffer.from([...out, 0, 0]);
}

function encodeBinary(bytes: Uint8Array): Buffer {
  const out = [tag.binary];
  for (const byte of bytes) out.push(...(byte < 2 ? [1, byte] : [byte]));
  return Buffer.from([...out, 0]);
}

/** @throws TypeError for what is no IndexedDB key */
export function encodeKey(key: unknown): Buffer {
  if (typeof key === 'number') return encodeNumber(tag.number, key);
  if (key instanceof Date) return encodeNumber(tag.date, key.getTime());
  if (typeof key === 'string') return encodeString(key);
  if (key instanceof ArrayBuffer) return encodeBinary(new Uint8Array(key));
  if (ArrayBuffer.isView(key))
    return encodeBinary(new Uint8Array(key.buffer, key.byteOffset, key.byteLength));
  if (Array.isArray(key))
    return Buffer.concat([Buffer.from([tag.array]), ...key.map(encodeKey), Buffer.from([0])]);
  throw new TypeError('not an IndexedDB key');
}
