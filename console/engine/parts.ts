/** The images and what each is made of: config/images.yaml. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { checkout } from '../instance/paths.ts';

export type Part =
  | 'compose'
  | 'ledger'
  | 'homeserver'
  | 'entrance'
  | 'bot'
  | 'executor'
  | 'task'
  | 'egress'
  | 'brain'
  | 'proxy';
/** Both are relative to the checkout, which is the context's root. */
type Recipe = { dockerfile: string; files: readonly (string | readonly string[])[] };

export const recipes = parse(readFileSync(join(checkout, 'config/images.yaml'), 'utf8')) as Readonly<
  Record<Part, Recipe>
>;
