/** Images of the parts: named by the hash of what they are made of, so that what is there already is never built again. */
import { buffer } from 'node:stream/consumers';
import type Docker from 'dockerode';
import { extract } from 'tar-stream';
import { messageOf } from '../../ledger/src/retry.ts';
import { fault } from '../fault.ts';
import { checkout } from '../instance/paths.ts';
import { type Report, silent } from '../report.ts';
import { extraCa } from '../start/extra-ca.ts';
import { ensureBase } from './base.ts';
import { collect, contextHash, tarOf } from './build-context.ts';
import { findEngine, finished, unless } from './engine.ts';
import { type Part, recipes } from './parts.ts';

/** dockerode leaves what a build's programs print as the protocol carries it: in base64. */
const readable = (line: string): string =>
  /^[A-Za-z0-9+/]{8,}={0,2}$/.test(line) ? Buffer.from(line, 'base64').toString().trimEnd() : line;

/** Builds a part's image unless it is there, and returns its name: `pocketcoder/<part>:<12 hex>`. */
export async function ensureImage(
  part: Part,
  docker: Docker = findEngine().docker,
  report: Report = silent,
): Promise<string> {
  const { dockerfile, files } = recipes[part];
  const base = await ensureBase(docker, report);
  const context = collect(checkout, files.flat());
  const t = `pocketcoder/${part}:${contextHash(context, [dockerfile, base.id]).slice(0, 12)}`;
  if (await docker.getImage(t).inspect().catch(unless(404))) return t;
  report.progress(`building ${t}`);
  const last: string[] = [];
  try {
    // Version 2 is BuildKit: it runs only the stages that are asked for, side by side.
    const version = '2' as const;
    const labels = { 'org.pocketcoder.part': part };
    const options = { t, dockerfile, buildargs: { BASE: base.ref }, labels, version };
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

/** The first file below a path of an image, by way of a container that is never started. */
export async function fileOf(docker: Docker, image: string, path: string): Promise<Buffer> {
  const container = await docker.createContainer({ Image: image, Entrypoint: ['none'] });
  try {
    const tar = extract();
    (await container.getArchive({ path })).pipe(tar);
    for await (const entry of tar) return await buffer(entry);
    throw new Error(`${image} has no ${path}`);
  } finally {
    await container.remove({ force: true });
  }
}
