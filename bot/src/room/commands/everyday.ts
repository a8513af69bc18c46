/** Commands that begin, look at and end work. */
import { clock } from '../../show/action.ts';
import { wishOf } from '../../show/kinds.ts';
import { standsText } from '../progress.ts';
import {
  ask,
  type Command,
  type CommandContext,
  number,
  oneOf,
  optional,
  rest,
  way,
  word,
} from './command.ts';

/** Seconds that a command of a person may run. */
const longestRun = 600;

/** All workspaces, each with what waits in it. */
function workspaces({ book, workspace }: CommandContext): string {
  const lines = [...book.rooms().keys()].map((name) => {
    const count = book.unfinished().filter((p) => p.action.workspace === name).length;
    const waits = count === 0 ? 'nothing waits' : `${count} waiting or under way`;
    return `${name}${name === workspace ? ', this room' : ''}: ${waits}`;
  });
  const more = 'Each is a room of its own. ./pocketcoder workspace add at the console makes another.';
  return [...lines, more].join('\n');
}

function pending({ book, workspace }: CommandContext): string {
  const mine = book.unfinished().filter((p) => p.action.workspace === workspace);
  const lines = mine.map((p) => {
    const until = clock(new Date(p.requestedAt + p.action.decide_within * 1000), new Date());
    return `#${p.number} ${wishOf(p.action.kind)} · ${standsText(p, book) || `waits for you until ${until}`}`;
  });
  return lines.join('\n') || 'Nothing waits.';
}

async function stop({ conversation, desk, tour, workspace, user }: CommandContext): Promise<string> {
  void conversation.interrupt(workspace);
  const count = await desk.stop(workspace, user);
  tour.did(workspace, 'stopped');
  return count === 0 ? 'Nothing was running or waiting.' : `Stopped: ${count}.`;
}

function model({ conversation, models, workspace }: CommandContext, name?: string): string {
  const { id } = conversation.currentTask(workspace);
  return name ? models.choose(id, name.toLowerCase()) : models.list(id);
}

async function more({ conversation, costs, workspace }: CommandContext): Promise<string> {
  const { id } = conversation.currentTask(workspace);
  if (!costs.more(id)) return 'No cap holds this task, and nothing was done. !cost says what it took.';
  const goOn = 'You had reached what you may cost, and may go on now. Go on from where you were.';
  return (await conversation.tell(id, goOn, '')) || 'It goes on.';
}

export const everyday: readonly Command[] = [
  {
    name: 'run',
    summary: 'run a command in the sandbox, after your approval',
    everyday: true,
    ways: [
      way([rest('COMMAND')], (c, script) =>
        ask(c, { kind: 'bash', args: { script, cwd: '.', env: {}, timeout: longestRun } }),
      ),
    ],
  },
  {
    name: 'status',
    summary: 'how every part is, and what waits',
    everyday: true,
    ways: [
      way([], (c) =>
        [...c.health(c.workspace), ...c.conversation.describe(c.workspace), pending(c)].join('\n'),
      ),
    ],
  },
  { name: 'pending', summary: 'what waits for your answer', everyday: true, ways: [way([], pending)] },
  {
    name: 'stop',
    summary: 'end what runs, deny what waits, interrupt the agent',
    everyday: true,
    control: true,
    ways: [way([], stop)],
  },
  {
    name: 'new',
    summary: 'start a new task: a fresh conversation and a fresh container',
    everyday: true,
    ways: [
      way([optional(rest('TITLE'))], async ({ desk, conversation, workspace }, title = '') => {
        await desk.endTask(workspace);
        conversation.newTask(workspace, title);
        return 'New task. What should it do?';
      }),
    ],
  },
  {
    name: 'plan',
    summary: 'say what should be planned first: nothing is done before you approve a plan',
    everyday: true,
    ways: [
      way([oneOf('off')], ({ conversation, workspace }) =>
        conversation.withoutPlan(workspace)
          ? 'No plan is asked for any more: each action is asked for as usual.'
          : 'No plan was asked for.',
      ),
      way([rest('TEXT')], ({ conversation, workspace }, text) => conversation.plan(workspace, text)),
    ],
  },
  { name: 'workspaces', summary: 'all workspaces, and what waits in each', ways: [way([], workspaces)] },
  {
    name: 'poll',
    summary: 'answer card N by a poll',
    ways: [way([number], ({ desk }, n) => desk.addPoll(n))],
  },
  {
    name: 'tour',
    summary: 'how cards work, step by step, from the beginning',
    least: 'approves',
    ways: [
      way([optional(oneOf('off'))], ({ tour, workspace }, off) => {
        if (!off) tour.again(workspace);
        else tour.off(workspace);
        return off ? 'The tour is over; !tour begins it anew.' : '';
      }),
    ],
  },
  {
    name: 'resume',
    summary: 'after an alarm about this room: look again, and go on if it is as it was made',
    least: 'approves',
    control: true,
    ways: [way([], (c) => c.recheck())],
  },
  {
    name: 'model',
    summary: 'which models there are, and which thinks here; or another for this task',
    ways: [way([optional(word('NAME'))], model)],
  },
  {
    name: 'cost',
    summary: 'tokens and money by task and day',
    ways: [
      way([], ({ conversation, costs, workspace }) => costs.report(conversation.currentTask(workspace).id)),
    ],
  },
  {
    name: 'more',
    summary: 'lets a task that reached its cap go on, by as much again',
    least: 'approves',
    ways: [way([], more)],
  },
];
