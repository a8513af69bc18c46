/** What the homeserver does with order, relations, edits and redactions, against cards that are polls. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { auditLedger } from '../../ledger/audit/audit.ts';
import { numberOf } from '../harness/answers.ts';
import type { WireEvent } from '../harness/hostile.ts';
import { type Rig, startRig } from '../harness/rig.ts';
import { until } from '../harness/wait.ts';
import { replay, retarget } from './kit/ciphertexts.ts';
import { withholdKeys } from './kit/keys.ts';
import { allLeave, puppet } from './people.ts';
import {
  answersOf,
  approve,
  coded,
  denied,
  genuine,
  mark,
  pollResponse,
  ranBy,
  reaction,
  refused,
  requestsWith,
  sendBare,
  stillRuns,
  waiting,
} from './scene.ts';

let rig: Rig;
before(async () => {
  rig = await startRig({ form: 'poll' });
});
after(async () => {
  await allLeave();
  await rig?.stop();
});

const owners = (e: WireEvent): boolean => e.sender === rig.owner.user && e.type === 'm.room.encrypted';
const forged = (type: string, content: Record<string, unknown>) =>
  rig.hostile.inject(rig.room, { type, sender: rig.owner.user, content });

test('attack-01 plain votes, codes and reactions in the owner’s name approve no poll', async () => {
  const w = await waiting(rig, 'forged');
  const { ok } = answersOf(w.card);
  const long = await coded(rig, 'forged-code');
  await Promise.all([
    ...['✅', '👍', ok].map((key) => forged('m.reaction', reaction(w.card.id, key))),
    forged(pollResponse, { [pollResponse]: { answers: [ok] } }),
    forged('m.room.message', { msgtype: 'm.text', body: long.code }),
  ]);
  await refused(rig, w);
  await refused(rig, long);
  await stillRuns(rig, w, () => approve(rig.phone, w.card));
  await stillRuns(rig, long, () => rig.phone.say(long.code));
});

test('attack-09 the clear relation of a genuine vote, reply or tap is pointed at another card', async () => {
  const meant = await waiting(rig, 'meant');
  const other = await waiting(rig, 'other');
  const graft = () => retarget(rig.hostile, owners, other.card.id);
  const vote = graft();
  const event = await approve(rig.phone, meant.card);
  assert.equal(await vote, event);
  await stillRuns(rig, meant, async () => event);
  await refused(rig, other);
  const third = await coded(rig, 'third');
  const reply = graft();
  const said = await rig.phone.reply(third.card.id, third.code);
  assert.equal(await reply, said);
  await stillRuns(rig, third, async () => said);
  await refused(rig, other);
  await stillRuns(rig, other, () => approve(rig.phone, other.card));
});

test('attack-08 a vote replayed under a new id or delivered again decides nothing more', async () => {
  const w = await waiting(rig, 'replayed');
  const vote = await approve(rig.phone, w.card);
  await stillRuns(rig, w, async () => vote);
  const wire = await until('it came back', () => rig.hostile.passed().get(vote));
  assert.ok(wire);
  const open = await waiting(rig, 'open');
  const grafted = { ...wire.content, 'm.relates_to': { rel_type: 'm.reference', event_id: open.card.id } };
  await rig.hostile.inject(rig.room, wire);
  await replay(rig.hostile, rig.room, { ...wire, content: grafted });
  await refused(rig, open);
  assert.equal((await rig.storyOf(w.action)).filter((kind) => kind === 'approved').length, 1);
  await stillRuns(rig, open, () => approve(rig.phone, open.card));
});

test('attack-10 a yes after a no changes nothing; a no before the claim undoes a yes', async () => {
  const w = await waiting(rig, 'after-no');
  await rig.phone.vote(w.card.id, [answersOf(w.card).no]);
  await rig.reached(w.action, 'denied');
  await approve(rig.phone, w.card);
  await refused(rig, w, ['requested', 'posted', 'denied']);
  const undone = await waiting(rig, 'undone');
  const kept = await waiting(rig, 'kept');
  await rig.executor.kill();
  const yes = await approve(rig.phone, undone.card);
  const keptYes = await approve(rig.phone, kept.card);
  await rig.reached(undone.action, 'approved');
  await rig.phone.untap(yes);
  await rig.reached(undone.action, 'denied');
  await rig.reached(kept.action, 'approved');
  await rig.executor.start();
  await stillRuns(rig, kept, async () => keptYes);
  await refused(rig, undone, ['requested', 'posted', 'approved', 'denied']);
});

test('attack-17 edits of decisions, of commands and of the card decide nothing', async () => {
  const w = await waiting(rig, 'edited');
  const long = await coded(rig, 'edited-code');
  const { code } = long;
  const asked = mark('edit-asks');
  const { ok, no } = answersOf(w.card);
  const harmless = await rig.phone.say('just talking');
  await rig.phone.edit(harmless, code);
  await rig.phone.edit(harmless, asked.command);
  const replaces = { 'm.relates_to': { rel_type: 'm.replace', event_id: harmless } };
  const text = { msgtype: 'm.text', body: code };
  await rig.phone.send('m.room.message', { ...text, ...replaces, 'm.new_content': text });
  await rig.phone.send('m.room.message', { ...text, ...replaces });
  await rig.phone.send('m.room.message', { ...text, 'm.new_content': text });
  const vote = { [pollResponse]: { answers: [ok] } };
  await rig.phone.send(pollResponse, { ...vote, ...replaces, 'm.new_content': vote });
  await rig.hostile.inject(rig.room, {
    type: 'm.room.message',
    sender: rig.botUser,
    content: {
      ...text,
      'm.relates_to': { rel_type: 'm.replace', event_id: w.card.id },
      'm.new_content': { msgtype: 'm.text', body: 'something harmless' },
    },
  });
  await refused(rig, w);
  await refused(rig, long);
  assert.equal(await requestsWith(rig, asked.name), 0);
  for (const answers of [[], [ok, no], [ok, ok]]) await rig.phone.vote(w.card.id, answers);
  await refused(rig, w);
  await stillRuns(rig, w, () => approve(rig.phone, w.card));
});

test('attack-18 redactions: of a card it denies, of a decision that ran it changes nothing in the ledger', async () => {
  const w = await waiting(rig, 'redacted');
  await forged('m.room.redaction', { redacts: w.card.id });
  await rig.reached(w.action, 'denied');
  await approve(rig.phone, w.card);
  await refused(rig, w, ['requested', 'posted', 'denied']);
  const ran = await waiting(rig, 'kept');
  const vote = await approve(rig.phone, ran.card);
  await ranBy(rig, ran.action, vote);
  const before = JSON.stringify(await rig.audit.story(ran.action));
  const bot = await puppet(rig, rig.botUser);
  await rig.phone.redact(vote);
  await sendBare(rig, bot, 'm.room.redaction', { redacts: ran.card.id });
  const lines = await genuine(rig);
  assert.equal(JSON.stringify(await rig.audit.story(ran.action)), before);
  assert.equal(lines.filter((line) => line === ran.name).length, 1);
  await sendBare(rig, bot, 'm.room.redaction', { redacts: ran.card.id }); // once more is nothing new
  const still = await genuine(rig);
  assert.ok(still.length > 0);
  const { ok, removed } = await auditLedger(rig.audit);
  assert.deepEqual(
    { ok, removed },
    { ok: true, removed: [numberOf(w.card), numberOf(ran.card)] },
    'and no card of those that stand',
  );
});

test('attack-50 a vote held back counts for no later card of the same command', async () => {
  const old = await waiting(rig, 'held');
  const hold = rig.hostile.hold(owners);
  await approve(rig.phone, old.card);
  const [vote] = await until('the vote held back', () => hold.held.length === 1 && hold.held);
  hold.end();
  await denied(rig, old);
  const next = await waiting(rig, 'next');
  assert.ok(vote);
  const content = { ...vote.content, 'm.relates_to': { rel_type: 'm.reference', event_id: next.card.id } };
  await rig.hostile.inject(rig.room, { ...vote, content });
  await refused(rig, next);
  assert.deepEqual(await rig.storyOf(old.action), ['requested', 'posted', 'denied']);
  await stillRuns(rig, next, () => approve(rig.phone, next.card));
});

test('a vote counts only after the homeserver has stated the owner’s keys anew', async () => {
  const w = await waiting(rig, 'silent');
  const end = withholdKeys(rig.hostile);
  await approve(rig.phone, w.card);
  const other = await waiting(rig, 'handled-after');
  await denied(rig, other);
  end();
  await refused(rig, w);
  await stillRuns(rig, w, () => approve(rig.phone, w.card));
});
