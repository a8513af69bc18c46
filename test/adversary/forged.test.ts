/** Forged, stolen and replayed events against cards with chips, through a hostile homeserver. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { isKind, kinds } from '../../ledger/rules/kinds.cjs';
import { askAndSee, chipsOf, hears, sees } from '../harness/answers.ts';
import { far } from '../harness/pins.ts';
import { type Rig, startRig } from '../harness/rig.ts';
import { until } from '../harness/wait.ts';
import type { Content } from '../phone/types.ts';
import { type Open, openEach } from './kinds.ts';
import { allLeave, otherDevice, puppet } from './people.ts';
import {
  actionOf,
  approve,
  coded,
  denied,
  genuine,
  mark,
  numberOf,
  pollOf,
  pollResponse,
  reaction,
  refused,
  requestsWith,
  sendBare,
  stillRuns,
  waiting,
} from './scene.ts';

let rig: Rig;
before(async () => {
  rig = await startRig();
});
after(async () => {
  await allLeave();
  await rig?.stop();
});

/** A client sends anew what it has no answer to; where the server has it after all, it was sent. */
function thereAlready(error: unknown): void {
  if ((error as { errcode?: string }).errcode !== 'M_DUPLICATE_ANNOTATION') throw error;
}

/** What people and other bots take for a yes. */
const yes = ['✅', '👍', '👌', '💯', '🆗', 'yes', 'approve', ''];
const forgedTap = (card: string, key: string) =>
  rig.hostile.inject(rig.room, {
    type: 'm.reaction',
    sender: rig.owner.user,
    content: reaction(card, key),
  });

test('attack-01 the homeserver forges plain approving reactions in the owner’s name', async () => {
  const w = await waiting(rig, 'forged');
  const name = chipsOf(w.card).named.split(' ')[0] ?? '';
  await Promise.all([...yes, name, `${name} `].map((key) => forgedTap(w.card.id, key)));
  await refused(rig, w);
  await stillRuns(rig, w, () => approve(rig.phone, w.card));
});

test('attack-02 a stolen token, and a fresh device of the account, approve nothing and read nothing', async () => {
  const w = await waiting(rig, 'stolen');
  for (const key of yes) await sendBare(rig, rig.phone.token, 'm.reaction', reaction(w.card.id, key));
  const { poll, ok } = await pollOf(rig, w);
  const long = await coded(rig, 'stolen-code');
  const response = { [pollResponse]: { answers: [ok] } };
  // Even one who has looked over the owner's shoulder: in the clear nothing counts, encrypted only from the device.
  await sendBare(rig, rig.phone.token, pollResponse, response);
  await sendBare(rig, rig.phone.token, 'm.room.message', { msgtype: 'm.text', body: long.code });
  const fresh = await otherDevice(rig, { signed: false });
  await fresh.say(long.code);
  await fresh.send(pollResponse, response);
  await fresh.tap(w.card.id, '✔️');
  const next = await waiting(rig, 'unread');
  await fresh.until('the next card, unread', (p) =>
    p.timeline().some((e) => e.id === next.card.id && e.failed),
  );
  assert.equal(fresh.cards().length, 0);
  await refused(rig, w);
  await refused(rig, long);
  await stillRuns(rig, w, () => rig.phone.vote(poll, [ok]));
  await stillRuns(rig, long, () => rig.phone.say(long.code));
  await denied(rig, next);
});

test('attack-08 what the owner said and approved is replayed under new ids, and delivered again', async () => {
  const w = await waiting(rig, 'replayed');
  const tap = await approve(rig.phone, w.card);
  await stillRuns(rig, w, async () => tap);
  const wire = rig.hostile.passed();
  const said = [...wire.values()].filter((e) => e.sender === rig.owner.user && e.type === 'm.room.encrypted');
  const before = (await rig.entries('requested')).length;
  for (const end of ['-replayed', ''])
    await Promise.all(
      said.map((e) => rig.hostile.inject(rig.room, { ...e, event_id: `${e.event_id}${end}` })),
    );
  const tapped = await until('the tap came back', () => wire.get(tap));
  assert.ok(tapped && said.length > 2);
  await rig.hostile.inject(rig.room, { ...tapped, event_id: '$tapped-again' });
  await rig.hostile.inject(rig.room, tapped);
  const lines = await genuine(rig);
  assert.equal((await rig.entries('requested')).length, before + 1, 'only the genuine twin was asked for');
  assert.equal(lines.filter((line) => line === w.name).length, 1);
});

