/** Commands that begin, look at and end tasks, of which several go on side by side in a room. */
import { isOver } from '@pocketcoder/ledger/rules/lifecycle.cjs';
import type { Changes } from '@pocketcoder/ledger/src/bodies.ts';
import { changesText } from '../../gateway/outcome.ts';
import { clock } from '../../show/action.ts';
import { wishOf } from '../../show/kinds.ts';
import { oneLine } from '../../show/visible.ts';
import { asksLine, lineOf } from '../../tasks/roster.ts';
import { type Task, titleOf } from '../../tasks/tasks.ts';
import { standsText } from '../progress.ts';
import { type CommandContext, type Commands, optional, rest, taskNumber, way } from './command.ts';

/** What waits or is under way in this room, or in one of its tasks. */
export function pendingText({ book, workspace, conversation }: CommandContext, task = ''): string {
  const mine = book
    .unfinished()
    .filter(({ action }) => action.workspace === workspace && (!task || action.task === task));
  const asking = conversation.asking(workspace).filter(({ id }) => !task || id === task);
  return [
    ...mine.map((p) => {
      const until = clock(new Date(p.requestedAt + p.action.decide_within * 1000), new Date());
      return `#${p.number} ${wishOf(p.action.kind)} · ${standsText(p, book) || `waits for you until ${until}`}`;
    }),
    ...asking.map((one) => asksLine(titleOf(one))),
  ].join('\n');
}

/** The tasks of this room, a line each; the one that plain words go to is marked. */
export function tasksText({ conversation, workspace }: CommandContext): string {
  const all = conversation.overview(workspace);
  return all.map((t) => lineOf(t, all.length > 1)).join('\n') || 'No task yet: say what should be done.';
}

/** What changed in the workspace by the last actions of a task. */
function changedText({ book }: CommandContext, task: string): string[] {
  const lines = book.over().flatMap(({ action, number, story }) => {
    const end = action.task === task && story.find((e) => isOver(e.kind));
    const { changes } = end ? (JSON.parse(end.body) as { changes?: Changes }) : {};
    const text = changesText(changes);
    return text ? [`#${number} ${wishOf(action.kind)}: ${text}`] : [];
  });
  return lines.slice(-3);
}

/** Makes a task the current one, and says how it stands. @param more what else is said of it */
function turnTo(c: CommandContext, n: number, more: (task: Task) => readonly string[]): string {
  const task = c.conversation.turnTo(c.workspace, n);
  if (!task) return `There is no task ${n} here. !tasks lists them.`;
  const last = task.said ? [`It said last: “${oneLine(task.said, 300)}”`] : [];
  return [`What you say goes to task ${task.number} now.`, tasksText(c), ...last, ...more(task)].join('\n');
}

/** @param n of a task; all are stopped where there is none of that number */
async function stop(c: CommandContext, n?: number): Promise<string> {
  const { conversation, desk, tour, workspace, user } = c;
  const task = n === undefined ? undefined : conversation.taskOf(workspace, n);
  void conversation.interrupt(workspace, task?.id);
  const count = await desk.stop(workspace, user, task?.id);
  tour.did(workspace, 'stopped');
  const all = n !== undefined && !task ? `There is no task ${n}, so all were stopped. ` : '';
  const what = task ? ` in task ${n}` : '';
  return all + (count === 0 ? `Nothing was running or waiting${what}.` : `Stopped${what}: ${count}.`);
}

function agentsText({ agents }: CommandContext): string {
  const lines = agents.map(({ name, description, model, budget, tools }) => {
    const takes = budget && `takes ${budget.toLocaleString('en')} tokens at most`;
    const about = [model && `thinks with ${model}`, takes, `has ${tools.join(', ') || 'no tools'}`];
    return `${name}: ${description} (${about.filter(Boolean).join('; ')})`;
  });
  return lines.join('\n') || 'There is no helper: docs/helpers.md says how to have some.';
}

export const tasking: Commands = {
  stop: {
    summary: 'end what runs, waits and thinks, in task N or all',
    everyday: true,
    control: true,
    ways: [way([taskNumber], stop), way([], (c) => stop(c))],
  },
  new: {
    summary: 'begin another task; apart: in a copy, until !merge N',
    everyday: true,
    ways: [
      way([optional(rest('--apart] [TITLE'))], ({ conversation, workspace }, text = '') => {
        // A phone makes one dash of two.
        const [apart, title = ''] = /^[-–—]+\s?apart\b[\s\p{P}]*(.*)$/isu.exec(text) ?? [];
        if (!apart && /^[-–—]/.test(text))
          return 'Not understood, and no task was begun: !new [--apart] [TITLE]';
        const { number } = conversation.newTask(workspace, apart ? title : text, apart !== undefined);
        return apart
          ? `New task ${number}, apart: it works in a copy of the workspace, and !merge ${number} brings back what it did. What should it do?`
          : `New task ${number}. What should it do?`;
      }),
    ],
  },
  now: {
    summary: 'interrupt, and say this',
    everyday: true,
    ways: [
      way([rest('TEXT')], ({ conversation, workspace, task }, text) =>
        conversation.hear(workspace, text, { task: task(), now: true }),
      ),
    ],
  },
  btw: {
    summary: 'ask the agent aside: it goes on, hears nothing of it and does nothing for it',
    ways: [
      way([rest('TEXT')], ({ conversation, task, event }, text) => conversation.aside(task(), text, event)),
    ],
  },
  tasks: {
    summary: 'the tasks, and how they stand',
    everyday: true,
    ways: [way([], tasksText)],
  },
  agents: {
    summary: 'the helpers that the agent may hand work to, and what they may use',
    ways: [way([], agentsText)],
  },
  task: {
    summary: 'speak to it, as a reply does',
    everyday: true,
    ways: [way([taskNumber], (c, n) => turnTo(c, n, () => []))],
  },
  resume: {
    summary:
      'go on with task N, with what it said, did and waits for; alone, after an alarm about this room: look again, and go on if it is as it was made',
    least: 'approves',
    control: true,
    ways: [
      way([taskNumber], (c, n) =>
        turnTo(c, n, ({ id }) => [pendingText(c, id) || 'Nothing waits.', ...changedText(c, id)]),
      ),
      way([], (c) => c.recheck()),
    ],
  },
};
