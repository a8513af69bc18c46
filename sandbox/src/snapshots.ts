/**
 * A snapshot of the workspace before each action that can write, what each changed, and the way back. The work itself is
 * image/keep.py's, in a container of its own; here is its order: which action comes after which snapshot.
 */
import { traits } from '../../ledger/rules/kinds.cjs';
import { treeOf, worksApart } from '../../ledger/rules/workspaces.cjs';
import { type Action, sha256 } from '../../ledger/src/action.ts';
import type { Changes } from '../../ledger/src/bodies.ts';
import { messageOf } from '../../ledger/src/retry.ts';
import type { Request } from './claim.ts';
import type { Context } from './step.ts';
import { type Outcome, told } from './tasks.ts';

export type Snapshots = ReturnType<typeof makeSnapshots>;

/** A workspace, or a task's own copy of it. `version` counts the beginnings and ends of what writes; `writers` says of each whether it goes on beside others; `undone` resolves when an undo or a merge in it is over. */
type Tree = {
  version: number;
  writers: Map<string, boolean>;
  line: Promise<unknown>;
  undone?: Promise<void>;
};

/** Of an undo or a merge that was under way when it ended. */
export const halfwayOf = ({ number, action: { kind } }: Pick<Request, 'number' | 'action'>): string =>
  kind === 'merge'
    ? `Some of it may be done: say the same !merge again, it goes on from there, or !undo ${number}.`
    : 'Some of it may be done: say the same !undo again, it goes on from there.';

const inert = ['read', 'control', 'network'];
/** What is tried writes to a copy, and a tool server has none of the workspace. */
const apart = ['try', 'server_look', 'mcp'];
/** A pull lays what it fetched into the workspace's `.git`. */
const writes = ({ action: { kind } }: Request): boolean =>
  kind === 'pull' || (!apart.includes(kind) && !inert.includes(traits(kind).class ?? ''));

/** What image/keep.py is asked for, where that carries an action out. */
function wordsFor({ kind, args }: Action): string[] | undefined {
  if (kind === 'undo') return ['restore', String(args.number), sha256(args.difference)];
  if (kind === 'undo_diff') return ['difference', String(args.number)];
  if (kind === 'merge') return ['merge', '0', sha256(args.difference)];
  return kind === 'merge_look' ? ['bring'] : undefined;
}

