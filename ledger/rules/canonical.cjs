// @ts-check
// Canonical JSON (RFC 8785). Plain CommonJS: the ledger's hooks (goja), the executor, the bot and the tests all load it.

/**
 * The canonical text of a JSON value: keys sorted by UTF-16 code units, no white space, numbers as ECMAScript writes
 * them. Throws on what JSON cannot carry unchanged: undefined, functions, non-finite numbers, lone surrogates.
 * @param {unknown} value
 * @returns {string}
 */
function canonical(value) {
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new Error('canonical: number is not finite');
    return JSON.stringify(value);
  }
  if (typeof value === 'string') {
    if (hasLoneSurrogate(value)) throw new Error('canonical: lone surrogate');
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object') throw new Error(`canonical: ${typeof value} is not JSON`);
  const record = /** @type {Record<string, unknown>} */ (value);
  const members = Object.keys(record).sort();
  return `{${members.map((key) => `${canonical(key)}:${canonical(record[key])}`).join(',')}}`;
}

/**
 * Whether a text has half a surrogate pair. goja and V8 disagree on how JSON.stringify writes those, so they are refused
 * before they get that far. Counted by hand: in goja a pair matches a regular expression for either half.
 * @param {string} text
 */
function hasLoneSurrogate(text) {
  if (/^[ -~\s]*$/.test(text)) return false; // in goja the loop takes a second for a megabyte
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0xd800 || unit > 0xdfff) continue;
    const next = text.charCodeAt(i + 1); // NaN at the end
    if (unit > 0xdbff || !(next >= 0xdc00 && next <= 0xdfff)) return true;
    i++;
  }
  return false;
}

module.exports = { canonical };
