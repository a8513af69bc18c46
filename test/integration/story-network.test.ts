/** The network by approval on the composed system: asked for by the agent, approved in the room, and each of its ends. Only the model is scripted. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { execIn } from '../../console/engine/containers.ts';
import { findEngine } from '../../console/engine/engine.ts';
import { answerOf, approve, numberOf, sees } from '../harness/answers.ts';
import { type Instance, startInstance } from '../harness/instance.ts';
import { pairedPhone } from '../harness/paired.ts';
import { until } from '../harness/wait.ts';
import type { Card, Phone } from '../phone/types.ts';

const { docker } = findEngine();
let instance: Instance;
let phone: Phone;
before(async () => {
  instance = await startInstance({ model: 'scripted', overrides: { approvals: { reads: { uses: 0 } } } });
  phone = await pairedPhone({ address: instance.address, ...instance.owner, home: instance.home });
});
after(async () => {
  await phone?.close();
  await instance?.destroy();
});

const call = (tool: string, args: object): string => `!call ${tool} ${JSON.stringify(args)}`;
const seen = new Set<string>();
/** The next card that can be answered: by a vote, or by its chips. */
async function nextCard(): Promise<Card> {
  const unseen = (c: Card) => !seen.has(c.id) && (c.chips.length === 3 || c.answers.length === 2);
  const card = await phone.until('a card', (p) => p.cards().find(unseen), 40);
  seen.add(card.id);
  return card;
}
const vote = (card: Card) => phone.vote(card.id, [answerOf(card, 'Approve')]);
const running = async () => {
  const filters = { label: [`org.pocketcoder.egress=${instance.project}`] };
  return (await docker.listContainers({ filters })).length;
};
const gone = (what: string) => until(what, async () => (await running()) === 0, { seconds: 30 });

/** Asks for the network by the agent's tool, without an answer yet. */
async function asked(): Promise<Card> {
  await phone.say(
    `Please do this.\n${call('network', { to: ['https://origin.test/a'], minutes: 5 })}\n!say It is there.`,
  );
  return nextCard();
}
async function opened(): Promise<Card> {
  const card = await asked();
  const before = phone.timeline().length;
  await vote(card);
  await phone.until('the agent goes on', (p) =>
    p
      .timeline()
      .slice(before)
      .some((e) => String(e.content['body']).includes('It is there.')),
  );
  assert.equal(await running(), 1);
  return card;
}
/** A way out says so itself: its host has no address anywhere, and the proxy tells that; without one curl knows no host. */
const curl = 'curl -sS -m 20 https://origin.test/a; curl -sS -m 20 https://other.test/';
async function runs(script: string): Promise<string> {
  await phone.say(`!run ${script}`);
  const card = await nextCard();
  await approve(phone, card);
  return sees(phone, `#${numberOf(card)} output`, 40);
}
const killed = (signal: string) =>
  execIn(docker, instance.project, 'executor', ['sh', '-c', `kill -${signal} $(pidof node)`]);

test('attack-38 nothing goes out before a signed answer in the room; then what the card names does, and 🛑 ends it', async () => {
  const card = await asked();
  assert.match(card.text, /wants to reach the network/);
  assert.ok(card.text.includes('https://origin.test/a') && card.text.includes('300 MB down and 1 MB up'));
  assert.deepEqual([card.chips.length, await running()], [0, 0]);
  assert.match(await runs(curl), /Could not resolve host: origin\.test/);
  await vote(card);
  await sees(phone, 'It is there.', 40);
  assert.ok(JSON.stringify(instance.model?.seen.at(-1)?.messages).includes('the network is open'));
  const out = await runs(curl);
  assert.match(out, /PocketCoder: lookup origin\.test/);
  assert.match(out, /PocketCoder: no lease covers GET https:\/\/other\.test\//);
  const [task] = await docker.listContainers({ filters: { name: [`^/${instance.project}-task-`] } });
  assert.equal(task?.HostConfig.NetworkMode, 'none');
  await phone.say('!stop');
  await sees(phone, `#${numberOf(card)} 🛑 stopped by you`, 40);
  await gone('its proxy is gone');
  assert.match(await runs(curl), /Could not resolve host: origin\.test/);
});

test('attack-38 a freeze, !new and the end of the executor, killed or silent, each end it; the twin was open each time', async () => {
  await opened();
  await phone.say('!new');
  await gone('!new ended it');

  await opened();
  assert.equal((await instance.run(['freeze'])).code, 0);
  await gone('the freeze ended it');
  assert.equal((await instance.run(['thaw'])).code, 0);

  const killedOne = await opened();
  await killed('KILL');
  await gone('an executor that is killed takes it along');
  await sees(phone, `#${numberOf(killedOne)} 🛑 ended: the executor was restarted`, 60);

  await opened();
  await killed('STOP');
  try {
    await gone('15 seconds of silence ended it');
  } finally {
    await killed('CONT');
  }
  await sees(phone, 'its executor was silent', 40);
});

test('uninstall leaves nothing of a lease that is open', async () => {
  await opened();
  assert.equal((await instance.run(['uninstall', '--yes'])).code, 0);
  const filters = { label: [`org.pocketcoder=${instance.project}`] };
  assert.deepEqual(
    [
      ...(await docker.listContainers({ all: true, filters })),
      ...(await docker.listNetworks({ filters })),
      ...((await docker.listVolumes({ filters })).Volumes ?? []),
    ],
    [],
  );
});
