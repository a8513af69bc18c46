/** Every event of the room: judged by the gatekeeper, then decided, heard, or left alone. */
import { reasons } from '@pocketcoder/ledger/rules/codes.cjs';
import { idOf } from '@pocketcoder/ledger/rules/id.cjs';
import { atLeast } from '@pocketcoder/ledger/rules/identities.cjs';
import { bodyOf } from '@pocketcoder/ledger/rules/lifecycle.cjs';
import { sha256 } from '@pocketcoder/ledger/src/action.ts';
import type { Entry } from '@pocketcoder/ledger/src/client.ts';
import { isUnreachable } from '@pocketcoder/ledger/src/errors.ts';
import { messageOf } from '@pocketcoder/ledger/src/retry.ts';
import type { Logger } from 'pino';
import type { Cards } from '../approval/store.ts';
import type { Heard, Judged, Received, Spoken } from '../approval/verdict.ts';
import { onlyThat } from '../approval/words.ts';
import type { Database } from '../database.ts';
import { nameOf } from '../show/action.ts';
import { message } from '../show/blocks.ts';
import { oneLine } from '../show/visible.ts';
import type { Task } from '../tasks/tasks.ts';
import {
  type Matrix,
  type RoomId,
  type Taken,
  takenAway,
  type UserId,
  type WireEvent,
  type WithMark,
} from '../types.ts';
import { aimOf } from './aim.ts';
import { createBegun } from './begun.ts';
import type { Board } from './board.ts';
import type { CommandContext, CommandParts } from './commands/command.ts';
import { isControl, runCommand } from './commands/table.ts';
import type { Dictation } from './dictation.ts';
import { createGuard } from './guard.ts';
import { noticer } from './ignored.ts';
import { type RepliedTo, repliedTo } from './replies.ts';
import type { SentFiles } from './sent.ts';
import type { Troubles } from './troubles.ts';

export type RelayOptions = CommandParts & {
  db: Database;
  matrix: Matrix;
  cards: Cards;
  troubles: Troubles;
  sentFiles: SentFiles;
  dictation: Pick<Dictation, 'take'>;
  board: Pick<Board, 'removed'>;
  log: Logger;
};
const unrelated: RepliedTo = { about: '', line: '' };
type Asks = Extract<Judged, { do: 'ask' }>;
export type Relay = ReturnType<typeof createRelay>;

/** What the room is told when a device was just enrolled. */
function welcome({ user, device, role = 'owner' }: { user: string; device: string; role?: string }): string {
  const start = `Paired. ${nameOf(user)}’s device ${device} is enrolled; role: ${role}.\n`;
  if (!atLeast(role, 'asks')) return `${start}They read what is said and decide nothing.`;
  const asks = `${start}Say what should be done, or !help for the commands.\n`;
  return atLeast(role, 'approves')
    ? `${asks}Each action comes as a card that shows the whole of it: tap the emoji that it names, or vote in its poll, to approve it; ❌ denies it.`
    : `${asks}Others decide.`;
}

const senderOf = ({ wire, evidence }: Taken): string => `${wire.sender} ${evidence?.device}`;

/** What the operator did at the console, told in every room. */
const told: Record<string, string> = {
  'identity.revoked':
    '🔒 A device was revoked at the console: it approves nothing more and reads nothing new.',
  frozen: '🧊 Frozen at the console: nothing is approved and nothing starts until it is thawed.',
  thawed: '☀️ Thawed at the console: approvals count again. What was approved before has to be asked anew.',
};

