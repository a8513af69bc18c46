/** A camera before a terminal: what is drawn there in half blocks becomes pixels, and is read like any photograph. */
import jsqr from 'jsqr';

/** Pixels to the side of a module. */
const scale = 4;
const read = jsqr as unknown as typeof jsqr.default;

/** The bytes of the code that stands somewhere in that text, or undefined while there is none. */
export function photograph(text: string): Uint8Array | undefined {
  const lines = text.split('\n').filter((line) => line.length > 20 && /^[█▀▄ ]+$/.test(line));
  const width = (lines[0]?.length ?? 0) * scale;
  const height = lines.length * 2 * scale;
  const pixels = new Uint8ClampedArray(width * height * 4).fill(255);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const row = Math.floor(y / scale);
      const block = lines[row >> 1]?.[Math.floor(x / scale)] ?? ' ';
      const light = block === '█' || block === (row % 2 === 0 ? '▀' : '▄');
      if (!light) pixels.fill(0, (y * width + x) * 4, (y * width + x) * 4 + 3);
    }
  const found = width > 0 ? read(pixels, width, height) : null;
  return found ? Uint8Array.from(found.binaryData) : undefined;
}
