/**
 * `npm run forge`: an instance of its own, a paired phone, cards; everybody who could forge an approval tries, and at last
 * the owner taps. Exits with 0 only where nothing forged ran and every genuine tap ran once.
 */
import assert from 'node:assert/strict';
import { makeScreen } from '../demo/screen.ts';
import {
  answerOf,
  approve,
  askAndSee,
  chipsOf,
  endsWith,
  hears,
  numberOf,
  pollOf,
} from '../harness/answers.ts';
import { type Instance, ledgerOf, startInstance } from '../harness/instance.ts';
import { ownHome } from '../harness/leave.ts';
import { pairedPhone } from '../harness/paired.ts';
import type { Card, Phone } from '../phone/types.ts';
import { type Attempt, puppetToken, type Target, withSecondLogin, withToken } from './attackers.ts';
import { whatRan } from './ran.ts';

const json = process.argv.includes('--json');
const live = process.stdout.isTTY === true && !json;
const screen = makeScreen((text) => void (json || process.stdout.write(text)), {
  columns: process.stdout.columns ?? 80,
  colour: live && !process.env['NO_COLOR'],
  live,
});
const report = (facts: object): void => {
  if (json) console.log(JSON.stringify(facts));
};

const { home, clean, cleaning } = ownHome('forge', () => screen.progress('cleaning up …'));

type Row = { who: string; attempts: number; taken: number; claims: number; marks: number };

/** All that the owner's screen shows of a card, but for the sealed key. */
async function targetOf(phone: Phone, card: Card): Promise<Target> {
  const number = numberOf(card);
  await phone.say(`!poll ${number}`);
  const poll = await pollOf(phone, number);
  const emoji = chipsOf(card).named.split(' ')[0] ?? '';
  return { event: card.id, emoji, poll: poll.id, ok: answerOf(poll, 'Approve') };
}

async function play(instance: Instance): Promise<Row[]> {
  const { address, owner, project } = instance;
  const phone = await pairedPhone({ address, home, ...owner });
  const ledger = await ledgerOf(instance);
  const rows: Row[] = [];

  const cards: Card[] = [];
  const ask = (words: string): Promise<Card> => askAndSee(phone, `!run echo ${words} | tee -a marks`);

  /** Each has a card of its own to attack, and a second one to guess at. */
  async function attacked(
    who: string,
    attack: (target: Target, spare: Target, tell: (a: Attempt) => void) => Promise<void>,
  ) {
    screen.title(who);
    const card = await ask(`approved by the owner: ${cards.length + 1}`);
    cards.push(card);
    if (cards.length === 1) {
      const chips = card.chips.map((c) => c.key);
      screen.message('PocketCoder', card.text, chips);
      screen.note(
        'The forgers are told more than they could know: the emoji and the poll’s secret answer. Only the key on the ' +
          'chip they are not told: whoever has that has read the card.',
      );
    }
    const target = await targetOf(phone, card);
    const spare = await ask('spare');
    const before = await whatRan(ledger, project);
    const tried: Attempt[] = [];
    const emoji = chipsOf(spare).named.split(' ')[0] ?? '';
    await attack(target, { ...target, event: spare.id, emoji }, (attempt) => {
      tried.push(attempt);
      screen.command(attempt.sent);
      screen.answer(`${attempt.status}   ${attempt.what}`);
      report({ who, ...attempt });
    });
    // Events are taken in order: when this is answered, all of that was judged.
    const pending = await hears(phone, '!pending', `#${numberOf(card)} run a command · waits for you`);
    screen.message('PocketCoder', pending);
    const after = await whatRan(ledger, project);
    const row: Row = {
      who,
      attempts: tried.length,
      taken: tried.filter((t) => /200|sent/.test(t.status)).length,
      claims: after.claims - before.claims,
      marks: after.marks.length - before.marks.length,
    };
    screen.answer(`ran, says the ledger: ${row.claims}; marks in the workspace: ${row.marks}`);
    rows.push(row);
    await phone.tap(spare.id, '❌');
    await endsWith(phone, spare, 'Nothing was run.');
  }

  await attacked('Somebody with the owner’s access token', (target, spare, tell) =>
    withToken(instance, phone.token, target, spare, tell),
  );
  await attacked(
    'The homeserver’s administrator, with a token in the owner’s name',
    async (target, spare, tell) => withToken(instance, await puppetToken(instance), target, spare, tell),
  );
  await attacked('Somebody with the password, on a second device', async (target, spare, tell) => {
    const thief = await phone.secondLogin();
    await thief.until('the room', (p) => p.rooms().includes(instance.room));
    await withSecondLogin(thief, target, spare, tell);
    await thief.close();
  });

  screen.title('The owner');
  const before = await whatRan(ledger, project);
  for (const card of cards) {
    screen.mine(`taps  ${chipsOf(card).named}`);
    await approve(phone, card);
    screen.message('PocketCoder, below the card', await endsWith(phone, card, '✅ '));
  }
  const after = await whatRan(ledger, project);
  assert.deepEqual(
    after.marks,
    cards.map((_, i) => `approved by the owner: ${i + 1}`),
  );
  rows.push({
    who: 'The owner’s own taps',
    attempts: cards.length,
    taken: cards.length,
    claims: after.claims - before.claims,
    marks: after.marks.length - before.marks.length,
  });
  await phone.close();
  return rows;
}

function table(rows: readonly Row[]): string {
  const wide = Math.max(...rows.map((r) => r.who.length));
  const line = (who: string, ...cells: (string | number)[]) =>
    `${who.padEnd(wide)}${cells.map((c) => String(c).padStart(8)).join('')}`;
  return [
    line('', 'tried', 'taken', 'ran'),
    ...rows.map((r) => line(r.who, r.attempts, r.taken, r.claims)),
  ].join('\n');
}

try {
  screen.progress('starting an instance of its own; the first time builds the images …');
  const rows = await play(await startInstance({ home }));
  const genuine = rows.at(-1);
  const forged = rows.slice(0, -1);
  const ok =
    forged.length === 3 &&
    forged.every((r) => r.claims === 0 && r.marks === 0 && r.taken === r.attempts && r.attempts > 0) &&
    genuine?.claims === forged.length &&
    genuine.marks === forged.length;
  screen.title('What ran');
  if (!json) process.stdout.write(`\n${table(rows)}\n\n`);
  screen.note(
    'tried: requests sent. taken: accepted by the homeserver. ran: claimed by the executor, says the ledger.',
  );
  report({ done: ok, rows });
  if (!ok) process.exitCode = 1;
} catch (error) {
  if (!cleaning()) {
    const message = error instanceof Error ? error.message : String(error);
    report({ done: false, message });
    if (!json) process.stderr.write(`\nThe demonstration stopped: ${message}\n`);
    process.exitCode = 1;
  }
}
await clean();
if (live) process.stdout.write('\r\x1b[K');
process.exit();
