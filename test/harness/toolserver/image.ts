/**
 * An image with three tool servers: the official one for files, as npm has it; server.mjs, of which there is one for each way to go
 * wrong; and everything.ts, which has what the conformance suite asks for.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import type Docker from 'dockerode';
import { checkout } from '../../../console/instance/paths.ts';

const official = '@modelcontextprotocol/server-filesystem';
export const officialCommand = `node /srv/node_modules/${official}/dist/index.js /srv/files`;
export const everythingCommand = 'node /srv/test/harness/toolserver/everything.ts';
export const ownCommand = (way = ''): string[] =>
  ['node', '/srv/test/harness/toolserver/server.mjs', way].filter(Boolean);

/** The folders of a package and all that it needs, as npm laid them out here. */
function foldersOf(name: string, from = checkout, all = new Set<string>()): Set<string> {
  const places = [join(from, 'node_modules', name), join(checkout, 'node_modules', name)];
  const folder = places.find((place) => existsSync(place));
  if (!folder || all.has(folder)) return all;
  all.add(folder);
  const { dependencies = {} } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    dependencies?: Record<string, string>;
  };
  for (const each of Object.keys(dependencies)) foldersOf(each, folder, all);
  return all;
}

/** @param base an image with Node @returns the name of the image, which the caller removes */
export async function toolServerImage(docker: Docker, base: string, tag: string): Promise<string> {
  const all = [...foldersOf(official)];
  const files = all
    .filter((folder) => !all.some((other) => folder.startsWith(`${other}/`)))
    .map((folder) => relative(checkout, folder));
  const own = ['server.mjs', 'everything.ts'].map((file) => `test/harness/toolserver/${file}`);
  const tar = spawn('tar', ['-c', '--hard-dereference', '-C', checkout, ...files, ...own]);
  const box = await docker.createContainer({
    Image: base,
    User: '0:0',
    Entrypoint: ['sh', '-c'],
    Cmd: ['mkdir -p /srv/files && echo "a file of the server" > /srv/files/note'],
  });
  try {
    await box.putArchive(tar.stdout, { path: '/srv' });
    await box.start();
    await box.wait();
    await box.commit({ repo: 'pocketcoder/test', tag, changes: 'ENTRYPOINT ["env"]' });
  } finally {
    await box.remove({ force: true });
  }
  return `pocketcoder/test:${tag}`;
}
