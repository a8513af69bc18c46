/** What stands outside of a Megolm message's ciphertext. */

/**
 * A message's index in its Megolm session, which the library does not tell: version byte 3, then field 0x08 as a
 * varint. (Megolm specification, message format)
 * @throws where it is no Megolm message
 */
export function megolmIndex(ciphertext: string): number {
  const bytes = Buffer.from(ciphertext, 'base64');
  if (bytes[0] !== 3 || bytes[1] !== 8) throw new Error('not a Megolm message');
  let index = 0;
  for (let i = 2, unit = 1; i < 7; i++, unit *= 128) {
    const byte = bytes[i] ?? 128;
    index += (byte & 127) * unit;
    if (byte < 128) return index;
  }
  throw new Error('not a Megolm message');
}
