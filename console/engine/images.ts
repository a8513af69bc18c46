/** Images of the parts: named by the hash of what they are made of, so that what is there already is never built again. */
import { existsSync } from 'node:fs';
import { basename, dirname, relative, resolve } from 'node:path';
import { buffer } from 'node:stream/consumers';
import type Docker from 'dockerode';
import { extract } from 'tar-stream';
import { messageOf } from '../../ledger/src/retry.ts';
import { fault } from '../fault.ts';
import { checkout } from '../instance/paths.ts';
import type { TaskImage } from '../instance/settings-file.ts';
import { type Report, silent } from '../report.ts';
import { extraCa } from '../start/extra-ca.ts';
import { proxies } from '../start/proxies.ts';
import { ensureBase } from './base.ts';
import { collect, contextHash, tarOf } from './build-context.ts';
import { findEngine, finished, unless } from './engine.ts';
import { type Part, recipes } from './parts.ts';

/** dockerode leaves what a build's programs print as the protocol carries it: in base64. */
const readable = (line: string): string =>
  /^[A-Za-z0-9+/]{8,}={0,2}$/.test(line) ? Buffer.from(line, 'base64').toString().trimEnd() : line;

/**
 * Builds a part's image unless it is there, and returns its name: `pocketcoder/<part>:<12 hex>`.
 * @param more arguments of the build besides the base
 */
export function ensureImage(
  part: Part,
  docker: Docker = findEngine().docker,
  report: Report = silent,
  more: Record<string, string> = {},
): Promise<string> {
  const { dockerfile, files } = recipes[part];
  return built(part, { root: checkout, dockerfile, files: files.flat() }, more, docker, report);
}

/** Debian's packages of what the settings may add; Go comes otherwise. Of Rust it has a current one for the browsers that it builds. */
const packagesOf = { 'build-essential': ['build-essential'], go: [], rust: ['cargo-web', 'rustc-web'] };

/**
 * The image of tasks' containers: ours, with what the settings add to it, or laid on an image of the owner's own.
 * @param home where a path of the settings begins
 */
export async function ensureTaskImage(
  image: TaskImage,
  home: string,
  docker: Docker,
  report: Report,
): Promise<string> {
  if (typeof image !== 'string') {
    const packages = image.flatMap((one) => packagesOf[one]);
    const more = {
      ...(packages.length > 0 && { PACKAGES: packages.join(' ') }),
      ...(image.includes('go') && { GO: 'golang' }),
    };
    return ensureImage('task', docker, report, more);
  }
  const path = resolve(home, image);
  if (!existsSync(path)) throw fault.config(`sandbox.image: there is no ${path}. Nothing was built.`);
  // All of its folder goes to the build, and the state directory holds secrets.
  if (!relative(dirname(path), home).startsWith('..'))
    throw fault.config(
      `sandbox.image: ${path} has to lie in a folder of its own, for all of that goes to the build. Nothing was built.`,
    );
  const own = { root: dirname(path), dockerfile: basename(path), files: ['*', '.*'] };
  return ensureImage('task', docker, report, { OWN: await built('own', own, {}, docker, report) });
}

type Source = { root: string; dockerfile: string; files: readonly string[] };

async function built(
  part: string,
  { root, dockerfile, files }: Source,
  more: Record<string, string>,
  docker: Docker,
  report: Report,
): Promise<string> {
  const base = await ensureBase(docker, report);
  const context = collect(root, files);
  const also = [dockerfile, base.id, ...Object.entries(more).flat()];
  const t = `pocketcoder/${part}:${contextHash(context, also).slice(0, 12)}`;
  if (await docker.getImage(t).inspect().catch(unless(404))) return t;
  report.progress(`building ${t}`);
  const last: string[] = [];
  try {
    // Version 2 is BuildKit: it runs only the stages that are asked for, side by side.
    const version = '2' as const;
    const labels = { 'org.pocketcoder.part': part };
    const options = { t, dockerfile, buildargs: { BASE: base.ref, ...proxies(), ...more }, labels, version };
    const tar = tarOf([...context, { name: 'extra-ca.crt', mode: 0o644, content: extraCa() }]);
    await finished(docker, await docker.buildImage(tar, options), (raw) => {
      const line = readable(raw);
      if (!line.trim()) return;
      last.push(line);
      if (last.length > 15) last.shift();
      if (line.startsWith('[')) report.progress(`${part}: ${line.slice(line.indexOf(']') + 2)}`);
    });
    await docker.getImage(t).inspect();
    return t;
  } catch (error) {
    throw fault.temporary(
      `Building the image of ${part} failed: ${messageOf(error)}. What was built before stays, nothing was started; ` +
        `run the same command again to go on. The last lines:\n  ${last.join('\n  ')}`,
    );
  }
}

/** A file of an image, by way of a container that is never started. */
export async function fileOf(docker: Docker, image: string, path: string): Promise<Buffer> {
  const container = await docker.createContainer({ Image: image, Entrypoint: ['none'] });
  try {
    const tar = extract();
    (await container.getArchive({ path })).pipe(tar);
    const files: Buffer[] = [];
    for await (const entry of tar) files.push(await buffer(entry)); // to its end, or the connection stays open
    const [file] = files;
    if (!file) throw new Error(`${image} has no ${path}`);
    return file;
  } finally {
    await container.remove({ force: true });
  }
}
