/** The gateway's open calls and what becomes of their actions: each outcome is told once, by the call or by a prompt. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Book, Page } from '../../bot/src/approval/view.ts';
import type { AskedBy, Desk } from '../../bot/src/desk/desk.ts';
import { createAsks } from '../../bot/src/gateway/asks.ts';
import type { Outcome } from '../../bot/src/gateway/outcome.ts';
import type { Asked } from '../../ledger/src/action.ts';

const asked = { kind: 'bash', args: { script: 'true' }, workspace: 'main', task: 't', requester: 'brain' };
const denied: Outcome = { state: 'denied', output: '', truncated: false, reason: '❌ on the card' };
const pageOf = (id: string) => ({ action: { ...asked, id } }) as unknown as Page;

/** @param recorded the actions that the ledger has @param asking what happens while an action is asked */
function asksOf(recorded: ReadonlySet<string>, asking: (id: string) => void) {
  const desk = {
    async ask(_: Asked, { id = '' }: AskedBy = {}) {
      asking(id);
      return { action: id, number: 1 };
    },
  } as unknown as Desk;
  const book = { page: (id: string) => (recorded.has(id) ? pageOf(id) : undefined) } as unknown as Book;
  return createAsks(desk, book, () => false);
}
const ask = (asks: ReturnType<typeof asksOf>) =>
  asks.ask(asked as unknown as Asked, new AbortController().signal);

test('what is denied, or has run, before its card is complete is told by its call alone', async () => {
  const taken: boolean[] = [];
  const asks = asksOf(new Set(), (id) => taken.push(asks.over(pageOf(id), denied)));
  const { action, outcome } = await ask(asks);
  assert.equal(await outcome, denied);
  assert.deepEqual(taken, [true], 'nobody else has to tell it');
  assert.equal(asks.over(pageOf(action), denied), false, 'and its call tells it once');
});

test('what ends later is told by its call; what no call of this process asked is not', async () => {
  const asks = asksOf(new Set(), () => {});
  const { action, outcome } = await ask(asks);
  assert.equal(asks.over(pageOf('before-the-restart'), denied), false);
  assert.equal(asks.over(pageOf(action), denied), true);
  assert.equal(await outcome, denied);
});

test('what was recorded and taken back is told as not asked, and by nobody else; what never was is forgotten', async () => {
  for (const isRecorded of [true, false]) {
    const recorded = new Set<string>();
    let made = '';
    const asks = asksOf(recorded, (id) => {
      made = id;
      if (isRecorded) recorded.add(id);
      throw new Error('its card could not be shown');
    });
    await assert.rejects(ask(asks), /could not be shown/);
    assert.equal(asks.over(pageOf(made), { ...denied, state: 'void' }), isRecorded);
  }
});