test('attack-19 the bot’s own account taps the right chip, with its token and forged by the server', async () => {
  const w = await waiting(rig, 'own');
  const { named } = chipsOf(w.card);
  const token = await puppet(rig, rig.botUser);
  await sendBare(rig, token, 'm.reaction', reaction(w.card.id, named));
  await rig.hostile.inject(rig.room, {
    type: 'm.reaction',
    sender: rig.botUser,
    content: reaction(w.card.id, named),
  });
  await refused(rig, w);
  await stillRuns(rig, w, () => approve(rig.phone, w.card));
});

test('attack-21 a guessed token drops its own card to signed, once; a spent one is explained, once', async () => {
  const guessed = await waiting(rig, 'guessed');
  const other = await waiting(rig, 'other');
  const alarms = async () =>
    (await rig.entries('alarm')).filter((e) => e.body.includes('token guessed')).length;
  const before = await alarms();
  const name = chipsOf(guessed.card).named.split(' ')[0] ?? '';
  const guesses = Array.from({ length: 40 }, (_, i) => `${name} ${String(i).padStart(8, '0')}`);
  await Promise.all(guesses.map((key) => forgedTap(guessed.card.id, key)));
  await approve(rig.phone, guessed.card); // taps no longer count there, genuine ones neither
  await sees(rig.phone, 'taps no longer count');
  await refused(rig, guessed);
  assert.equal((await alarms()) - before, 1, 'one alarm, however many guesses');
  const tap = await approve(rig.phone, other.card);
  await stillRuns(rig, other, async () => tap);
  const spent = chipsOf(other.card).named;
  const again = [other, other, other, guessed, guessed, guessed].map((w) => forgedTap(w.card.id, spent));
  await Promise.all(again);
  const { poll, ok } = await pollOf(rig, guessed);
  await stillRuns(rig, guessed, () => rig.phone.vote(poll, [ok]));
  const explained = rig.phone
    .timeline()
    .filter((e) => String(e.content['body']).startsWith(`#${numberOf(other.card)} is already decided`));
  assert.equal(explained.length, 1, 'explained once');
  assert.equal((await rig.storyOf(other.action)).filter((k) => k === 'claimed').length, 1);
});

test('attack-45 chat and commands from an unenrolled device, in the clear, or replayed, do nothing', async () => {
  const asks = ['clear', 'bare', 'fresh', 'thief'].map((of) => mark(of));
  const [clear, bare, fresh, thief] = asks.map((a) => ({ msgtype: 'm.text', body: a.command }));
  assert.ok(clear && bare && fresh && thief);
  const victim = await waiting(rig, 'victim');
  await rig.hostile.inject(rig.room, { type: 'm.room.message', sender: rig.owner.user, content: clear });
  await sendBare(rig, rig.phone.token, 'm.room.message', bare);
  for (const [signed, content] of [
    [false, fresh],
    [true, thief],
  ] as const) {
    const device = await otherDevice(rig, { signed });
    await device.send('m.room.message', content);
    await device.say('!stop');
  }
  await refused(rig, victim); // a !stop would have denied it
  for (const { name } of asks) assert.equal(await requestsWith(rig, name), 0, name);
  await stillRuns(rig, victim, () => approve(rig.phone, victim.card));
});

