/**
 * The gateway of a composed instance, with the suite's tool server pinned there from a phone, and a person who approves each card of
 * it. One call more is the agent's own: its card nobody answers.
 */

import { findEngine } from '../../console/engine/engine.ts';
import { ensureImage } from '../../console/engine/images.ts';
import { isOver } from '../../ledger/rules/lifecycle.cjs';
import type { Action } from '../../ledger/src/action.ts';
import { inside } from '../connection/inside.ts';
import { answerOf, approve, isTapped, nextCards, sees } from '../harness/answers.ts';
import { ledgerOf, startInstance } from '../harness/instance.ts';
import { pairedPhone } from '../harness/paired.ts';
import { everythingCommand, toolServerImage } from '../harness/toolserver/image.ts';
import { until } from '../harness/wait.ts';
import type { Phone } from '../phone/types.ts';
import { type Front, startFront } from './front.ts';

const server = 'everything';
const call = (args: object): string => `!call ${server}__test_simple_text ${JSON.stringify(args)}`;
/** What the call says whose card nobody answers. */
const unanswered = 'nobody answers this';
/** A person reads this one for so many of the gateway's notices that it still waits. */
const slow = { card: `| ${server}__test_tool_with_progress`, notices: 3 };

/** Where a task's hands reach the gateway: its token is made as the bot makes it, of the key in the bot's own database. */
async function handsOf(bot: string, task: string): Promise<{ url: string; token: string }> {
  const script = `
    const { DatabaseSync } = require('node:sqlite');
    const { key } = new DatabaseSync('/var/lib/pocketcoder/bot.sqlite', { readOnly: true }).prepare('SELECT key FROM gateway').get();
    console.log(require('node:crypto').createHmac('sha256', key).update(process.argv[1]).digest('base64url'));`;
  const { code, out } = await inside(bot, ['node', '--no-warnings', '-e', script, task]);
  if (code !== 0) throw new Error(`the token of ${task} was not made: ${out}`);
  return { url: `http://gateway:8080/mcp/${encodeURIComponent(task)}`, token: out };
}

/** Approves the calls that come from now on. @returns the way to end that */
function approveCalls(phone: Phone, front: Front): () => void {
  const seen = new Set<string>();
  const timer = setInterval(() => {
    for (const card of phone.cards().filter(isTapped)) {
      const left = card.text.includes(unanswered);
      const reads = card.text.includes(slow.card) && front.progress() < slow.notices;
      if (seen.has(card.id) || left || reads) continue;
      seen.add(card.id);
      approve(phone, card).catch((error: unknown) => console.error(error));
    }
  }, 20);
  return () => clearInterval(timer);
}

export type Composed = {
  /** Where the suite asks. */
  url: string;
  /** Waits until the agent is told that its call is pending. @returns the kinds of that action's entries @throws where it ran or is over */
  pending(): Promise<string[]>;
  stop(): Promise<void>;
};

/** @param home a fresh state directory, which whoever made it removes with all that is in it */
export async function startComposed(home: string, note: (text: string) => void): Promise<Composed> {
  const undo: (() => Promise<unknown> | unknown)[] = [];
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await Promise.resolve(step()).catch(() => {});
  };
  try {
    const { docker } = findEngine();
    const instance = await startInstance({ home, model: 'scripted' });
    undo.push(instance.destroy);
    const image = await toolServerImage(docker, await ensureImage('task'), instance.project.toLowerCase());
    undo.push(() => docker.getImage(image).remove({ force: true }));
    note('pairing a phone');
    const phone = await pairedPhone({ address: instance.address, ...instance.owner, home });
    undo.push(() => phone.close());
    const ledger = await ledgerOf(instance);
    const nextCard = nextCards(
      () => phone,
      (c) => isTapped(c) || c.answers.length === 2,
      60,
    );
    note('pinning the server');
    await phone.say(`!server add ${server} ${image} ${everythingCommand}`);
    await approve(phone, await nextCard('look at a tool server'));
    const pin = await nextCard('pin a tool server');
    await phone.vote(pin.id, [answerOf(pin, 'Approve')]);
    await sees(phone, '✅ in force');

    /** The agent's call that says so. */
    const asked = (words: string) =>
      until(`the call ${words}`, async () =>
        (await ledger.since(0)).find(({ kind, body }) => kind === 'requested' && body.includes(words)),
      );
    await phone.say(`Please begin.\n${call({ words: 'first' })}\n!say It has begun.`);
    await approve(phone, await nextCard(`${server}__test_simple_text`));
    await sees(phone, 'It has begun.');
    const { task } = JSON.parse((await asked('first')).body) as Action;
    const hands = await handsOf(instance.container('bot'), task);
    await phone.say('!new');
    await sees(phone, 'New task');
    await phone.say(`And this.\n${call({ words: unanswered })}\n!say I go on.`);
    await nextCard(unanswered);
    const left = (await asked(unanswered)).action;

    const front = await startFront({ brain: instance.container('brain'), server, ...hands });
    undo.push(front.stop, approveCalls(phone, front));
    return {
      url: front.url,
      async pending() {
        await until(
          'the agent is told that its call is pending',
          () => JSON.stringify(instance.model?.asked()?.messages).includes(`PENDING: action ${left} waits`),
          { seconds: 150 },
        );
        const kinds = (await ledger.story(left)).map(({ kind }) => kind);
        if (kinds.some((kind) => kind === 'claimed' || isOver(kind)))
          throw new Error(`what nobody answered did not stay so: ${kinds.join(', ')}`);
        return kinds;
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
