/** `pocketcoder pair`: the bot asks the owner's device, the person here compares the emoji, the ledger gets the result. */
import { createInterface } from 'node:readline';
import { findEngine } from '../engine/engine.ts';
import { fault } from '../fault.ts';
import { openConsole, type Said } from '../instance/bot-console.ts';
import type { Instance } from '../instance/instance.ts';
import { ledgerAs } from '../instance/ledger.ts';
import type { Report } from '../report.ts';

type Emoji = { symbol: string; name: string };

/** What the person has to do now, in the words that Element X has on its screens. */
function waiting({ user, for: what, asked }: Said): string {
  const room = '“PocketCoder · main”';
  if (what === 'invitation')
    return `Waiting for ${user} to join: in Element, open the invitation to ${room} and tap Accept.`;
  if (what === 'identity')
    return `Waiting for ${user} to finish signing in: Element sets up encryption for the account (Settings, Encryption).`;
  if (what === 'emoji') return 'Accepted. The emoji come in a moment, here and on the phone.';
  if (asked === 1)
    return `Asked ${user}. In Element, open the room ${room}; at “Verification requested” tap Start verification.`;
  return 'Asked again, nobody took it up yet. Is that room open on the device that is to approve? Ctrl-C ends this.';
}

/** The next line that is typed or piped in; 'no' at the end of input, or when the pairing is over. */
async function answer(over: AbortSignal): Promise<'yes' | 'no'> {
  using input = createInterface({ input: process.stdin, signal: over });
  for await (const line of input) return line.trim().toLowerCase() === 'yes' ? 'yes' : 'no';
  return 'no';
}

/**
 * Verifies one device of a person, the owner where nobody is named, and enrols it. Who is not in the room is invited first.
 * Throws a Fault when it was not enrolled: then nothing was written.
 */
export async function pair(instance: Instance, report: Report, user?: string, role = 'owner'): Promise<void> {
  using bot = await openConsole(findEngine(), instance.state.project);
  const over = new AbortController();
  try {
    bot.say({ cmd: 'pair', ...(user !== undefined && { user }) });
    for await (const said of bot.heard) {
      if (said.event === 'waiting') report.event(said, waiting(said));
      if (said.event === 'emoji') {
        const emoji = said['emoji'] as Emoji[];
        const shown = emoji.map(({ symbol, name }) => `${symbol} ${name}`).join('   ');
        report.event(
          said,
          `\n  ${shown}\n\nDoes Element show exactly these, in this order? If so, tap They match there and type yes here.\n` +
            'Anything else refuses:',
        );
        // Not waited for: the phone may refuse, or the bot give up, while this person still looks.
        void answer(over.signal).then((word) => over.signal.aborted || bot.say({ answer: word }));
      }
      if (said.event === 'error')
        throw fault.failed(
          `Not paired: ${String(said['message']).replace(/\.$/, '')}. Run ./pocketcoder pair to try again.`,
        );
      if (said.event === 'verified') {
        const { user: whose, master, device, ed25519, curve25519 } = said;
        const ledger = await ledgerAs(instance, 'operator');
        const body = { user: whose, master, device, ed25519, curve25519, role };
        await ledger.append({ kind: 'identity.enrolled', body });
        report.event(
          { ...said, event: 'enrolled' },
          `Paired: device ${device} of ${whose} is enrolled, with the role ${role}.`,
        );
        return;
      }
    }
    throw fault.temporary(
      'The bot went away while pairing. Nothing was written; run ./pocketcoder pair again.',
    );
  } finally {
    over.abort();
  }
}
