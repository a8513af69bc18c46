/** What every attack needs: an action that leaves a mark where it really ran, proof that it did not, and its genuine twin. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { askAndSee, askLong, chipsOf } from '../harness/answers.ts';
import type { Rig } from '../harness/rig.ts';
import { until } from '../harness/wait.ts';
import { request } from '../phone/login.ts';
import type { Card, Phone } from '../phone/phone.ts';
import type { Content } from '../phone/types.ts';

export const pollResponse = 'org.matrix.msc3381.poll.response';
let marks = 0;

/** A name nobody used before, and the command that leaves it in the workspace. */
export function mark(of: string): { name: string; command: string } {
  const name = `${of}-${++marks}`;
  return { name, command: `!run echo ${name} | tee -a marks` };
}

/** An action that waits for its answer: its card, its id in the ledger, the mark it would leave. */
export type Waiting = { card: Card; action: string; name: string };

/** The action that was posted as this event. */
export async function actionOf(rig: Rig, event: string): Promise<string> {
  return until(`the posted entry of ${event}`, async () => {
    const posted = await rig.entries('posted');
    return posted.find((e) => (JSON.parse(e.body) as { event: string }).event === event)?.action;
  });
}

export async function waiting(rig: Rig, of: string, phone = rig.phone): Promise<Waiting> {
  const { name, command } = mark(of);
  const card = await askAndSee(phone, command);
  return { card, name, action: await actionOf(rig, card.id) };
}

/** The same for one that is too long for a card and takes its code alone. */
export async function coded(rig: Rig, of: string): Promise<Waiting & { code: string }> {
  const { name, command } = mark(of);
  const { card, code } = await askLong(rig.phone, rig.homeserver.url, command.replace('!run ', ''));
  return { card, name, action: await actionOf(rig, card.id), code };
}

/** Answers as the careful owner does, by the chip that the card names or by the poll. @returns the answer's event id */
export function approve(phone: Phone, card: Card): Promise<string> {
  const ok = card.answers.find((a) => a.id.startsWith('ok.'));
  return ok ? phone.vote(card.id, [ok.id]) : phone.tap(card.id, chipsOf(card).named);
}

/** That exactly this event approved the action, and that it ran once. @returns what it printed */
export async function ranBy(rig: Rig, action: string, event: string): Promise<string> {
  const end = await rig.reached(action, 'succeeded', 'failed', 'killed', 'unknown', 'denied', 'void');
  assert.equal(end.kind, 'succeeded');
  const story = await rig.audit.story(action);
  const count = (kind: string) => story.filter((e) => e.kind === kind).length;
  assert.deepEqual([count('approved'), count('claimed'), count('running')], [1, 1, 1]);
  const approved = story.find((e) => e.kind === 'approved');
  const { evidence } = JSON.parse(approved?.body ?? '{}') as { evidence: { event: string } };
  assert.equal(evidence.event, event, 'approved by the genuine answer and nothing else');
  return String((JSON.parse(end.body) as { output?: string }).output);
}

/**
 * The genuine twin, which also takes the same ordered way as everything sent before it: when it is over, all of that
 * was handled. @returns every mark in the workspace, its own included
 */
export async function genuine(rig: Rig, phone = rig.phone): Promise<string[]> {
  // By a pattern, for a file that it named might be changed by another action between its card and its run, which ends it.
  const { name } = mark('genuine');
  const card = await askAndSee(phone, `!run echo ${name} >> marks; cat mark[s]`);
  const action = await actionOf(rig, card.id);
  const lines = (await ranBy(rig, action, await approve(phone, card))).trim().split('\n');
  assert.equal(lines.filter((line) => line === name).length, 1, 'the genuine twin runs exactly once');
  return lines;
}

/** That the action never got further than `story` and left no mark, seen after a genuine one took the whole way. */
export async function refused(rig: Rig, { action, name }: Waiting, story = ['requested', 'posted']) {
  const lines = await genuine(rig);
  assert.deepEqual(await rig.storyOf(action), story);
  assert.ok(!lines.includes(name), `${name} ran: ${lines}`);
}

/** That an action under attack, refused until now, still takes its genuine answer and runs once. */
export async function stillRuns(rig: Rig, w: Waiting, answer: () => Promise<string>): Promise<void> {
  const output = await ranBy(rig, w.action, await answer());
  assert.equal(output.trim(), w.name);
  assert.equal((await genuine(rig)).filter((line) => line === w.name).length, 1, `${w.name} ran once`);
}

/** The requests whose text holds this. */
export const requestsWith = async (rig: Rig, text: string): Promise<number> =>
  (await rig.entries('requested')).filter((e) => e.body.includes(text)).length;

/** Sends an event as whoever has only a token: no keys, no client. @returns its id */
export async function sendBare(rig: Rig, token: string, type: string, content: Content): Promise<string> {
  const path = ['rooms', rig.room, 'send', type, randomUUID()].map(encodeURIComponent).join('/');
  return String((await request(rig.homeserver.url, token, 'PUT', `/${path}`, content))['event_id']);
}

export const reaction = (event: string, key: string): Content => ({
  'm.relates_to': { rel_type: 'm.annotation', event_id: event, key },
});

/** Denies a card and waits until it is, so that the next test starts with nothing open. */
export async function denied(rig: Rig, w: Waiting): Promise<void> {
  await rig.phone.tap(w.card.id, '❌');
  await rig.reached(w.action, 'denied');
}

/** Asks for a poll beside the chips. */
export async function pollOf(rig: Rig, w: Waiting): Promise<{ poll: string; ok: string; no: string }> {
  const number = numberOf(w.card);
  await rig.phone.say(`!poll ${number}`);
  const card = await rig.phone.until(`the poll of #${number}`, (p) =>
    p.cards().find((c) => c.answers.length === 2 && c.text.startsWith(`#${number} `)),
  );
  return { poll: card.id, ...answersOf(card) };
}

export function answersOf(card: Card): { ok: string; no: string } {
  const [ok, no] = ['ok.', 'no.'].map((start) => card.answers.find((a) => a.id.startsWith(start))?.id);
  if (!ok || !no) throw new Error(`no poll: ${card.text}`);
  return { ok, no };
}

export const numberOf = (card: Card): number => Number(/^#(\d+)/.exec(card.text)?.[1]);
