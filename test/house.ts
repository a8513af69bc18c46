/** Measures the house: how many lines there are to audit, and what has no place in the tree. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { checkout } from '../console/instance/paths.ts';
import { leadsTo } from './imports.ts';

/** What a reader has to know of an approval, in the order of docs/approvals.md. */
export const door: readonly string[] = [
  'bot/src/proof/decrypt.ts',
  'bot/src/proof/rules.ts',
  'bot/src/approval/gatekeeper.ts',
  'bot/src/approval/decide.ts',
  'ledger/pb_hooks/append.cjs',
  'ledger/rules/judge.cjs',
  'ledger/rules/answers.cjs',
  'sandbox/src/claim.ts',
];

/** All that is committed or about to be, by its path from the root. */
export const tree: readonly string[] = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], {
  cwd: checkout,
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => file !== '' && existsSync(join(checkout, file)));

const textOf = (file: string): string => readFileSync(join(checkout, file), 'utf8');

const code = tree.filter((file) => /\.(ts|js|cjs|mjs|go)$/.test(file) && !/(^|\/)test\//.test(file));

/** Lines of these files that are neither blank nor comment; the files of an image are counted in every language. */
export function linesOf(files: readonly string[]): number {
  let lines = 0;
  for (const file of files) {
    const slashes = /\.(ts|js|cjs|mjs|go|c|h|css|html)$/.test(file);
    const text = slashes ? textOf(file).replaceAll(/\/\*.*?\*\//gs, '') : textOf(file);
    const comment = slashes ? '//' : '#';
    lines += text.split('\n').filter((line) => line.trim() && !line.trim().startsWith(comment)).length;
  }
  return lines;
}

const trustedRooms =
  /^(ledger\/(rules|pb_hooks|src|audit|[^/]*\.go)|sandbox\/|bot\/crypto\/|bot\/src\/(proof|approval|show)\/)/;
/** What has to be right for the promise to hold: in all languages, the task's image included. */
export const trusted = tree.filter(
  (file) => trustedRooms.test(file) && /\.(ts|js|cjs|go|c|h|pl|py|sh)$/.test(file),
);
const ofPage = (file: string): boolean => file.startsWith('ledger/pb_public/');
export const product = code.filter((file) => /^(bot|sandbox|ledger)\//.test(file) && !ofPage(file));
/** The timeline, whole: its scripts, its markup and its style. */
export const page = tree.filter(ofPage);
export const operators = code.filter((file) => /^(console|config)\//.test(file));

/** The types that check nothing, in annotations and in JSDoc. */
export const anys = (): string[] =>
  code.filter((file) => /: any\b|<any>|\bas any\b|\{any\}|, any>/.test(textOf(file)));

/** Names that more than one file of the product has. */
export function namesakes(): string[] {
  const names = Map.groupBy(code, (file) => basename(file));
  return [...names].flatMap(([name, files]) => (files.length > 1 ? [name] : []));
}

/** How often a reader of these files is led into another file. */
export const hops = (files: readonly string[]): number => files.flatMap(leadsTo).length;
