/**
 * A workspace's volumes, and the container in which git looks at them: the task image without a network or a
 * mount of this machine, and git without a capability. The volumes are named as in sandbox/src/container.ts.
 */
import { randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type Docker from 'dockerode';
import { messageOf } from '../../ledger/src/retry.ts';
import { environment } from '../../sandbox/src/environment.ts';
import { unless } from '../engine/engine.ts';
import { fault } from '../fault.ts';

/** The instance's project, the image of a task's container, and the workspace. */
export type Where = { docker: Docker; project: string; image: string; workspace: string };
/** What sandbox/image/workspace.sh says of a tree; `left` counts repositories in it, `odd` names what can't be read; both stay out. */
export type Facts = {
  commit: string;
  tree: string;
  files: number;
  bytes: number;
  left: number;
  odd: string[];
};
type Box = {
  /** Unpacks a tar there, before `run`. */
  put(path: '/workspace' | '/base', tar: Readable): Promise<void>;
  /** Runs to the end, once. Throws a Fault with git's last words. */
  run(): Promise<Facts>;
  /** A tar with the one entry `result`, or with all that is below it. */
  result(): Promise<NodeJS.ReadableStream>;
};

const label = 'org.pocketcoder';
const patience = 15; // minutes
const labelsOf = ({ project, workspace }: Where) => ({
  [label]: project,
  [`${label}.helper`]: workspace,
});
const volumesOf = ({ project, workspace }: Where) => [
  { Source: `${project}-ws-${workspace}`, Target: '/workspace' },
  { Source: `${project}-base-${workspace}`, Target: '/base' },
];

/** Two new, empty volumes: what an import that was cut off left of them goes. Never for a workspace that the ledger knows. */
export async function emptyVolumes(where: Where): Promise<void> {
  const { docker, project, workspace } = where;
  const filters = { label: Object.entries(labelsOf(where)).map((pair) => pair.join('=')) };
  for (const { Id } of await docker.listContainers({ all: true, filters }))
    await docker.getContainer(Id).remove({ force: true, v: true });
  for (const { Source } of volumesOf(where)) {
    try {
      await docker.getVolume(Source).remove().catch(unless(404));
    } catch (error) {
      throw fault.failed(
        `The volume ${Source} is in use, by tasks of a workspace ${workspace} that this ledger does not know. Nothing was ` +
          `changed: choose another name (${messageOf(error)}).`,
      );
    }
    await docker.createVolume({ Name: Source, Labels: { [label]: project } });
  }
}

/** Has `work` use a fresh container over the workspace's volumes; it is removed at the end. @param args of workspace.sh */
export async function withTree<T>(
  where: Where,
  args: readonly ['import' | 'export', ...string[]],
  work: (box: Box) => Promise<T>,
): Promise<T> {
  const { docker, project, image, workspace } = where;
  const ReadOnly = args[0] === 'export';
  const container = await docker.createContainer({
    name: `${project}-tree-${workspace}-${randomUUID().slice(0, 8)}`,
    Image: image,
    Entrypoint: ['/usr/lib/pocketcoder/workspace.sh'],
    Cmd: [...args],
    User: '0:0', // whose script becomes whoever the files are of, first of all
    Env: environment,
    WorkingDir: '/workspace',
    Tty: true, // its words then come as they are
    Labels: labelsOf(where),
    HostConfig: {
      NetworkMode: 'none',
      ReadonlyRootfs: true,
      CapDrop: ['ALL'],
      CapAdd: ['CHOWN', 'SETUID', 'SETGID'],
      SecurityOpt: ['no-new-privileges'],
      Mounts: [
        ...volumesOf(where).map((volume) => ({ Type: 'volume' as const, ...volume, ReadOnly })),
        { Type: 'volume', Source: '', Target: '/home/agent' },
      ],
      Tmpfs: { '/tmp': 'rw,nosuid,nodev,size=64m' },
      Memory: 2 ** 30,
      PidsLimit: 256,
    },
  });
  try {
    return await work({
      put: (path, tar) =>
        new Promise((resolve, reject) => {
          tar.on('error', reject); // the engine's client would wait for its rest for ever
          container.putArchive(tar, { path }).then(() => resolve(), reject);
        }),
      async run() {
        await container.start();
        const end = Date.now() + patience * 60_000;
        const clock = setTimeout(() => container.kill().catch(() => {}), patience * 60_000);
        const { StatusCode } = (await container.wait()) as { StatusCode: number };
        clearTimeout(clock);
        // As a stream: without `follow` the engine's client would parse it.
        const words = await container.logs({ follow: true, stdout: true, stderr: true });
        const said = (await text(words)).trim().split(/\r?\n/);
        if (Date.now() >= end)
          throw fault.failed(`It was not done within ${patience} minutes, and was given up.`);
        if (StatusCode !== 0) throw fault.failed(said.slice(-4).join('\n  '));
        const facts = JSON.parse(said.at(-1) ?? '') as Facts;
        return { ...facts, odd: facts.odd.map((name) => Buffer.from(name, 'hex').toString('utf8')) };
      },
      result: () => container.getArchive({ path: '/home/agent/result' }),
    });
  } finally {
    await container.remove({ force: true, v: true }).catch(unless(404));
  }
}
