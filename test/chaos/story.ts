/** One person's action from asking for it to how it ended, whatever is killed meanwhile. */
import { idOf } from '../../ledger/rules/id.cjs';
import { sha256 } from '../../ledger/src/action.ts';
import { chipsOf } from '../harness/answers.ts';
import { attachment } from '../harness/attachment.ts';
import type { Kind } from './plan.ts';
import { leased, type World } from './world.ts';

/** What became of a story. */
export type Told = {
  mark: string;
  kind: Kind;
  /** Its action's, '' where none was asked for in the end. */
  action: string;
  kinds: string[];
  /** How the room has it. */
  room: string;
  /** It was said once more, because nothing had come of it. */
  again: number;
  /** What is wrong with it, '' for nothing. */
  lost: string;
};

/** Seconds within which what was said shows in the ledger, and what was approved is over and told, with a part restarted meanwhile. */
const patience = { asked: 12, over: 60, told: 45 };

/** How the room begins what ended so. */
const signs: Readonly<Record<string, string>> = {
  succeeded: '✅',
  failed: '⚠️',
  killed: '🛑',
  unknown: '❓',
  denied: '❌',
  expired: '⌛',
  void: '🚫',
};

/** @param onAction told the action's id as soon as the ledger has it */
export async function tell(
  world: World,
  kind: Kind,
  mark: string,
  on: { said(): void; action(id: string): void },
): Promise<Told> {
  const { chain, room, waits, rig } = world;
  const { phone } = rig;
  const story: Told = { mark, kind, action: '', kinds: [], room: '', again: 0, lost: '' };

  /** What was waited for in vain is waited for once more when all parts are there. */
  async function patiently<T>(ask: () => T | undefined, seconds: number): Promise<T | undefined> {
    const got = await waits.until(ask, seconds);
    if (got !== undefined) return got;
    await world.up();
    return waits.until(ask, seconds);
  }
  /** Says it, and again where nothing came of it, as a person would. @returns its action */
  async function ask(
    say: () => Promise<string>,
    find: (event: string) => string | undefined,
  ): Promise<string> {
    for (;;) {
      const before = room.warnings().length;
      const saying = say();
      on.said();
      const event = await saying;
      const action = await patiently(() => find(event), patience.asked);
      if (action) return action;
      const isTold = room
        .warnings()
        .slice(before)
        .some((text) => /say it again|send it again/i.test(text));
      if (!isTold) story.lost = 'said, and nothing came of it, and nobody was told';
      if (story.again++ > 2) return '';
    }
  }
  const decided = (event: string): string | undefined => {
    const id = idOf(event, sha256);
    return chain.storyOf(id).length > 0 ? id : undefined;
  };

  async function tapped(id: string): Promise<void> {
    const card = await patiently(
      () => room.card(chain.numberOf(id)) ?? (chain.end(id) ? null : undefined),
      patience.over,
    );
    if (card) await phone.tap(card.id, chipsOf(card).named);
    else if (card === undefined) story.lost = 'no card came';
  }
  async function over(id: string): Promise<void> {
    const end = await patiently(() => chain.end(id), patience.over);
    const approved = chain.has(id, 'approved', 'leased');
    if (!end) story.lost ||= approved ? 'approved, and it has no end' : 'it has no end';
    if (!end) return;
    const number = chain.numberOf(id);
    const told = () => room.told(number);
    story.room = (await patiently(told, patience.told)) ?? '';
    const sign = signs[end.kind] ?? '?';
    if (!story.room.includes(sign)) story.lost ||= `it is ${end.kind}, and the room does not say so`;
    if (room.messages(number) > 1) story.lost ||= `told in ${room.messages(number)} messages`;
  }
  const going = async (action: string, byTap: boolean): Promise<void> => {
    story.action = action;
    if (!action) {
      story.lost = 'said, and nothing came of it';
      return;
    }
    if (kind !== 'undo' || chain.isUndo(action)) on.action(action);
    if (byTap) await tapped(action);
    await over(action);
  };

  const run = (script: string) =>
    ask(
      () => phone.say(`!run ${script}`),
      () => chain.withMark(mark)[0],
    );
  if (kind === 'tap')
    await going(await run(`echo ${mark} >> runs; echo ${mark}; sleep 0.3; echo over`), true);
  else if (kind === 'read') await going(await ask(() => phone.say('!files'), decided), false);
  else if (kind === 'file') {
    const send = async () => phone.send('m.room.message', await attached(world, `${mark}.txt`));
    await going(await ask(send, decided), false);
  } else if (kind === 'lease')
    await going(await ask(() => phone.say(`!run ${leased}`), world.leasedNext), false);
  else {
    const first = await run(`echo ${mark} > ${mark}.undone`);
    await going(first, true);
    if (story.lost || chain.end(first)?.kind !== 'succeeded') return { ...story, kinds: chain.kinds(first) };
    const number = chain.numberOf(first);
    await going(
      await ask(
        () => phone.say(`!undo ${number}`),
        () => chain.undoOf(number),
      ),
      true,
    );
  }
  story.kinds = chain.kinds(story.action);
  return story;
}

/** A file as a client sends it, which waits for a homeserver that is away. */
async function attached({ rig }: World, name: string): Promise<Record<string, unknown>> {
  for (;;)
    try {
      return await attachment(rig.phone, rig.homeserver.url, name, Buffer.from(name));
    } catch {
      await rig.homeserver.resume();
    }
}
