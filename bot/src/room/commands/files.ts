/** Commands about files of the workspace and where it came from. Most are their own decision, so the gatekeeper reads what their words ask for. */
import {
  ask,
  type Commands,
  number,
  oneOf,
  optional,
  type Parameter,
  rest,
  taskNumber,
  type Way,
  way,
  word,
} from './command.ts';

/** How it is written: what comes here is nothing that the gatekeeper could read. */
const written = (...takes: Parameter<unknown>[]): Way => ({
  takes,
  run: () => 'Not understood, and nothing was done.',
});

export const files: Commands = {
  files: {
    summary: 'what is in the workspace, or in a directory of it',
    ways: [written(optional(rest('PATH')))],
  },
  get: {
    summary: 'a file of the workspace; a file that you send is put into uploads',
    ways: [written(rest('PATH'))],
  },
  show: {
    summary: 'what #N did and wrote, as a file where that is long',
    ways: [way([number], (c, n) => c.show(c.workspace, n))],
  },
  diff: { summary: 'what changed since the import', ways: [written()] },
  export: {
    summary: 'what changed since the import, as a file for git apply, or for git fetch',
    ways: [written(optional(oneOf('patch', 'bundle')))],
  },
  screen: { summary: 'what the terminal of this task shows now', ways: [written()] },
  push: {
    summary: 'the commits of a branch to where the workspace came from: first shows them, then a card asks',
    ways: [written(optional(word('BRANCH')))],
  },
  pull: {
    summary:
      'fetch what others pushed there, by a card: then shows what it would bring, and a card asks to merge it',
    ways: [
      way([optional(word('BRANCH'))], (c, branch = '') =>
        ask(c, { kind: 'pull', args: { ...c.repository(c.workspace), branch } }),
      ),
    ],
  },
  try: {
    summary: 'run what #N waits to do in a copy of the workspace, and show what it would change',
    ways: [written(number)],
  },
  merge: {
    summary:
      'bring what task N did apart into the workspace: first shows what would change, then a card asks',
    ways: [written(taskNumber)],
  },
  undo: {
    summary: 'make every file as it was before #N: first shows what would change, then a card asks',
    ways: [written(number)],
  },
};
