/** What each brain has yet to be told, and telling it: kept until it was taken, in order, one brain after the other. */
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { Acting, Brain, Picture } from '../brain/brain.ts';
import type { RoomId } from '../types.ts';
import type { Marks } from './marks.ts';
import { isNote, type Owed, type Task, type TaskStore, titleOf } from './tasks.ts';
import type { Turns } from './turns.ts';

export type DebtsOptions = {
  brain: Brain;
  /** Opens a task's address at the gateway: the only hands its session has. */
  hands(task: string, workspace: string): Acting;
  tasks: TaskStore;
  turns: Pick<Turns, 'asked' | 'works'>;
  marks: Marks;
  roomOf(workspace: string): RoomId;
  /** Why a text must not go to the brain, or ''. */
  leak(text: string): string;
  /** The picture that an action put into the workspace, if it was one and the task's model sees. */
  picture?(action: string, task: string): Promise<Picture | undefined>;
  log: Logger;
};
export type Debts = {
  /**
   * Notes words and tells them. Returns what to say: that they are kept, once as long as nothing is taken.
   * @param file the action that put it there @param event of words that wait, marked, where a turn is under way
   */
  owe(task: Task, text: string, o?: { file?: string; event?: string }): Promise<string>;
  /** Ends the turn that is under way, and tells this first. */
  now(task: Task, text: string): Promise<string>;
  /** What waits of that event is this from now on. Returns whether it waits. */
  reword(event: string, change: (text: string) => string): boolean;
  /** Tells each brain at once all that it is owed. What can't be told now is told again: soon while the brain is up. */
  pay(): Promise<void>;
  /** Ends what the sessions of these tasks do, now and once more when nothing is on its way to them any longer. Never throws. */
  end(tasks: readonly Pick<Task, 'id'>[]): Promise<void>;
  /** The brain is told of a task's session, so that it follows it again. */
  follow(task: Task): void;
};

const kept = 'The agent does not take that now. It is kept, and told to it as soon as it does.';
/** Milliseconds until a brain that is up and did not take something is told it again. */
const soon = 10_000;
/** What is owed of a file that was sent goes by this and its action. */
const sentPrefix = 'sent-';
/** Words that are told when the turn that is under way is over: those of an event by that, those of a moment's haste first. */
const waitPrefix = 'wait-';
const nextPrefix = 'next-';
const isHeld = ({ id }: Owed): boolean => id.startsWith(waitPrefix) || id.startsWith(nextPrefix);

/** @param isUp whether the brain is there at all */
export function createDebts(o: DebtsOptions, isUp: () => boolean): Debts {
  const { brain, tasks, turns, log } = o;
  /** Tasks whose brain takes nothing at present, and where that was said. */
  const toldKept = new Set<string>();
  /** What is being told at this moment: too late to be reworded. */
  const telling = new Set<string>();
  /** Sessions that the brain was told of. */
  const followed = new Set<string>();

  function follow({ id, session, workspace }: Task): void {
    if (!session || followed.has(session)) return;
    followed.add(session);
    brain.resume({ session, task: o.hands(id, workspace), asked: tasks.asked(id).length > 0 });
  }

  /** A task's session is made with its first words: `!run` alone needs no brain. */
  async function sessionOf(task: Task): Promise<string> {
    follow(task);
    if (task.session) return task.session;
    const { id, workspace } = task;
    const begun = await brain.createSession({ title: titleOf(task), task: o.hands(id, workspace) });
    followed.add(begun);
    tasks.setSession(id, begun);
    return begun;
  }

  async function prompt(task: Task, some: readonly Owed[]): Promise<void> {
    const text = some.map((owed) => owed.text).join('\n\n');
    const leak = o.leak(`${task.title}\n${text}`);
    if (leak) throw new Error(`Not told to the agent: ${leak}.`);
    const sent = some.filter(({ id }) => id.startsWith(sentPrefix));
    const pictures = await Promise.all(
      sent.map(({ id }) => o.picture?.(id.slice(sentPrefix.length), task.id)),
    );
    const seen = pictures.filter((picture) => picture !== undefined);
    await brain.prompt(await sessionOf(task), text, seen);
    turns.asked(task, text);
  }

  /** @returns false where it is to be tried again by itself */
  async function payTask(id: string, some: readonly Owed[]): Promise<boolean> {
    const task = tasks.get(id);
    if (tasks.halted(id)) return true;
    for (const owed of some) telling.add(owed.id);
    // What was edited since it was listed is told as it is now.
    const now = tasks.owed().filter(({ id: key }) => telling.has(key));
    try {
      if (task) await prompt(task, now);
    } catch (error) {
      log.warn({ task: id, err: error }, 'the brain was not told something yet');
      return false;
    } finally {
      for (const owed of some) telling.delete(owed.id);
    }
    for (const { id: key } of some) {
      tasks.paid(key);
      if (task && key.startsWith(waitPrefix))
        void o.marks.clear(o.roomOf(task.workspace), key.slice(waitPrefix.length));
    }
    toldKept.delete(id);
    return true;
  }

  let again: NodeJS.Timeout | undefined;
  async function payAll(): Promise<void> {
    let stuck = false;
    const owed = Map.groupBy(tasks.owed(), ({ task }) => task);
    for (const [id, all] of owed) {
      const some = turns.works(id) ? all.filter((one) => !isHeld(one)) : all;
      if (!some.every(isNote)) stuck = !(await payTask(id, some)) || stuck;
    }
    clearTimeout(again);
    if (isUp() && stuck) again = setTimeout(pay, soon).unref();
  }
  let line: Promise<void> = Promise.resolve();
  function pay(): Promise<void> {
    line = line.then(payAll);
    return line;
  }

  async function endAll(some: readonly Pick<Task, 'id'>[]): Promise<void> {
    const one = async ({ id }: Pick<Task, 'id'>) => {
      const session = tasks.get(id)?.session;
      if (!session) return;
      await brain
        .abort(session)
        .catch((error: unknown) => log.warn({ task: id, err: error }, 'the brain was not interrupted'));
    };
    await Promise.all(some.map(one));
  }

  return {
    pay,
    async owe({ id: task, workspace }, text, { file, event } = {}) {
      const waits = event !== undefined && turns.works(task);
      const id = tasks.owe(task, text, waits ? waitPrefix + event : file && sentPrefix + file);
      if (waits) void o.marks.set(o.roomOf(workspace), event);
      await pay();
      // What came after it may be on its way still.
      const isKept = tasks.owed().some((owed) => owed.id === id) && !waits && !tasks.halted(task);
      if (!isKept || toldKept.has(task)) return '';
      toldKept.add(task);
      return kept;
    },
    async now(task, text) {
      tasks.oweFirst(task.id, text, `${nextPrefix}${randomUUID()}`);
      if (turns.works(task.id)) {
        tasks.answered(task.id); // what it was asked is not asked again: that was interrupted
        await endAll([task]); // its end has the rest told
      }
      await pay();
      return '';
    },
    reword: (event, change) => !telling.has(waitPrefix + event) && tasks.reword(waitPrefix + event, change),
    end(some) {
      const now = endAll(some);
      line = line.then(() => endAll(some));
      return now;
    },
    follow,
  };
}
