/** Images of the parts: named by the hash of what they are made of, so that what is there already is never built again. */
import { join } from 'node:path';
import type Docker from 'dockerode';
import { messageOf } from '../../ledger/src/retry.ts';
import { Fault } from '../fault.ts';
import { collect, contextHash, tarOf } from '../instance/context.ts';
import { checkout } from '../instance/paths.ts';
import { type Report, silent } from '../report.ts';
import { extraCa } from '../start/extra-ca.ts';
import { ensureBase, findBase } from './base.ts';
import { findEngine } from './engine.ts';
import { type Part, recipes } from './parts.ts';

type BuildEvent = { stream?: string; error?: string };
/** dockerode decodes BuildKit's messages by this method, which its types don't have yet. */
type WithBuildKit = Docker & {
  followProgress(
    stream: NodeJS.ReadableStream,
    onEnd: (error: Error | null) => void,
    onEvent: (event: BuildEvent) => void,
  ): void;
};

/** dockerode leaves what a build's programs print as the protocol carries it: in base64. */
const readable = (line: string): string =>
  /^[A-Za-z0-9+/]{8,}={0,2}$/.test(line) ? Buffer.from(line, 'base64').toString().trimEnd() : line;

const filesOf = (part: Part) => collect(join(checkout, recipes[part].folder), recipes[part].files);

function refOf(part: Part, baseId: string): string {
  const hash = contextHash(filesOf(part), [recipes[part].dockerfile, baseId]);
  return `pocketcoder/${part}:${hash.slice(0, 12)}`;
}

/**
 * The name of a part's image for this checkout's files and the base image that is there: `pocketcoder/<part>:<12 hex>`.
 * Throws when no base image is there yet.
 */
export async function imageRef(part: Part, docker: Docker = findEngine().docker): Promise<string> {
  const base = await findBase(docker);
  if (!base) throw new Fault('unavailable', 'There is no base image yet. Run ./pocketcoder start -d first.');
  return refOf(part, base.id);
}

/** Builds a part's image unless it is there, and returns its name. */
export async function ensureImage(
  part: Part,
  docker: Docker = findEngine().docker,
  report: Report = silent,
): Promise<string> {
  const base = await ensureBase(docker, report);
  const ref = refOf(part, base.id);
  try {
    await docker.getImage(ref).inspect();
    return ref;
  } catch (error) {
    if ((error as { statusCode?: number }).statusCode !== 404) throw error;
  }
  report.progress(`building ${ref}`);
  await build(part, ref, base.ref, docker, report);
  return ref;
}

async function build(part: Part, ref: string, base: string, docker: Docker, report: Report): Promise<void> {
  const { dockerfile } = recipes[part];
  const context = [...filesOf(part), { name: 'extra-ca.crt', mode: 0o644, content: extraCa() }];
  const labels = { 'org.pocketcoder.part': part };
  const last: string[] = [];
  try {
    // Version 2 is BuildKit: it runs only the stages that are asked for, side by side.
    const options = { t: ref, dockerfile, buildargs: { BASE: base }, labels, version: '2' as const };
    const stream = await docker.buildImage(tarOf(context), options);
    await new Promise<void>((resolve, reject) => {
      const said = (event: BuildEvent) => {
        if (event.error) return reject(new Error(event.error));
        const line = readable(event.stream?.trimEnd() ?? '');
        if (!line.trim()) return;
        last.push(line);
        if (last.length > 15) last.shift();
        if (line.startsWith('[')) report.progress(line.slice(line.indexOf(']') + 2));
      };
      (docker as WithBuildKit).followProgress(stream, (error) => (error ? reject(error) : resolve()), said);
    });
    await docker.getImage(ref).inspect();
  } catch (error) {
    throw new Fault(
      'temporary',
      `Building the image of ${part} failed: ${messageOf(error)}. What was built before stays, nothing was started; ` +
        `run the same command again to go on. The last lines:\n  ${last.join('\n  ')}`,
    );
  }
}