test('attack-50 a tap and a code held back count for no later card of the same command', async () => {
  const { name, command } = mark('late');
  const mine = (e: { sender: string; type: string }) =>
    e.sender === rig.owner.user && ['m.reaction', 'm.room.encrypted'].includes(e.type);
  const ask = async () => {
    const card = await askAndSee(rig.phone, command);
    return { card, name, action: await actionOf(rig, card.id) };
  };
  const old = await ask();
  const oldLong = await coded(rig, 'late-code');
  const { poll, ok } = await pollOf(rig, old);
  const hold = rig.hostile.hold(mine);
  await approve(rig.phone, old.card);
  await rig.phone.say(oldLong.code);
  await rig.phone.vote(poll, [ok]);
  await until('all three held back', () => hold.held.length === 3);
  hold.end();
  await denied(rig, old);
  await denied(rig, oldLong);
  const next = await ask();
  const nextLong = await coded(rig, oldLong.name);
  for (const event of hold.held) await rig.hostile.inject(rig.room, event);
  // and once more as if they were answers to the new card
  await rig.phone.tap(next.card.id, chipsOf(old.card).named);
  await rig.phone.reply(nextLong.card.id, oldLong.code);
  await rig.phone.say(oldLong.code);
  await rig.phone.vote(next.card.id, [ok]);
  for (const w of [next, nextLong]) await refused(rig, w);
  for (const { action } of [old, oldLong])
    assert.deepEqual(await rig.storyOf(action), ['requested', 'posted', 'denied']);
  await stillRuns(rig, next, () => approve(rig.phone, next.card));
  await stillRuns(rig, nextLong, () => rig.phone.say(nextLong.code));
});

test('attack-02 of every kind of action there is: taps and votes by the server, by a stolen token and by a fresh device, and genuine answers to other cards, approve none; the twin, the owner’s own answer, approves each', async () => {
  const all = Object.keys(kinds).filter(isKind);
  const fresh = await otherDevice(rig, { signed: false });
  const [tapped, voted] = [await waiting(rig, 'tapped'), await waiting(rig, 'voted')];
  const tap = await approve(rig.phone, tapped.card);
  await stillRuns(rig, tapped, async () => tap);
  const { poll, ok } = await pollOf(rig, voted);
  const vote = await rig.phone.vote(poll, [ok]);
  await stillRuns(rig, voted, async () => vote);
  const answers = [tap, vote].map((id) => rig.hostile.passed().get(id) ?? assert.fail(id));

  async function forge({ card }: Open): Promise<void> {
    const at = { rel_type: 'm.reference', event_id: card.id };
    const ok = card.answers.find(({ id }) => id.startsWith('ok.'))?.id ?? 'ok';
    const said = { 'm.relates_to': at, [pollResponse]: { answers: [ok] } };
    const emoji = card.chips[0]?.key.split(' ')[0] ?? '👍';
    for (const key of ['✅', emoji, chipsOf(tapped.card).named]) await forgedTap(card.id, key);
    await rig.hostile.inject(rig.room, { type: pollResponse, sender: rig.owner.user, content: said });
    for (const { content, ...event } of answers)
      await rig.hostile.inject(rig.room, {
        ...{ ...event, event_id: `${event.event_id}-at-${card.id.slice(1, 9)}` },
        content: {
          ...content,
          'm.relates_to': { ...(content['m.relates_to'] as Content), event_id: card.id },
        },
      });
    await sendBare(rig, rig.phone.token, pollResponse, said);
    await sendBare(rig, rig.phone.token, 'm.reaction', reaction(card.id, emoji));
    await fresh.send(pollResponse, said);
    await fresh.tap(card.id, '👌').catch(thereAlready);
  }
  /** What is said after all of that comes after it. */
  const handled = () => hears(rig.phone, '!pending', 'thaw');
  // Nothing but a thaw is approved while all is frozen, and no thaw is asked for otherwise.
  // No tool is called but one that is pinned, which the second round does, and the third for a server at a URL.
  const late = ['mcp', 'mcp_read', 'mcp_out'] as const;
  const rest = all.filter((kind) => kind !== 'thaw' && !late.some((one) => one === kind));
  for (const [round, over] of [[['thaw']], [rest], [['server_pin'], { server_pin: far }], [late]] as const) {
    const thaws = round[0] === 'thaw';
    if (thaws) await (await rig.ledger.connect('operator')).append({ kind: 'frozen', body: {} });
    const open = await openEach(rig, round, over);
    await Promise.all(open.map(forge));
    await (thaws ? handled() : genuine(rig));
    for (const { kind, action } of open)
      assert.deepEqual(await rig.storyOf(action), ['requested', 'posted'], kind);
    const answered = await Promise.all(open.map(({ card }) => approve(rig.phone, card)));
    for (const [i, { kind, action }] of open.entries()) {
      const { body } = await rig.reached(action, 'approved', 'denied', 'void');
      const { evidence } = JSON.parse(body) as { evidence?: { event: string } };
      assert.equal(evidence?.event, answered[i], `${kind} is approved by its own answer`);
    }
  }
});
