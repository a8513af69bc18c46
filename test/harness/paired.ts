/** Pairs a test phone the way a person does: the launcher shows emoji, the phone shows emoji, a yes on both sides. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { checkout } from '../../config/src/paths.ts';
import { createPhone, type Phone } from '../phone/phone.ts';
import { photograph } from './camera.ts';

export type PairedOptions = {
  /** Where Element would sign in. */
  address: string;
  user: string;
  password: string;
  /** The instance's state directory. */
  home: string;
};

/** Starts `pocketcoder pair` as soon as the phone is in the room. */
async function operator(phone: Phone, home: string, ...more: string[]) {
  await phone.until('an invitation to the room', (p) => {
    try {
      return p.room();
    } catch {
      return false;
    }
  });
  const child = spawn(join(checkout, 'pocketcoder'), ['pair', ...more], {
    env: { ...process.env, POCKETCODER_HOME: home },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  return { child, ended };
}

/** Pairs a phone that can scan by the code that is drawn. Resolves when its device is enrolled. */
export async function scanPhone(phone: Phone, home: string): Promise<void> {
  const { child, ended } = await operator(phone, home);
  let screen = '';
  let scanning: Promise<void> | undefined;
  let answered = false;
  for await (const text of child.stdout.setEncoding('utf8')) {
    screen += text;
    const code = !scanning && screen.includes('Scan this with Element') && photograph(screen);
    if (code) scanning = phone.scan(code).then(({ done }) => done);
    if (answered || !screen.includes(`Device ${phone.device} scanned the code`)) continue;
    answered = true;
    child.stdin.end('yes\n');
  }
  assert.equal(await ended, 0, screen);
  assert.ok(scanning && answered, screen);
  await scanning;
}

/** Runs `pocketcoder pair` against a phone that is signed in already. Resolves when its device is enrolled. */
export async function pairPhone(phone: Phone, home: string): Promise<void> {
  const { child, ended } = await operator(phone, home, '--json');
  let last = '';
  for await (const line of createInterface({ input: child.stdout })) {
    last = line;
    const said = JSON.parse(line) as { event: string; emoji?: { symbol: string }[] };
    if (said.event !== 'emoji') continue;
    const seen = await phone.verification();
    assert.deepEqual(
      seen.emoji,
      said.emoji?.map(({ symbol }) => symbol),
      'both sides show the same emoji',
    );
    const confirmed = seen.confirm();
    child.stdin.end('yes\n');
    await confirmed;
  }
  assert.equal(await ended, 0, last);
}

/** A phone that signed in to an instance with a fresh identity and was paired with it. */
export async function pairedPhone({ address, user, password, home }: PairedOptions): Promise<Phone> {
  const phone = await createPhone({ homeserver: address, user, password });
  await phone.setUpCrossSigning();
  await pairPhone(phone, home);
  return phone;
}
