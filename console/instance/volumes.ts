/**
 * Volumes and what the set-up puts into them. Nothing is mounted from this machine's own file system: the same way serves a
 * remote engine, an engine in a virtual machine and a set-up that itself runs in a container or a chroot.
 */
import { createHash } from 'node:crypto';
import type Docker from 'dockerode';
import { pack } from 'tar-stream';
import type { ServiceFile } from '../engine/services.ts';

/** As compose labels its own, so that it takes them for its own. */
async function ensureVolume(docker: Docker, project: string, name: string): Promise<void> {
  await docker.createVolume({
    Name: `${project}_${name}`,
    Labels: { 'com.docker.compose.project': project, 'com.docker.compose.volume': name },
  });
}

/** Every volume of a project, whoever made it. */
export async function projectVolumes(docker: Docker, project: string): Promise<Docker.VolumeInspectInfo[]> {
  const all = (await docker.listVolumes()).Volumes ?? [];
  return all.filter(({ Name }) => Name.startsWith(`${project}_`) || Name.startsWith(`${project}-`));
}

/** A container that is never started, through which volumes are read and written. @param binds `VOLUME:PATH` */
export const volumeContainer = (
  docker: Docker,
  image: string,
  project: string,
  binds: readonly string[],
): Promise<Docker.Container> =>
  docker.createContainer({
    Image: image,
    Cmd: ['none'],
    Labels: { 'com.docker.compose.project': project },
    HostConfig: { Binds: [...binds] },
  });

/** A hash of files: services that read theirs at their start have to be made anew when it changes. */
export const hashOf = (files: readonly ServiceFile[]): string =>
  createHash('sha256').update(JSON.stringify(files)).digest('hex');

/** Writes each service's file (0400, the service's own) into its volume, through a container that is never started. */
export async function writeServiceFiles(
  docker: Docker,
  project: string,
  image: string,
  files: readonly ServiceFile[],
): Promise<void> {
  const services = [...new Set(files.map(({ service }) => service))];
  for (const service of services) await ensureVolume(docker, project, `${service}_config`);
  const binds = services.map((service) => `${project}_${service}_config:/config/${service}`);
  const container = await volumeContainer(docker, image, project, binds);
  try {
    const tar = pack();
    for (const { service, name, uid, content } of files)
      tar.entry({ name: `${service}/${name}`, mode: 0o400, uid, gid: uid, mtime: new Date(0) }, content);
    tar.finalize();
    await container.putArchive(tar, { path: '/config' });
  } finally {
    await container.remove({ force: true });
  }
}
