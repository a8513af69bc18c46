/** Commands for what is said again and again by the clock. */
import { type Commands, oneOf, rest, taskNumber, way } from './command.ts';

export const scheduling: Commands = {
  cron: {
    summary:
      'say TEXT, or have !run COMMAND asked, by the clock, each time in a task of its own: minute, hour, day, month, weekday, such as 0 7 * * 1-5; with !if COMMAND in a line before TEXT only where that succeeds',
    least: 'approves',
    ways: [
      way([oneOf('off'), taskNumber], ({ schedules, workspace }, _, n) => schedules.end(workspace, n)),
      way([oneOf('now'), taskNumber], ({ schedules, workspace }, _, n) => schedules.now(workspace, n)),
      way([rest('TIME TEXT')], ({ schedules, workspace, user }, line) => {
        const [, pattern = '', text = ''] = /^((?:\S+\s+){4}\S+)\s+(\S[\s\S]*)$/.exec(line) ?? [];
        if (!text) return 'Not understood, and nothing was scheduled: !cron 0 7 * * 1-5 TEXT';
        return schedules.add({ workspace, user, pattern: pattern.replace(/\s+/g, ' '), text });
      }),
    ],
  },
  crons: {
    summary: 'what is scheduled here, and when it comes next',
    ways: [way([], ({ schedules, workspace }) => schedules.list(workspace) || 'Nothing is scheduled here.')],
  },
};
