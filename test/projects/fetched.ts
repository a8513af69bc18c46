/** A project as its registry gives it out, pinned by its digest. */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../console/engine/program.ts';
import { silent } from '../../console/report.ts';
import type { Project } from './list.ts';

async function answer(url: string, accept = '*/*'): Promise<Response> {
  const response = await fetch(url, { headers: { accept } });
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return response;
}

/** Why the registries can't be asked from here, in words, or false where each answers. */
export async function whyUnreachable(): Promise<string | false> {
  for (const host of ['registry.npmjs.org', 'pypi.org', 'files.pythonhosted.org'])
    try {
      await fetch(`https://${host}/`, { method: 'HEAD', signal: AbortSignal.timeout(15_000) });
    } catch (error) {
      return `${host} can't be reached from this machine: ${error instanceof Error ? (error.cause ?? error) : error}`;
    }
  return false;
}

async function addressOf({ name, registry, version }: Project): Promise<string> {
  if (registry === 'npm') return `https://registry.npmjs.org/${name}/-/${name}-${version}.tgz`;
  const listed = await answer(`https://pypi.org/simple/${name}/`, 'application/vnd.pypi.simple.v1+json');
  const { files } = (await listed.json()) as { files: { filename: string; url: string }[] };
  const found = files.find(({ filename }) => filename.endsWith(`-${version}.tar.gz`));
  if (!found) throw new Error(`PyPI has no sources of ${name} ${version}`);
  return found.url;
}

/** Unpacks it below a directory. @returns where it stands @throws where the registry has other bytes, or none */
export async function fetched(project: Project, below: string): Promise<string> {
  const bytes = Buffer.from(await (await answer(await addressOf(project))).arrayBuffer());
  const sum =
    project.registry === 'npm'
      ? createHash('sha512').update(bytes).digest('base64')
      : createHash('sha256').update(bytes).digest('hex');
  if (sum !== project.digest) throw new Error(`${project.name} ${project.version} is not what was pinned`);
  const into = join(below, project.name);
  mkdirSync(into);
  writeFileSync(`${into}.tgz`, bytes);
  await run('tar', ['-xzf', `${into}.tgz`, '-C', into, '--strip-components=1', '--no-same-owner'], silent);
  return into;
}
