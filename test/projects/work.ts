/** What is done to each project, through its room alone: fetched, tested, broken, undone, tested, committed, exported. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isOver } from '../../ledger/rules/lifecycle.cjs';
import type { Action } from '../../ledger/src/action.ts';
import type { Entry, Ledger } from '../../ledger/src/client.ts';
import { sees } from '../harness/answers.ts';
import type { Instance } from '../harness/instance.ts';
import type { Scripts, Step } from '../harness/model.ts';
import { until } from '../harness/wait.ts';
import type { Phone } from '../phone/phone.ts';
import { fetched } from './fetched.ts';
import type { Project } from './list.ts';

/** `mb` came down by the lease, its megabytes; `taps` are the answers that approved. */
export type Row = { cards: number; taps: number; seconds: number; mb: number };
export type Bench = { instance: Instance; phone: Phone; ledger: Ledger; folder: string };

const patience = 300;
const hidden =
  'printf "node_modules\\n.nyc_output\\ncoverage\\n.venv\\n__pycache__\\n*.egg-info\\n.pytest_cache\\n" >> .gitignore';
const installOf = ({ registry, more = '' }: Project): string =>
  registry === 'npm'
    ? `${hidden}; npm install --no-audit --no-fund`
    : `${hidden}; python3 -m venv .venv && .venv/bin/pip install -q ${more} -e .`;
const commit = 'git init -q -b main && git add -A && git commit -qm "A note" && git log --oneline | wc -l';

/** What is said in its room, and the agent's last words each time. */
const wordsOf = (name: string) => ({
  first: { ask: `Please look after ${name}.`, last: `${name} is broken.` },
  after: { ask: `Please write a note of ${name}.`, last: `${name} is done.` },
});

/** What the scripted model does for each project. The second script stands first: the first one's words are in its conversation too. */
export function scriptsOf(projects: readonly Project[]): Scripts {
  const scripts: Record<string, readonly Step[]> = {};
  for (const project of projects) {
    const { name, registry } = project;
    const { first, after } = wordsOf(name);
    const { path, old, new: broken } = project.edit;
    const step = (tool: string, args: object): Step => ({ call: { tool, args } });
    const test = step('bash', { script: project.test, timeout: patience });
    scripts[after.ask] = [
      test,
      step('write_file', { path: 'NOTES.md', content: `${name} was looked after.\n` }),
      step('bash', { script: commit }),
      { say: after.last },
    ];
    scripts[first.ask] = [
      step('network', { to: [registry], down_mb: 300, up_mb: 5, minutes: 30 }),
      step('bash', { script: installOf(project), timeout: patience }),
      test,
      step('edit_file', { path, old, new: broken }),
      test,
      { say: first.last },
    ];
  }
  return scripts;
}

/** The actions of one workspace, each with its number and how it ended. */
async function actionsOf(ledger: Ledger, workspace: string) {
  const entries = await ledger.since(0);
  return entries
    .filter((e) => e.kind === 'requested')
    .map((e, i) => ({ action: JSON.parse(e.body) as Action, number: i + 1 }))
    .filter(({ action }) => action.workspace === workspace)
    .map(({ action, number }) => {
      const story = entries.filter((e) => e.action === action.id);
      return { action, number, story, end: story.find((e) => isOver(e.kind)) };
    });
}
type Done = Awaited<ReturnType<typeof actionsOf>>[number];

function endedWell(all: readonly Done[], how: Readonly<Record<string, readonly string[]>>): void {
  for (const [kind, expected] of Object.entries(how)) {
    const seen = all.filter(({ action }) => action.kind === kind).map(({ end }) => end?.kind ?? 'open');
    if (seen.join() !== expected.join())
      throw new Error(`${kind} ended ${seen.join()}, not ${expected.join()}`);
  }
}
const numberIn = (entry: Entry | undefined, key: string): number =>
  Number((JSON.parse(entry?.body ?? '{}') as Record<string, unknown>)[key] ?? Number.NaN);

/** @throws where one of its steps did not end as it has to */
export async function work({ instance, phone, ledger, folder }: Bench, project: Project): Promise<Row> {
  const began = performance.now();
  const { name } = project;
  const made = await instance.run(['workspace', 'add', name, await fetched(project, folder), '--json']);
  const room = String(made.events.find((e) => e['event'] === 'workspace')?.['room']);
  if (made.code !== 0) throw new Error(made.out + made.err);
  await phone.until('the invitation', (p) => p.rooms().includes(room));
  await until('words there', () => phone.say('!pending', room));

  const { first, after } = wordsOf(name);
  await phone.say(first.ask, room);
  await sees(phone, first.last, patience);
  const all = await actionsOf(ledger, name);
  endedWell(all, { bash: ['succeeded', 'succeeded', 'failed'], edit_file: ['succeeded'] });

  await phone.say(`!undo ${all.find(({ action }) => action.kind === 'edit_file')?.number}`, room);
  await until('the undo', async () =>
    (await actionsOf(ledger, name)).some(({ action, end }) => action.kind === 'undo' && end),
  );
  await phone.say(after.ask, room);
  await sees(phone, after.last, patience);
  await phone.say('!stop', room);
  await until('the end of the lease', async () =>
    (await actionsOf(ledger, name)).some(({ action, end }) => action.kind === 'egress' && end),
  );

  const patch = join(folder, `${name}.patch`);
  const exported = await instance.run(['workspace', 'export', name, patch, '--json']);
  if (exported.code !== 0) throw new Error(exported.out + exported.err);
  const text = readFileSync(patch, 'utf8');
  const { path } = project.edit;
  const names = [...text.matchAll(/^diff --git a\/\S+ b\/(\S+)$/gm)].map(([, of]) => of);
  // A build writes anew some of what came with a package, its list of files for one.
  const wrong = names.filter((of = '') => of === path || /^(node_modules|\.venv)\//.test(of));
  if (!names.includes('NOTES.md') || wrong.length > 0)
    throw new Error(`the export is of ${names.join(', ')}`);

  const done = await actionsOf(ledger, name);
  const ok = 'succeeded';
  endedWell(done, { bash: [ok, ok, 'failed', ok, ok], undo: [ok], write_file: [ok] });
  // What decides itself, as !stop does, is posted and approved too, by a command.
  const count = (kind: string) =>
    done.filter(({ story }) => story.some((e) => e.kind === kind && !e.body.includes('"form":"command"')))
      .length;
  const lease = done.find(({ action }) => action.kind === 'egress');
  return {
    cards: count('posted'),
    taps: count('approved'),
    seconds: Math.round((performance.now() - began) / 1000),
    mb: Math.round(numberIn(lease?.end, 'down') / 1e5) / 10,
  };
}
