/** `pocketcoder workspace`: code comes in and goes out here, at the console; each of the two is an entry of the ledger. */
import { randomUUID } from 'node:crypto';
import { existsSync, renameSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { isWorkspaceName } from '../../ledger/rules/workspaces.cjs';
import { messageOf } from '../../ledger/src/retry.ts';
import { seen } from '../care/logs.ts';
import { findEngine } from '../engine/engine.ts';
import { ensureImage } from '../engine/images.ts';
import { Fault, fault } from '../fault.ts';
import { alone } from '../instance/alone.ts';
import { askBot } from '../instance/bot-console.ts';
import type { Instance } from '../instance/instance.ts';
import { operate } from '../instance/ledger.ts';
import type { Report } from '../report.ts';
import { writeResult } from './workspace-result.ts';
import { readSource, type Source, sourceOf } from './workspace-source.ts';
import { emptyVolumes, type Facts, type Where, withTree } from './workspace-tree.ts';

export const workspaceWords = 'list | add NAME [PATH|GIT-URL] | export NAME FILE.bundle|FILE.patch|DIRECTORY';

/** Runs one of the three. Throws a Fault that says what was not done. */
export function workspace(instance: Instance, report: Report, words: readonly string[]): Promise<void> {
  const [what, name, where] = words;
  if (what === 'list' && words.length === 1) return list(instance, report);
  const known = isWorkspaceName(name);
  if (what === 'add' && known && words.length <= 3) {
    const source = where === undefined ? undefined : sourceOf(where, instance.home);
    return alone(instance.home, () => add(instance, report, name, source));
  }
  if (what === 'export' && known && where !== undefined && words.length === 3)
    return exportTo(instance, report, name, resolve(where));
  throw fault.usage(
    `workspace takes ${workspaceWords}. A name has small letters, digits and dashes, at most 31.`,
  );
}

async function list(instance: Instance, report: Report): Promise<void> {
  const { state } = await operate(instance);
  const all = [...state.workspaces].map(([name, of]) => ({ name, ...of }));
  const lines = all.map(
    ({ name, room, imported }) =>
      `${name}  ${room || 'no room yet: say workspace add again'}${imported ? `  from ${imported.source}` : ''}`,
  );
  report.event({ event: 'workspaces', workspaces: all }, lines.join('\n'));
}

async function whereOf(instance: Instance, report: Report, name: string): Promise<Where> {
  const { docker } = findEngine();
  const image = await ensureImage('task', docker, report);
  return { docker, project: instance.state.project, image, workspace: name };
}

/** What can be done again is done first, the entry then, the room last: the same command goes on where it was cut off. */
async function add(
  instance: Instance,
  report: Report,
  name: string,
  source: Source | undefined,
): Promise<void> {
  const { project } = instance.state;
  await askBot(findEngine(), project, { cmd: 'status' }); // where it is not up nothing is begun
  const { ledger, state } = await operate(instance);
  const known = state.workspaces.get(name);
  const same = known?.imported?.source === source?.name;
  if (known && !same)
    throw fault.failed(
      `There is a workspace ${name} already, ${known.imported ? `from ${known.imported.source}` : 'which began empty'}. ` +
        'Nothing was changed: choose another name.',
    );
  if (!known) {
    const where = await whereOf(instance, report, name);
    await emptyVolumes(where);
    if (source)
      await report.phase('import', source.name, async () => {
        const { left, ...facts } = await bringIn(where, source);
        await ledger.append({
          kind: 'workspace.imported',
          body: { workspace: name, form: source.form, source: source.name, ...facts },
        });
        if (left.length > 0) report.event({ event: 'left', left }, `  left out: ${quoted(left)}`);
      });
  }
  const { room } = await askBot(findEngine(), project, { cmd: 'workspace', name });
  report.event(
    { event: 'workspace', workspace: name, room, made: !known?.room },
    known?.room
      ? `The workspace ${name} is there already; nothing was changed.`
      : `The workspace ${name} is there. Accept the invitation to "PocketCoder · ${name}" in Element.`,
  );
}

async function bringIn(where: Where, source: Source) {
  try {
    return await withTree(where, ['import', source.form, source.name], async (box) => {
      const left = await readSource(source, box.put);
      const { commit, tree, files, bytes } = await box.run();
      return { commit, tree, files, bytes, left };
    });
  } catch (error) {
    if (error instanceof Fault && error.exit === 'usage') throw error;
    throw fault.failed(`${source.name} was not brought in, and no workspace was made: ${messageOf(error)}`);
  }
}

/** Names that may hold anything. */
const quoted = (names: readonly string[]): string => names.map((one) => seen(JSON.stringify(one))).join(', ');

/** By the name it is to have. */
const formOf = (out: string) =>
  out.endsWith('.bundle') ? 'bundle' : out.endsWith('.patch') ? 'patch' : 'directory';

async function exportTo(instance: Instance, report: Report, name: string, out: string): Promise<void> {
  if (existsSync(out))
    throw fault.cannotCreate(`${out} is there already. Nothing was exported: name another place.`);
  const { ledger, state } = await operate(instance);
  const known = state.workspaces.get(name);
  if (!known?.room)
    throw fault.failed(`There is no workspace ${name}: ./pocketcoder workspace list names them.`);
  const form = formOf(out);
  const part = `${out}.${randomUUID()}`;
  const since = known.imported?.form === 'git' ? ['git'] : [];
  const where = await whereOf(instance, report, name);
  try {
    await withTree(where, ['export', form, ...since], async (box) => {
      const facts = await box.run();
      if (form !== 'directory' && facts.files === 0)
        return report.event(
          { event: 'unchanged', workspace: name },
          'Nothing changed since it came in: nothing was written.',
        );
      const { bytes, left } = await writeResult(await box.result(), part);
      const { tree, files } = facts;
      // Before it can be seen: what left without an entry would be a lie.
      await ledger.append({
        kind: 'workspace.exported',
        body: { workspace: name, form, tree, files, bytes },
      });
      renameSync(part, out);
      report.event(
        { event: 'exported', workspace: name, form, out, tree, files, bytes, left: [...left, ...facts.odd] },
        told(out, facts, left),
      );
    });
  } catch (error) {
    throw fault.failed(`Nothing was exported from ${name}: ${messageOf(error)}`);
  } finally {
    rmSync(part, { recursive: true, force: true });
  }
}

function told(out: string, { files, left: nested, odd }: Facts, left: readonly string[]): string {
  return [
    `${out}: ${files} files.`,
    ...(odd.length > 0 ? [`Left out, as they can't be read: ${quoted(odd)}`] : []),
    ...(nested > 0 ? [`Left out: ${nested} repositories inside of the workspace.`] : []),
    ...(left.length > 0
      ? [`Left out, as they lead out of it or have no name that can be written: ${quoted(left)}`]
      : []),
  ].join('\n');
}
