/** Commands that read files of the workspace, each its own decision. */
import type { Asked } from '@pocketcoder/ledger/src/action.ts';
import type { Command, CommandContext } from './commands.ts';

/** Asks for what the message itself decides, where it may; else a card asks. The room shows the rest. */
async function ask(c: CommandContext, what: Pick<Asked, 'kind' | 'args'>): Promise<string> {
  const { workspace, user } = c;
  const task = c.conversation.currentTask(workspace).id;
  await c.desk.ask({ ...what, workspace, task, requester: user } as Asked);
  return '';
}

export const fileCommands: readonly Command[] = [
  {
    name: 'files',
    usage: '!files [PATH]',
    summary: 'what is in the workspace, or in a directory of it',
    verbatim: true,
    run: (path, c) => ask(c, { kind: 'list', args: { path: path || '.' } }),
  },
  {
    name: 'get',
    usage: '!get PATH',
    summary: 'a file of the workspace; a file that you send is put into uploads',
    verbatim: true,
    run: (path, c) => (path ? ask(c, { kind: 'get_file', args: { path } }) : 'Which file? !get PATH'),
  },
  {
    name: 'diff',
    usage: '!diff',
    summary: 'what changed since the import',
    run: (_, c) => ask(c, { kind: 'diff', args: {} }),
  },
  {
    name: 'export',
    usage: '!export [patch|bundle]',
    summary: 'what changed since the import, as a file for git apply, or for git fetch',
    run: (as, c) =>
      as === '' || as === 'patch' || as === 'bundle'
        ? ask(c, { kind: 'export', args: { as: as || 'patch' } })
        : 'As what? !export patch, or !export bundle',
  },
];
