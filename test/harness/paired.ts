/** Pairs a test phone the way a person does: the launcher shows emoji, the phone shows emoji, a yes on both sides. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { checkout } from '../../console/instance/paths.ts';
import { createPhone, type Phone } from '../phone/phone.ts';

export type PairedOptions = {
  /** Where Element would sign in. */
  address: string;
  user: string;
  password: string;
  /** The instance's state directory. */
  home: string;
};

/** Runs `pocketcoder pair` against a phone that is signed in already. Resolves when its device is enrolled. */
export async function pairPhone(phone: Phone, home: string): Promise<void> {
  const child = spawn(join(checkout, 'pocketcoder'), ['pair', '--json'], {
    env: { ...process.env, POCKETCODER_HOME: home },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
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
