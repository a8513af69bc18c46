// @ts-check
// Ids of entries: PocketBase's record ids, 15 characters of [a-z0-9], chosen by who writes, so that a retry is the same entry.

const letters = 'abcdefghijklmnopqrstuvwxyz012345'; // 32: five bits each, without bias
const length = 15;

/** The id of these random bytes, 15 of them. @param {ArrayLike<number>} bytes */
const idFrom = (bytes) => {
  let id = '';
  for (let i = 0; i < length; i++) id += letters.charAt(Number(bytes[i]) & 31);
  return id;
};

/**
 * The one id that a text has: what is written for it is written once. @param {string} text @param {(text: string) => string} sha256 in hex
 */
function idOf(text, sha256) {
  const hex = sha256(text);
  const bytes = [];
  for (let i = 0; i < 2 * length; i += 2) bytes.push(parseInt(hex.slice(i, i + 2), 16));
  return idFrom(bytes);
}

module.exports = { length, idFrom, idOf };
