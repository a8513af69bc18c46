/** Where the checkout is. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const checkout: string = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
