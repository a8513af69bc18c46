/**
 * How long pairing takes with Element X's engine: from `./pocketcoder pair` to enrolled, with a person who taps at once. `open`: the
 * room is open on the phone. `missed`: the person joins once the console waits, and opens the room when the app has dropped
 * the first request. One JSON object each; seconds, with the slowest. There is no floor: a person's own time is not in it.
 */
import { ensureAccount } from '../../console/instance/accounts.ts';
import { openPhone } from '../element/phone.ts';
import { compares, missing, operator, path } from '../element/story.ts';
import type { Phone } from '../element/types.ts';
import { type Instance, startInstance } from '../harness/instance.ts';
import { until } from '../harness/wait.ts';

const times = 5;
const password = 'a password of this measurement alone';

async function person(instance: Instance, user: string): Promise<Phone> {
  const { registration } = instance.secrets.homeserver;
  await ensureAccount(instance.address, registration, { user, password, admin: false });
  return openPhone(path, { homeserver: instance.address, user, password });
}

async function open(instance: Instance, phone: Phone): Promise<number> {
  // Whoever is not in the room is invited by a console that is left again.
  const first = operator(instance.home, phone.user, 'approves');
  await first.hears('waiting');
  await phone.join(instance.room);
  await phone.open(instance.room);
  await until('the app to know the bot', () => phone.take('asked'), { seconds: 60 });
  await first.leave();
  const from = performance.now();
  await compares(phone, operator(instance.home, phone.user, 'approves'));
  return performance.now() - from;
}

/** @returns nothing where the app knew the bot in time, so that no request was dropped */
async function missed(instance: Instance, phone: Phone): Promise<number | undefined> {
  const from = performance.now();
  const console = operator(instance.home, phone.user, 'approves');
  await console.hears('waiting');
  await phone.join(instance.room);
  const first = () => phone.told.find(({ event }) => event === 'lost' || event === 'asked');
  await until('the first request', () => first() !== undefined, { seconds: 60 });
  const lost = first()?.event === 'lost';
  await phone.open(instance.room);
  await compares(phone, console);
  return lost ? performance.now() - from : undefined;
}

if (missing) throw new Error(`Nothing was measured: ${missing}.`);
const instance = await startInstance();
const took = { open: [] as number[], missed: [] as number[] };
try {
  for (let i = 0; i < times; i++)
    for (const [name, way] of Object.entries({ open, missed })) {
      const phone = await person(instance, `${name}-${i}`);
      const ms = await way(instance, phone).finally(() => phone.destroy());
      if (ms !== undefined) took[name as keyof typeof took].push(ms / 1000);
    }
} finally {
  await instance.destroy();
}
for (const [name, seconds] of Object.entries(took)) {
  const sorted = seconds.sort((a, b) => a - b).map((s) => Math.round(s * 100) / 100);
  const line = { bench: `pair ${name}`, unit: 's', n: sorted.length };
  console.log(JSON.stringify({ ...line, p50: sorted[sorted.length >> 1], most: sorted.at(-1) }));
}