export function makeSnapshots({ tasks, log }: Pick<Context, 'tasks' | 'log'>) {
  const trees = new Map<string, Tree>();
  /** Of actions that are not over: the version that their snapshot shows. */
  const taken = new Map<string, number>();
  /** Ends the undo or merge of this id. */
  const ends = new Map<string, () => void>();

  function treeNamed(name: string): Tree {
    const tree = trees.get(name) ?? { version: 0, writers: new Map(), line: Promise.resolve() };
    trees.set(name, tree);
    return tree;
  }
  const treeFor = ({ action }: Request): Tree => treeNamed(treeOf(action));
  /** The trees in which nothing else may write while it goes on: a merge brings from one what it lays into the other. */
  function alone(request: Request): Tree[] {
    const { action } = request;
    if (action.kind === 'undo') return [treeFor(request)];
    return action.kind === 'merge'
      ? [treeFor(request), treeNamed(treeOf({ ...action, task: action.args.task }))]
      : [];
  }
  function hold(request: Request): void {
    const over = new Promise<void>((resolve) => ends.set(request.id, resolve));
    for (const tree of alone(request)) tree.undone = over;
  }

  /** Without one the action runs all the same, and `!undo` says that there is none. */
  async function take(request: Request, tree: Tree): Promise<void> {
    const { id, number, action } = request;
    if (taken.get(id) === tree.version) return;
    const { version } = tree;
    try {
      const { exit, text } = await tasks.keep(treeOf(action), 'take', String(number));
      if (exit !== 0) log.warn({ action: id, why: text }, 'no snapshot');
    } catch (error) {
      log.warn({ action: id, err: error }, 'no snapshot');
    }
    taken.set(id, version);
  }

  /** One snapshot of a workspace at a time. */
  function inLine(request: Request): Promise<void> {
    const tree = treeFor(request);
    const next = tree.line.then(() => take(request, tree));
    tree.line = next;
    return next;
  }

  return {
    /** The card is shown: while it waits there is time. Never rejects. */
    async before(request: Request): Promise<void> {
      if (writes(request)) await inLine(request);
    },
    /**
     * The action is about to be claimed: its snapshot shows the tree as it is, and from here on it counts as one that writes, until
     * `end`. Returns why it cannot run, or ''.
     */
    async begin(request: Request): Promise<string> {
      if (!writes(request)) return '';
      const tree = treeFor(request);
      // What a terminal wrote since nobody has counted.
      if ([...tree.writers.values()].includes(true)) tree.version++;
      while (tree.undone || taken.get(request.id) !== tree.version) {
        await tree.undone;
        await inLine(request);
      }
      const { kind } = request.action;
      if (alone(request).some(({ writers, undone }) => writers.size > 0 || undone))
        return `another action runs in this workspace${kind === 'merge' ? ' or in the copy' : ''}: wait for its end or say !stop, then ask again; nothing was ${kind === 'merge' ? 'merged' : 'undone'}`;
      if (alone(request).length > 0) hold(request);
      tree.writers.set(request.id, Boolean(traits(request.action.kind).lasts));
      tree.version++;
      return '';
    },
    /** What was claimed before this process began runs on. */
    goesOn(request: Request): void {
      if (writes(request)) treeFor(request).writers.set(request.id, false);
      if (alone(request).length > 0) hold(request);
    },
    /** It is over, or does not begin after all. */
    end(request: Request): void {
      const tree = treeFor(request);
      taken.delete(request.id);
      if (!tree.writers.delete(request.id)) return;
      tree.version++;
      const undone = ends.get(request.id);
      if (!ends.delete(request.id)) return;
      for (const held of alone(request)) delete held.undone;
      undone?.();
    },
    /** What the action has changed since its snapshot; undefined where nobody can tell. Never rejects. */
    async changes(request: Request): Promise<Changes | undefined> {
      const { id, number, action } = request;
      if (!treeFor(request).writers.has(id)) return undefined;
      try {
        const { exit, text } = await tasks.keep(treeOf(action), 'changes', String(number));
        const [changed, added, removed, plus, minus] = text.trim().split(' ').map(Number);
        if (exit === 0 && minus !== undefined) return { changed, added, removed, plus, minus } as Changes;
        log.warn({ action: id, why: text }, 'what it changed is not known');
      } catch (error) {
        log.warn({ action: id, err: error }, 'what it changed is not known');
      }
      return undefined;
    },
    /** Tells what an undo or a merge would do, or does it: exactly what was approved, or nothing. */
    async carryOut(request: Request): Promise<Outcome | undefined> {
      const { action } = request;
      const words = wordsFor(action);
      if (!words) return undefined;
      const merges = action.kind === 'merge';
      const { task } = merges ? action.args : action;
      const tree = treeOf({ ...action, task });
      // What is merged comes from a copy, and goes into the workspace itself.
      if (
        (merges || action.kind === 'merge_look') &&
        (!worksApart(task) || (merges && worksApart(action.task)))
      )
        return told({
          exit: 1,
          text: 'only what a task did apart is merged, into the workspace itself; nothing was\n',
        });
      const { exit, text } = await tasks
        .keep(tree, ...words)
        .catch((error: unknown) => ({ exit: -1, text: `${messageOf(error)}\n` }));
      // By 1 it says that nothing was done; however else it ended, it may have been under way.
      const partly = alone(request).length > 0 && exit !== 0 && exit !== 1;
      return told({ exit, text: partly ? `${text}${halfwayOf(request)}\n` : text });
    },
  };
}
