/** Commands that read files of the workspace, each its own decision. */
import { ask, type Command, oneOf, optional, rest, way } from './command.ts';

export const files: readonly Command[] = [
  {
    name: 'files',
    summary: 'what is in the workspace, or in a directory of it',
    ways: [way([optional(rest('PATH'))], (c, path = '.') => ask(c, { kind: 'list', args: { path } }))],
  },
  {
    name: 'get',
    summary: 'a file of the workspace; a file that you send is put into uploads',
    ways: [way([rest('PATH')], (c, path) => ask(c, { kind: 'get_file', args: { path } }))],
  },
  {
    name: 'diff',
    summary: 'what changed since the import',
    ways: [way([], (c) => ask(c, { kind: 'diff', args: {} }))],
  },
  {
    name: 'export',
    summary: 'what changed since the import, as a file for git apply, or for git fetch',
    ways: [
      way([optional(oneOf('patch', 'bundle'))], (c, as = 'patch') =>
        ask(c, { kind: 'export', args: { as } }),
      ),
    ],
  },
];
