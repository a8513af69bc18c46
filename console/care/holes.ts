/**
 * Synapse's known holes, as its makers tell of them (element-hq/synapse: CHANGES.md and security advisories). A short list, of
 * a day: what was found since is not in it.
 */

/** The day up to which it was looked for. */
export const listed = '2026-10-09';

/** `fixed`: the first release without it; before that, of older lines that were mended too. The newest first. */
const advisories: readonly { fixed: readonly string[]; ids: readonly string[] }[] = [
  {
    fixed: ['1.157.2'],
    ids: [
      ...['GHSA-fp53-rw9v-hcf9', 'GHSA-rgv2-84w7-5j9p', 'GHSA-27p5-4f45-gx76', 'GHSA-95fh-hv8c-chvq'],
      ...['GHSA-cjh7-rcpx-xpf8', 'GHSA-6wjm-9p2x-gvpm', 'GHSA-qcjr-46gf-7f4r', 'GHSA-r66v-qhwx-8rg4'],
      ...['GHSA-jhcg-5392-5mjw', 'GHSA-vh4c-pqh4-w3wq', 'GHSA-hgcg-p9gx-fq5f'],
    ],
  },
  { fixed: ['1.152.1'], ids: ['GHSA-8q93-326v-3m7g', 'GHSA-6qf2-7x63-mm6v'] },
  { fixed: ['1.138.3', '1.139.1'], ids: ['GHSA-fh66-fcv5-jjfr'] },
  { fixed: ['1.135.2'], ids: ['CVE-2025-49090'] },
  { fixed: ['1.127.1'], ids: ['GHSA-v56r-hwv5-mxg6'] },
  { fixed: ['1.120.1'], ids: ['GHSA-f3r3-h2mq-hx2h'] },
];

const numbers = (version: string): number[] => version.split(/[^0-9]+/, 3).map(Number);
/** Whether it is that release or a later one; a candidate (`1.157.2rc1`) comes before its own. */
function reaches(version: string, release: string): boolean {
  const [ours, theirs] = [numbers(version), numbers(release)];
  const differs = theirs.findIndex((number, i) => number !== ours[i]);
  return differs === -1 ? !/^\S+rc/.test(version) : (ours[differs] ?? 0) > (theirs[differs] ?? 0);
}
const lineOf = (version: string): string => numbers(version).slice(0, 2).join('.');

/** What a version has of them, and the release that has none; undefined for one that has none. @param version as `1.157.1` */
export function holesOf(version: string): { ids: string[]; upTo: string } | undefined {
  const mends = (release: string, i: number, { length }: readonly string[]) =>
    reaches(version, release) && (i === length - 1 || lineOf(version) === lineOf(release));
  const open = advisories.filter(({ fixed }) => !fixed.some(mends));
  const upTo = open[0]?.fixed.at(-1);
  return upTo === undefined ? undefined : { ids: open.flatMap(({ ids }) => ids), upTo };
}
