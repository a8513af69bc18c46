/** Terminals of the agent on the composed system: opened and typed into by cards, read by the first one's lease, and each of their ends. Only the model is scripted. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { execIn } from '../../console/engine/containers.ts';
import { findEngine } from '../../console/engine/engine.ts';
import {
  approve,
  endsWith,
  hears,
  isTapped,
  nextCards,
  numberOf,
  outputOf,
  sees,
} from '../harness/answers.ts';
import { type Instance, startInstance } from '../harness/instance.ts';
import { pairedPhone } from '../harness/paired.ts';
import { until } from '../harness/wait.ts';
import type { Card, Phone } from '../phone/types.ts';

const { docker } = findEngine();
let instance: Instance;
let phone: Phone;
before(async () => {
  instance = await startInstance({ model: 'scripted' });
  phone = await pairedPhone({ address: instance.address, ...instance.owner, home: instance.home });
});
after(async () => {
  await phone?.close();
  await instance?.destroy();
});

const call = (tool: string, args: object): string => `!call ${tool} ${JSON.stringify(args)}`;
const nextCard = nextCards(() => phone, isTapped, 40);
const standing = async () => {
  const label = [`org.pocketcoder=${instance.project}`, 'org.pocketcoder.terminal'];
  return (await docker.listContainers({ all: true, filters: { label } })).length;
};
const gone = () => until('no terminal', async () => (await standing()) === 0, { seconds: 30 });
const told = () => JSON.stringify(instance.model?.asked()?.messages);

/** Opens one by the agent's tool; `then` are the calls that come after. */
async function opened(script: string, said: string, ...then: string[]): Promise<Card> {
  await phone.say(['Please.', call('terminal_open', { script }), ...then, `!say ${said}`].join('\n'));
  const card = await nextCard();
  assert.match(card.text, /wants to start a program that stays/);
  assert.ok(card.text.includes(script) && card.text.includes('it can write to the workspace at any time'));
  const before = await standing();
  await approve(phone, card);
  await until('one more', async () => (await standing()) > before, { seconds: 30 });
  return card;
}

test('what is typed is on a card to the byte, what comes of it is read without one; !pending names it, 🛑 ends it', async () => {
  const number = 1;
  const typed = { number, text: '6*7; "a\u200B"', until: '>>>' };
  const card = await opened(
    'exec python3 -q',
    'I read it.',
    ...[
      call('terminal_send', typed),
      call('terminal_read', { number }),
      call('terminal_read', { number: 99 }),
    ],
  );
  assert.equal(numberOf(card), number);
  const send = await nextCard();
  assert.match(send.text, /type into the terminal that #1 opened\n\| 6\*7; "a\\u\{200B\}"\nand then Enter\n/);
  assert.doesNotMatch(told(), /\\n42/);
  await approve(phone, send);
  await sees(phone, 'I read it.', 60);
  assert.match(told(), /The program runs in terminal 1/);
  assert.match(told(), /\\n42\\n/);
  assert.match(told(), /there is no terminal #99 in this task; nothing was typed/);
  assert.ok(!phone.cards().some((c) => c.text.includes('read a terminal')));
  assert.match(await hears(phone, '!pending', 'open since'), /#1 start a program that stays · ⌨️ open since/);
  await hears(phone, '!stop', 'Stopped: ');
  await endsWith(phone, card, '🛑 stopped by you');
  await gone();
});

test('it is closed by its agent, without a card; a stop of its task, the end of the executor and a freeze each end it; the twin was there each time', async () => {
  const serve = 'exec python3 -m http.server --bind 127.0.0.1 3000';
  const ends: [what: string, end: (n: number) => Promise<unknown>][] = [
    ['closed', (number) => phone.say(`Now.\n${call('terminal_close', { number })}\n!say It is shut.`)],
    ['stopped', () => phone.say('!stop 1')],
    ['killed', () => execIn(docker, instance.project, 'executor', ['sh', '-c', 'kill -KILL $(pidof node)'])],
    ['frozen', () => phone.say('!freeze')],
  ];
  for (const [what, end] of ends) {
    const card = await opened(serve, `It is there (${what}).`);
    await sees(phone, `It is there (${what}).`, 40);
    await phone.say('!run curl -s -o /dev/null -w "%{http_code}" http://127.0.0.1:3000/');
    const run = await nextCard();
    await approve(phone, run);
    assert.equal(await outputOf(phone, run, 40), '200', what);
    await end(numberOf(card));
    await gone();
    await endsWith(phone, card, '🛑', 60);
  }
});
