/** The network by approval on the composed system: asked for by the agent, approved in the room, and each of its ends. Only the model is scripted. */
import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { execIn } from '../../console/engine/containers.ts';
import { findEngine } from '../../console/engine/engine.ts';
import { connectLedger } from '../../ledger/src/client.ts';
import { answerOf, approve, isTapped, nextCards, numberOf, outputOf, sees } from '../harness/answers.ts';
import { type Instance, ledgerOf, startInstance } from '../harness/instance.ts';
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
/** The next card that can be answered: by a vote, or by its chips. */
const nextCard = nextCards(
  () => phone,
  (c) => isTapped(c) || c.answers.length === 2,
  40,
);
const vote = (card: Card) => phone.vote(card.id, [answerOf(card, 'Approve')]);
const running = async () => {
  const filters = { label: [`org.pocketcoder.egress=${instance.project}`] };
  return (await docker.listContainers({ filters })).length;
};
const gone = (what: string) => until(what, async () => (await running()) === 0, { seconds: 30 });

/** Asks for the network by the agent's tool, without an answer yet. */
async function asked(to = 'https://origin.test/a'): Promise<Card> {
  await phone.say(`Please do this.\n${call('network', { to: [to], minutes: 5 })}\n!say It is there.`);
  return nextCard();
}
async function opened(to?: string): Promise<Card> {
  const card = await asked(to);
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
  return outputOf(phone, card, 40);
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
  assert.ok(JSON.stringify(instance.model?.asked()?.messages).includes('the network is open'));
  const out = await runs(curl);
  assert.match(out, /PocketCoder: lookup origin\.test/);
  assert.match(out, /PocketCoder: no lease covers GET https:\/\/other\.test\//);
  const [task] = await docker.listContainers({ filters: { name: [`^/${instance.project}-task-`] } });
  assert.equal(task?.HostConfig.NetworkMode, 'none');
  const further = await opened('https://other.test/');
  for (const host of ['https://origin.test/a', 'https://other.test/']) assert.ok(further.text.includes(host));
  await sees(phone, 'another lease of its task took its place', 40);
  const both = await runs(curl);
  for (const host of ['origin', 'other']) assert.ok(both.includes(`PocketCoder: lookup ${host}.test`), both);
  await phone.say('!stop');
  await sees(phone, `#${numberOf(further)} 🛑 stopped by you`, 40);
  await gone('its proxy is gone');
  assert.match(await runs(curl), /Could not resolve host: origin\.test/);
});

