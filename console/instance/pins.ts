/** What bot and executor keep of what they last saw of the ledger, each in its own volume. */
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type Docker from 'dockerode';
import { extract, pack } from 'tar-stream';
import type { Head } from '../../ledger/src/entry.ts';
import { serviceStates } from '../engine/containers.ts';
import { unless } from '../engine/engine.ts';
import { fault } from '../fault.ts';

const folder = '/var/lib/pocketcoder';
const file = 'ledger.pin';
/** Each with its user. */
const keepers = { bot: 10002, executor: 0 } as const;
export type Pins = Record<keyof typeof keepers, Head>;

/** The number is 0 for what saw nothing yet, or was never started. Throws a Fault (`failed`) where a file cannot be read. */
export async function pinsOf(docker: Docker, project: string): Promise<Pins> {
  const states = await serviceStates(docker, project);
  const pins: Pins = { bot: { seq: 0, hash: '' }, executor: { seq: 0, hash: '' } };
  for (const keeper of Object.keys(keepers) as (keyof Pins)[]) {
    const id = states.get(keeper)?.id;
    const path = `${folder}/${file}`;
    const archive = id && (await docker.getContainer(id).getArchive({ path }).catch(unless(404)));
    if (!archive) continue;
    for await (const entry of (archive as Readable).pipe(extract()))
      try {
        const said = await text(entry);
        if (said) pins[keeper] = JSON.parse(said) as Head;
      } catch {
        throw fault.failed(
          `What the ${keeper} last saw of the ledger (${path} there) cannot be read, so it goes by none. Restore a backup; or ./pocketcoder stop, then repin.`,
        );
      }
  }
  return pins;
}

/** Throws a Fault (`unavailable`) where one of both runs, or is not there. */
export async function requireStopped(docker: Docker, project: string): Promise<void> {
  const states = await serviceStates(docker, project);
  for (const keeper of Object.keys(keepers)) {
    const state = states.get(keeper);
    const first = state ? 'stop' : 'start -d, then stop';
    if (!state || state.running)
      throw fault.unavailable(
        `The ${keeper} ${state ? 'runs' : 'is not there'}, so nothing was changed: ./pocketcoder ${first}, then repin.`,
      );
  }
}

/** Has both forget it. They must not run. */
export async function forgetPins(docker: Docker, project: string): Promise<void> {
  const states = await serviceStates(docker, project);
  for (const [keeper, uid] of Object.entries(keepers)) {
    const tar = pack();
    tar.entry({ name: file, mode: 0o600, uid, gid: uid }, '');
    tar.finalize();
    await docker.getContainer(states.get(keeper)?.id ?? '').putArchive(tar, { path: folder });
  }
}
