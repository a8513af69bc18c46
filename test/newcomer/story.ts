/**
 * What a newcomer does after `npm start`: trusts the root certificate that the page gives and no other, signs in with what it
 * printed, pairs, gives a task, approves it, reads the output. Prints the seconds of each step.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setDefaultCACertificates } from 'node:tls';
import { pageOf, phoneAddressOf } from '../../console/engine/services.ts';
import { findInstance } from '../../console/instance/instance.ts';
import { pairPhone } from '../harness/paired.ts';
import { createPhone } from '../phone/phone.ts';

const instance = findInstance();
assert.ok(instance, 'npm start comes first');
const { home, state } = instance;
let from = performance.now();
const step = (name: string): void => {
  console.log(JSON.stringify({ step: name, seconds: Math.round((performance.now() - from) / 10) / 100 }));
  from = performance.now();
};

const page = pageOf(instance);
assert.ok(page, 'the settings say: reach by the own network');
const root = await (await fetch(`${page}/root.crt`)).text();
await assert.rejects(fetch(phoneAddressOf(instance)), 'who trusts the usual authorities is refused');
setDefaultCACertificates([root]);
step('trusts the root that was served');

const user = `@${state.owner}:${state.server_name}`;
const secrets = JSON.parse(readFileSync(join(home, 'secrets.json'), 'utf8')) as typeof state;
const phone = await createPhone({
  homeserver: phoneAddressOf(instance),
  user,
  password: secrets.passwords.owner,
});
await phone.setUpCrossSigning();
step('signed in');
await pairPhone(phone, home);
step('paired');

await phone.say('!run echo "hello from $(id -u)"');
const card = await phone.until('a card with its chips', (p) => {
  const last = p.cards().at(-1);
  return last && last.chips.length >= 2 && last;
});
step('card shown');
const emoji = /tap (\S+) to approve/.exec(card.text)?.[1];
assert.ok(emoji, card.text);
const chip = card.chips.find(({ key }) => key.startsWith(emoji));
assert.ok(chip, `a chip with ${emoji}`);
await phone.tap(card.id, chip.key);
await phone.until(
  'the output',
  (p) => p.timeline().some((e) => JSON.stringify(e.content).includes('hello from 65525')),
  30,
);
step('approved, output read');
await phone.close();
process.exit(0);
