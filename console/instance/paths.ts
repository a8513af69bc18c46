/** The checkout, and what it has to be filled in. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export const checkout: string = join(import.meta.dirname, '..', '..');

/** A template below config/, with its {{…}} filled in. */
export function filled(path: string, values: Record<string, string>): string {
  const template = readFileSync(join(checkout, 'config', path), 'utf8');
  return template.replace(/\{\{(\w+)\}\}/g, (whole, key: string) => values[key] ?? whole);
}
