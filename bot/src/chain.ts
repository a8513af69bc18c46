/** The ledger as the bot has it: nothing is recorded that would leak, and its chain is read to the end before anything else. */
import type { Entry, Ledger } from '@pocketcoder/ledger/src/client.ts';
import { type LedgerState, levelOf } from '@pocketcoder/ledger/src/follow.ts';
import { openPin } from '@pocketcoder/ledger/src/pin.ts';
import { pinned } from '@pocketcoder/ledger/src/pinned.ts';
import { reachLedger } from '@pocketcoder/ledger/src/reach.ts';
import type { Logger } from 'pino';
import { type NarrowLedger, narrow } from './approval/narrow.ts';

export type ChainOptions = {
  url: string;
  password: string;
  /** The file that keeps what was seen of it. */
  pin: string;
  /** Why a text must not be recorded, or ''. */
  leak(text: string): string;
  /** Takes every entry of the chain, in order. */
  read(entry: Entry): void;
  /** Told how many seconds each entry took to be written. */
  appended?: ((seconds: number) => void) | undefined;
  log: Logger;
};
export type Chain = {
  ledger: NarrowLedger;
  state(): LedgerState;
  /** What a person is told where it was turned back, or ''. */
  why(): string;
  /** The last entry that was read. */
  head(): Entry | undefined;
  /** From now on calls back with each new entry, once it was read. Once. */
  run(onEntry: (entry: Entry) => void): void;
  stop(): Promise<void>;
};

/**
 * Waits as long as the ledger is down, or was turned back. Resolves when all was read that it has by then.
 * @returns besides, the whole ledger, for what decides alone
 */
export async function openChain({
  url,
  password,
  pin,
  leak,
  read,
  appended,
  log,
}: ChainOptions): Promise<{ chain: Chain; whole: Ledger }> {
  const found = await reachLedger({ url, password, identity: 'bot' }, () =>
    log.warn({ url }, 'ledger does not answer; trying again'),
  );
  const reached = pinned(found, openPin(pin));
  let state: LedgerState = 'down';
  let turned = '';
  let head: Entry | undefined;
  let handle = (_: Entry): void => {};
  const following = reached.follow({
    onEntry(entry) {
      read(entry);
      head = entry;
      handle(entry);
    },
    onState(now, why) {
      log[levelOf[now]]({ why }, `ledger ${now}`);
      state = now;
      turned = now === 'turned back' ? (why ?? now) : '';
    },
  });
  await following.ready;
  const whole: Ledger = {
    ...reached,
    async append(entry) {
      const why = leak(JSON.stringify(entry.body));
      if (why) throw new Error(`Nothing was recorded: ${why}.`);
      const began = performance.now();
      const taken = await reached.append(entry);
      appended?.((performance.now() - began) / 1000);
      return taken;
    },
  };
  const chain: Chain = {
    ledger: narrow(whole),
    state: () => state,
    why: () => turned,
    head: () => head,
    run(onEntry) {
      handle = onEntry;
    },
    stop: following.stop,
  };
  return { chain, whole };
}
