/** Commands that run something, say how things stand, and are seldom needed. */
import { runOf } from '../../tasks/run.ts';
import {
  ask,
  type CommandContext,
  type Commands,
  number,
  oneOf,
  optional,
  rest,
  way,
  word,
} from './command.ts';
import { pendingText, tasksText } from './tasking.ts';

const noneWaits = 'Nothing waits.';

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

function model({ task, models }: CommandContext, name?: string): string {
  const { id } = task();
  return name ? models.choose(id, name.toLowerCase()) : models.list(id);
}

async function more({ conversation, costs, task }: CommandContext): Promise<string> {
  const { id } = task();
  if (!costs.more(id)) return 'No cap holds this task, and nothing was done. !cost says what it took.';
  const goOn = 'You had reached what you may cost, and may go on now. Go on from where you were.';
  return (await conversation.tell(id, goOn)) || 'It goes on.';
}

export const everyday: Commands = {
  run: {
    summary: 'run a command in the sandbox, after your approval',
    everyday: true,
    ways: [way([rest('COMMAND')], (c, script) => ask(c, runOf(script)))],
  },
  status: {
    summary: 'how every part is, and what waits',
    everyday: true,
    ways: [way([], (c) => [...c.health(c.workspace), tasksText(c), pendingText(c) || noneWaits].join('\n'))],
  },
  pending: {
    summary: 'what waits for your answer',
    ways: [way([], (c) => pendingText(c) || noneWaits)],
  },
  plan: {
    summary: 'plan this first; nothing is done before your yes',
    everyday: true,
    ways: [
      way([oneOf('off')], ({ conversation, task }) =>
        conversation.withoutPlan(task())
          ? 'No plan is asked for any more: each action is asked for as usual.'
          : 'No plan was asked for.',
      ),
      way([rest('TEXT')], ({ conversation, task }, text) => conversation.plan(task(), text)),
    ],
  },
  workspaces: { summary: 'all workspaces, and what waits in each', ways: [way([], workspaces)] },
  poll: {
    summary: 'answer card N by a poll',
    ways: [way([number], ({ desk }, n) => desk.addPoll(n))],
  },
  tour: {
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
  model: {
    summary: 'which models there are, and which thinks here; or another for this task',
    ways: [way([optional(word('NAME'))], model)],
  },
  cost: {
    summary: 'tokens and money by task and day',
    ways: [way([], ({ costs, task }) => costs.report(task().id))],
  },
  more: {
    summary: 'lets a task that reached its cap go on, by as much again',
    least: 'approves',
    ways: [way([], more)],
  },
};
