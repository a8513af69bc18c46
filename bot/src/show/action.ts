/** An action as people read it, from the canonical action alone. */
import { worksApart } from '@pocketcoder/ledger/rules/workspaces.cjs';
import type { Action, Requester } from '@pocketcoder/ledger/src/action.ts';
import { type Block, toText } from './blocks.ts';
import { duration, endsText } from './control.ts';
import { shownOf, sizeOf, wishOf } from './kinds.ts';
import { scriptsOf } from './unmistakable.ts';

/** The whole action as blocks: what it would do, what its card leases besides, what is shown by codes, its scripts besides Latin. */
export function actionBlocks({ kind, args, reads, task }: Action): Block[] {
  const { blocks, hidden } = shownOf(kind, args);
  const scripts = scriptsOf(toText(blocks));
  if (worksApart(task)) blocks.push({ line: '⑂ apart: in this task’s own copy of the workspace' });
  if (reads)
    blocks.push({
      line: `➕ also, for the rest of this task: the agent may list, search and read files of this workspace, see its terminals, and call tools pinned as read, without asking, ${endsText(reads)}; !revoke with this card’s number takes that back`,
    });
  const them = hidden === 1 ? '1 character is' : `${hidden} characters are`;
  if (hidden > 0) blocks.push({ line: `⚠️ ${them} shown as \\u{…}: unseen, or passing for others` });
  if (scripts.length > 0) blocks.push({ line: `not all of it is Latin script: ${scripts.join(', ')}` });
  return blocks;
}

/** A person as the room knows them. Without @ and server: clients draw a whole id as a pill with a name that the homeserver gives. */
export const nameOf = (user: string): string => /^@([^:]*)/.exec(user)?.[1] ?? user;

/** Who asks, in words. A person of the name of one of the bot's own parts keeps the server in it. */
function asker(requester: Requester): string {
  if (requester === 'brain') return 'the agent';
  if (requester === 'operator') return 'the console';
  const name = nameOf(requester);
  return ['agent', 'console'].includes(name) ? requester.slice(1) : name;
}

/**
 * How a card begins: its number, who asks for what, then the workspace, its size, and until when it can be decided.
 * @param decideBy milliseconds since 1970; absent once it was decided
 */
export function header(action: Action, number: number, decideBy?: number): Block {
  const { kind, args, workspace, requester, approvers = 1, devices = 1, grace = 0 } = action;
  const about = [
    workspace,
    sizeOf(kind, args),
    approvers > 1 ? `needs ${approvers} people` : '',
    devices > 1 ? `needs ${devices} devices` : '',
    grace > 0 ? `waits ${duration(grace)} after the yes` : '',
    decideBy === undefined
      ? ''
      : `decide by ${clock(new Date(decideBy), new Date(decideBy - action.decide_within * 1000))}`,
  ];
  return {
    line: `#${number} · ${asker(requester)} wants to ${wishOf(kind)}\n${about.filter(Boolean).join(' · ')}`,
  };
}

/** More than this between two moments, in milliseconds, and the hour alone could be that of another day. */
const sameDay = 12 * 3600 * 1000;

/** A moment in the owner's time zone, which the process has: `14:05`, or `Sat 14:05` where it is far from the other one. */
export function clock(at: Date, from: Date = at): string {
  const far = Math.abs(at.getTime() - from.getTime()) > sameDay;
  const weekday = far ? `${at.toLocaleDateString('en-GB', { weekday: 'short' })} ` : '';
  return weekday + at.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
}
