/**
 * A snapshot of the workspace before each action that can write, what each changed, and the way back. The work itself is
 * image/keep.py's, in a container of its own; here is its order: which action comes after which snapshot.
 */
import { traits } from '../../ledger/rules/kinds.cjs';
import { sha256 } from '../../ledger/src/action.ts';
import type { Changes } from '../../ledger/src/bodies.ts';
import { messageOf } from '../../ledger/src/retry.ts';
import type { Request } from './claim.ts';
import type { Context } from './step.ts';
import { type Outcome, told } from './tasks.ts';

export type Snapshots = ReturnType<typeof makeSnapshots>;

/** A workspace. `version` counts the beginnings and ends of what writes; `writers` says of each whether it goes on beside others; `undone` resolves when an undo in it is over. */
type Tree = {
  version: number;
  writers: Map<string, boolean>;
  line: Promise<unknown>;
  undone?: Promise<void>;
};

/** Of an undo that was under way when it ended. */
export const halfway = 'Some of it may be done: say the same !undo again, it goes on from there.';

/** A pull lays what it fetched into the workspace's `.git`. */
const writes = ({ action: { kind } }: Request): boolean =>
  kind === 'pull' || !['read', 'control', 'network'].includes(traits(kind).class ?? '');

export function makeSnapshots({ tasks, log }: Pick<Context, 'tasks' | 'log'>) {
  const trees = new Map<string, Tree>();
  /** Of actions that are not over: the version that their snapshot shows. */
  const taken = new Map<string, number>();
  /** Ends the undo of this id. */
  const ends = new Map<string, () => void>();

  function treeOf({ action: { workspace } }: Request): Tree {
    const tree = trees.get(workspace) ?? { version: 0, writers: new Map(), line: Promise.resolve() };
    trees.set(workspace, tree);
    return tree;
  }

  /** Without one the action runs all the same, and `!undo` says that there is none. */
  async function take(request: Request, tree: Tree): Promise<void> {
    const { id, number, action } = request;
    if (taken.get(id) === tree.version) return;
    const { version } = tree;
    try {
      const { exit, text } = await tasks.keep(action.workspace, 'take', String(number));
      if (exit !== 0) log.warn({ action: id, why: text }, 'no snapshot');
    } catch (error) {
      log.warn({ action: id, err: error }, 'no snapshot');
    }
    taken.set(id, version);
  }

  /** One snapshot of a workspace at a time. */
  function inLine(request: Request): Promise<void> {
    const tree = treeOf(request);
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
      const tree = treeOf(request);
      // What a terminal wrote since nobody has counted.
      if ([...tree.writers.values()].includes(true)) tree.version++;
      while (tree.undone || taken.get(request.id) !== tree.version) {
        await tree.undone;
        await inLine(request);
      }
      if (request.action.kind === 'undo') {
        if (tree.writers.size > 0)
          return 'another action runs in this workspace: wait for its end or say !stop, then ask again; nothing was undone';
        tree.undone = new Promise((resolve) => ends.set(request.id, resolve));
      }
      tree.writers.set(request.id, Boolean(traits(request.action.kind).lasts));
      tree.version++;
      return '';
    },
    /** What was claimed before this process began runs on. */
    goesOn(request: Request): void {
      if (writes(request)) treeOf(request).writers.set(request.id, false);
    },
    /** It is over, or does not begin after all. */
    end(request: Request): void {
      const tree = treeOf(request);
      taken.delete(request.id);
      if (!tree.writers.delete(request.id)) return;
      tree.version++;
      const undone = ends.get(request.id);
      if (!ends.delete(request.id)) return;
      delete tree.undone;
      undone?.();
    },
    /** What the action has changed since its snapshot; undefined where nobody can tell. Never rejects. */
    async changes(request: Request): Promise<Changes | undefined> {
      const { id, number, action } = request;
      if (!treeOf(request).writers.has(id)) return undefined;
      try {
        const { exit, text } = await tasks.keep(action.workspace, 'changes', String(number));
        const [changed, added, removed, plus, minus] = text.trim().split(' ').map(Number);
        if (exit === 0 && minus !== undefined) return { changed, added, removed, plus, minus } as Changes;
        log.warn({ action: id, why: text }, 'what it changed is not known');
      } catch (error) {
        log.warn({ action: id, err: error }, 'what it changed is not known');
      }
      return undefined;
    },
    /** Tells what an undo would do, or does it: exactly what was approved, or nothing. */
    async carryOut({ action }: Request): Promise<Outcome | undefined> {
      const { kind, args, workspace } = action;
      if (kind !== 'undo' && kind !== 'undo_diff') return undefined;
      const words =
        kind === 'undo'
          ? ['restore', String(args.number), sha256(args.difference)]
          : ['difference', String(args.number)];
      const { exit, text } = await tasks
        .keep(workspace, ...words)
        .catch((error: unknown) => ({ exit: -1, text: `${messageOf(error)}\n` }));
      // By 1 it says that nothing was done; however else it ended, it may have been under way.
      const partly = kind === 'undo' && exit !== 0 && exit !== 1;
      return told({ exit, text: partly ? `${text}${halfway}\n` : text });
    },
  };
}