export function createRelay(o: RelayOptions) {
  const { matrix, cards, book, desk, conversation, log } = o;
  const workspaceOf = (room: string): string | undefined =>
    [...book.rooms()].find(([, r]) => r === room)?.[0];

  /** Words to the room; where that fails the decision stands all the same. */
  async function say(
    room: RoomId,
    text: string,
    { replyTo = '', txn = '' }: { replyTo?: string; txn?: string } = {},
  ): Promise<void> {
    if (!text) return;
    const content = message(text);
    if (replyTo) content['m.relates_to'] = { 'm.in_reply_to': { event_id: replyTo } };
    await matrix
      .post(room, 'm.room.message', content, txn ? { txn } : {})
      .catch((error: unknown) => log.warn({ room, err: error }, 'not said'));
  }

  const begun = createBegun(o.db, (room, event, text) =>
    say(room, text, { replyTo: event, txn: `begun-${event}` }),
  );

  /** Each explanation once a card: somebody who sends a spent or refused key over and over must not fill the room. */
  const explained = new Set<string>();
  function explain(about: string, why: string): string {
    if (!why || explained.has(`${about} ${why}`)) return '';
    explained.add(`${about} ${why}`);
    return why;
  }

  /** Commands and prompts may take long and must not hold up the next tap; what no crash may lose is waited for. */
  async function hear(
    t: Taken,
    workspace: string,
    v: Heard | Received | Spoken | Asks,
    withMark: WithMark,
  ): Promise<void> {
    const { room, wire } = t;
    const { from } = v;
    const user = from.user as string as CommandContext['user'];
    const devices = (of: string) => matrix.devicesNow(of as UserId);
    const recheck = () => guard.recheck(room);
    let replied = unrelated;
    const task = (): Task => conversation.taskIn(workspace, replied.task);
    const parts: CommandContext = {
      ...o,
      ...{ task, devices, recheck, workspace, event: wire.event_id, user, role: from.role },
    };
    o.attention.heard();
    const text = v.do === 'hear' ? v.text : '';
    if (isControl(text)) return say(room, await runCommand(text, parts));
    // Before words count as taken they are with the conversation, so what they reply to is looked up here.
    const words = v.do === 'receive' || v.do === 'listen' ? v.sent : v;
    if (!('command' in words)) replied = await repliedTo(o, room, words);
    if (v.do === 'receive') conversation.goOn(task().id);
    const told = (words: string): Promise<string> => {
      const context = { ...replied, task: task(), event: wire.event_id, by: senderOf(t) };
      return conversation.hear(workspace, words, context);
    };
    if (v.do === 'listen') return void withMark(() => o.dictation.take(room, wire.event_id, v.sent, told));
    const answer = async (): Promise<string> => {
      if (v.do === 'receive') return o.sentFiles.receive(v, replied.line, parts);
      if (v.do === 'hear' && text.startsWith('!')) return runCommand(text, parts);
      if (v.do === 'hear') return told(text);
      const { act } = v.command;
      const asked = { ...act, workspace, task: aimOf(parts, act, task()), requester: user };
      await desk.ask(asked, { command: v.command });
      return '';
    };
    // Words to the agent are noted together with the mark that they were heard, so that no crash tells them twice.
    const begin = () => void begun.carry(room, wire.event_id, () => answered(room, answer()));
    if (v.do === 'hear') withMark(begin);
    else begin();
  }

  const answered = (room: RoomId, answer: Promise<string>): Promise<void> =>
    answer
      .catch((error: unknown) => {
        log.error({ room, err: error }, 'not done');
        return `⚠️ ${messageOf(error)}`;
      })
      .then((said) => say(room, said))
      .catch((error: unknown) => log.error({ err: error }, 'not answered'));

  const notice = noticer();
  /** Whoever has only a token, or the server, is not heard; the owner learns of it. */
  async function ignored(t: Taken, why: string): Promise<void> {
    if (t.wire.sender === matrix.user) return;
    log.info({ event: t.wire.event_id, type: t.type, why }, 'ignored');
    if (t.wire.state_key !== undefined || !book.enrolled().some((d) => d.user === t.wire.sender)) return;
    const news = notice(t, why);
    if (!news) return;
    const { kind, device } = news;
    await o.ledger.append({
      kind: 'alarm',
      body: { reason: `ignored: ${kind}`, room: t.room, user: t.wire.sender, device },
    });
    news.told();
    await say(t.room, news.said, news.below ? { replyTo: t.wire.event_id } : {});
  }

  /** The room is the audit trail: what is gone from it stands in the ledger, once a card however often it is removed. */
  async function noteRemoval(t: Taken): Promise<void> {
    const event = takenAway(t);
    o.board.removed(event);
    const card = cards.byEvent(event);
    if (card?.room !== t.room) return; // whoever sent it: the bot never removes one
    const body = { reason: reasons.cardRemoved, action: card.action, room: t.room };
    await o.ledger.append({ id: idOf(`removed ${card.action}`, sha256), kind: 'alarm', body });
  }

  const guard = createGuard({ ...o, say });
  return {
    ...guard,
    /** Tells of what a crash cut off. Never rejects. */
    resume: begun.resume,
    /** Takes one event, in order. Where it throws the event comes again: as long as a part is down, else a few times. */
    async take(t: Taken, verdict: Judged, withMark: WithMark): Promise<void> {
      const workspace = workspaceOf(t.room);
      if (!workspace) return;
      if (t.type === 'm.room.redaction') await noteRemoval(t);
      if (verdict.do === 'ignore') return ignored(t, verdict.why);
      if (verdict.do === 'tell') {
        const { words, about, why, below } = verdict;
        if (words && conversation.amend(below, words, senderOf(t))) return;
        return say(t.room, explain(about, why), { replyTo: below });
      }
      if (verdict.do === 'choose') {
        o.attention.heard();
        return withMark(() => void answered(t.room, conversation.choose(verdict.option)));
      }
      if (verdict.do === 'stop') {
        // The sandbox first: a brain that hangs must not hold up a stop.
        void conversation.interrupt(workspace);
        const count = await desk.stop(workspace, verdict.evidence.user);
        o.tour.did(workspace, 'stopped');
        return say(t.room, count === 0 ? 'Nothing was running or waiting.' : `🛑 Stopped: ${count}.`);
      }
      if ('card' in verdict) {
        const { action, event } = verdict.card;
        return say(t.room, explain(action, await desk.apply(verdict)), { replyTo: event });
      }
      // A yes in words may still be for the agent: told once below the card, it goes there when it is said again.
      const card = verdict.do === 'hear' ? verdict.yesTo : undefined;
      const yes = card && explain(card.action, `${onlyThat(card)} If it was for the agent, send it again.`);
      if (yes) return say(t.room, yes, { replyTo: card.event });
      void matrix.readMarker(t.room, t.wire.event_id);
      if (t.late) await say(t.room, '🔑 Its key came: this is heard now.', { replyTo: t.wire.event_id });
      return hear(t, workspace, verdict, withMark);
    },
    /** An event that was tried in vain: it may have been a no, so a person is told what was not done. */
    async setAside(room: RoomId, wire: WireEvent, error: unknown): Promise<void> {
      const why = oneLine(messageOf(error));
      const event = oneLine(wire.event_id);
      const body = { reason: `an event was set aside: ${why}`, room, event };
      await o.ledger.append({ kind: 'alarm', body }).catch((refusal: unknown) => {
        if (isUnreachable(refusal)) throw refusal; // the same is tried again
        log.error({ room, err: refusal }, 'no alarm recorded');
      });
      const words = `⚠️ What ${oneLine(wire.sender)} said or tapped could not be handled (${why}), and nothing was done about it. If it was a no, its action may still run: say it again, or end everything with !stop.`;
      await say(room, words, { replyTo: wire.event_id });
    },
    onEntry(entry: Entry): void {
      if (entry.author !== 'operator') return; // what was said in the room has its answer there
      if (entry.kind === 'workspace.exported') {
        const { workspace, form, files } = bodyOf(entry, 'workspace.exported');
        const room = book.rooms().get(workspace);
        if (room) void say(room as RoomId, `📤 Exported at the console as a ${form}; files: ${files}.`);
      }
      if (entry.kind === 'frozen') for (const name of book.rooms().keys()) void conversation.interrupt(name);
      const text =
        entry.kind === 'identity.enrolled' ? welcome(bodyOf(entry, 'identity.enrolled')) : told[entry.kind];
      if (text) for (const room of book.rooms().values()) void say(room as RoomId, text);
      const [workspace] = book.rooms().keys();
      const [first, more] = book.enrolled();
      const begins = entry.kind === 'identity.enrolled' && first && !more && atLeast(first.role, 'approves');
      if (begins && workspace !== undefined) o.tour.first(workspace);
    },
  };
}