test('attack-38 a freeze, a stop of its task and the end of the executor, killed or silent, each end it; the twin was open each time', async () => {
  await opened();
  await phone.say('!stop 1');
  await gone('the stop of its task ended it');

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

test('attack-59 a secret’s value is in nothing that task, agent, ledger, logs and engine hold, and once taken away opens nothing; the twin has it shown', async () => {
  const value = 'ghp_0123456789SECRET';
  const holder = (text: string) => text.includes(value) || text.includes(btoa(value).slice(4, -4));
  const added = await instance.run(['secret', 'add', 'MINE', 'origin.test'], `${value}\n`);
  assert.deepEqual([added.code, holder(added.out + added.err)], [0, false], added.err);
  const listed = await instance.run(['secret', 'list', '--json']);
  assert.deepEqual(listed.events[0], { event: 'secrets', secrets: [{ name: 'MINE', host: 'origin.test' }] });
  const to = ['https://origin.test/a.git with MINE'];
  const asks = () => phone.say(`Please do this.\n${call('network', { to })}\n!say It is there.`);
  await asks();
  const card = await nextCard();
  assert.match(card.text, /🔑 MINE is shown to origin\.test, not to the agent/);
  const before = phone.timeline().length;
  await vote(card);
  await phone.until('the agent goes on', (p) => JSON.stringify(p.timeline().slice(before)).includes('It is'));
  assert.equal(await running(), 1);
  assert.match(await runs('git ls-remote https://origin.test/a.git'), /origin\.test could not be reached/);
  const inTask =
    'a=ghp_01234; b=56789SECRET; grep -rlsF "$a$b" / --exclude-dir=sys --exclude-dir=proc; cat /proc/[0-9]*/environ 2> /dev/null | grep -acF "$a$b"; echo looked';
  assert.equal(await runs(inTask), '0\nlooked');

  const ledger = await ledgerOf(instance);
  assert.ok(!holder(JSON.stringify(await ledger.since(0))));
  assert.ok(!holder(JSON.stringify(phone.timeline())));
  assert.ok(!holder(JSON.stringify(instance.model?.seen)));
  const all = await docker.listContainers({ all: true });
  const mine = all.filter(({ Names }) => Names[0]?.startsWith(`/${instance.project}`));
  assert.ok(mine.length >= 7);
  for (const { Id, Names } of mine) {
    const container = docker.getContainer(Id);
    const logs = await container.logs({ stdout: true, stderr: true }).catch(() => ''); // of what has none
    assert.ok(!holder(JSON.stringify(await container.inspect()) + logs), Names[0]);
  }
  for (const file of globSync('/proc/[0-9]*/{environ,cmdline}')) {
    const text = await readFile(file, 'utf8').catch(() => ''); // it ended meanwhile
    assert.ok(!holder(text), file);
  }
  const found = async (service: string) =>
    (
      await execIn(docker, instance.project, service, [
        ...['sh', '-c', `grep -rlsF "$1" /run /data /var/lib /tmp /etc 2> /dev/null; true`, 'sh', value],
      ])
    ).out;
  for (const service of ['bot', 'brain', 'ledger', 'model', 'homeserver'])
    assert.equal(await found(service), '', service);
  assert.equal((await found('executor')).trim(), '/run/pocketcoder/secrets.json'); // the twin
  await phone.say('!stop 1');
  await gone('the stop of its task ended it');

  await asks();
  const late = await nextCard();
  assert.equal((await instance.run(['secret', 'remove', 'MINE'])).code, 0);
  await vote(late);
  await sees(phone, 'the secret MINE is not there; nothing was opened', 40);
  assert.equal(await running(), 0);
  await asks();
  await phone.until('the agent hears', () =>
    JSON.stringify(instance.model?.asked()?.messages).includes("the owner's are: none"),
  );
});

test('!push shows what it would bring, then a card asks for exactly that, to where the workspace came from; its yes opens that way alone', async () => {
  const { operator: password } = instance.secrets.passwords.ledger;
  const ledger = await connectLedger({ url: instance.ledgerUrl, identity: 'operator', password });
  // As `workspace add` leaves it where it was cut off after the import: this origin can't be cloned.
  const source = 'https://origin.test/a.git';
  const [commit, tree] = ['ab'.repeat(20), 'cd'.repeat(20)];
  const body = { workspace: 'shop', form: 'git', source, commit, tree, files: 1, bytes: 1 };
  await ledger.append({ kind: 'workspace.imported', body });
  const added = await instance.run(['workspace', 'add', 'shop', source, '--json']);
  const { room } = added.events.find(({ event }) => event === 'workspace') as { room: string };
  await phone.until('the invitation to its room', (p) => p.rooms().includes(room), 60);
  const script = 'git init -q -b main && echo 1 > a && git add a && git commit -qm "Sell hats"';
  await until('the first words there', () => phone.say(`!run ${script}`, room));
  await approve(phone, await nextCard());
  await sees(phone, '✅ done', 40);
  await phone.say('!push nowhere', room);
  await sees(phone, 'there is no commit on a branch nowhere', 40);
  await phone.say('!push', room);
  await sees(phone, 'Not asked to push: there is no secret for origin.test', 40);
  assert.equal((await instance.run(['secret', 'add', 'MINE', 'origin.test'], 'value\n')).code, 0);
  await phone.say('!push', room);
  const card = await nextCard();
  for (const words of [source, 'Sell hats', 'MINE is shown to origin.test', 'never by force'])
    assert.ok(card.text.includes(words), `${words} in ${card.text}`);
  await vote(card);
  await sees(phone, 'origin.test could not be reached', 40);
  await phone.say('!pull main', room);
  const fetch = await nextCard();
  for (const words of [source, 'its branch', 'MINE is shown to origin.test', 'nothing is merged by this'])
    assert.ok(fetch.text.includes(words), `${words} in ${fetch.text}`);
  await vote(fetch);
  await sees(phone, `#${numberOf(fetch)} ⚠️ exit`, 40);
  await phone.say('!pull');
  await sees(phone, '⚠️ this workspace did not come from a repository', 40);
  assert.equal(await running(), 0);
});

test('uninstall leaves nothing of a lease that is open', async () => {
  await opened();
  // As another instance has one: the images stay, which the file beside this one may be about to use.
  const Labels = { 'com.docker.compose.project': `pocketcoder-beside-${instance.project}` };
  const Name = `beside-${instance.project}`;
  await docker.createVolume({ Name, Labels });
  try {
    assert.equal((await instance.run(['uninstall', '--yes'])).code, 0);
  } finally {
    await docker.getVolume(Name).remove();
  }
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
