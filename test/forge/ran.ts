/** What really ran: asked of the ledger, which records every claim, and of the workspace, where a command leaves its mark. */
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { findEngine } from '../../console/engine/engine.ts';
import type { Ledger } from '../../ledger/src/client.ts';

/** `claims`: actions that the executor took to run. `marks`: lines that commands left in the workspace. */
export type Ran = { claims: number; marks: string[] };

/** The workspace as the engine sees it, past the bot: no container of a task means that none ever ran. */
async function marksIn(project: string): Promise<string[]> {
  const { docker } = findEngine();
  const [task] = await docker.listContainers({ filters: { name: [`^/${project}-task-`] } });
  if (!task) return [];
  const command = ['sh', '-c', 'cat /workspace/marks; test ! -e /workspace/forged || echo forged'];
  const exec = await docker
    .getContainer(task.Id)
    .exec({ Cmd: command, AttachStdout: true, AttachStderr: true });
  const stream = await exec.start({});
  const out = new PassThrough();
  docker.modem.demuxStream(stream, out, new PassThrough());
  stream.on('end', () => out.end());
  return (await text(out)).split('\n').filter(Boolean);
}

export async function whatRan(ledger: Ledger, project: string): Promise<Ran> {
  const claims = (await ledger.since(0)).filter((e) => e.kind === 'claimed').length;
  return { claims, marks: await marksIn(project) };
}
