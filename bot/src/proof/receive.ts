/** What the homeserver hands over for the crypto machine: messages to this device, whose keys changed, how many of its own are left. */
import { type Crypto, wasm as W } from '@matrix-org/matrix-sdk-crypto-nodejs';
import { isObject, textOf } from '../types.ts';

export type News = {
  /** To-device events, whatever they hold. */
  events: readonly unknown[];
  /** Users whose keys changed, and who are followed no more. */
  changed: readonly string[];
  left: readonly string[];
  /** Undefined where the server does not say, which means that nothing changed. */
  counts: Record<string, number> | undefined;
  unused: readonly string[] | undefined;
};
export type ReceiveOptions = {
  machine: Pick<Crypto['machine'], 'receiveSyncChanges'>;
  /** Whether that user belongs in a room of the bot's, or is the bot: of others nothing is written down. */
  expects(user: string): boolean;
  /** Whether the machine may see this to-device event. */
  admits(event: unknown): Promise<boolean>;
  /** The machine was given to-device events. */
  advance(): Promise<void>;
};

const usersOf = (list: readonly string[]): W.UserId[] => list.map((u) => new W.UserId(u));

/** Not without news: the machine writes its whole account down each time, before the events that came are looked at. */
export function createReceive({
  machine,
  expects,
  admits,
  advance,
}: ReceiveOptions): (news: News) => Promise<void> {
  let counted = '';
  let counts: Record<string, number> = {};
  let unused: readonly string[] | undefined;
  return async (news) => {
    counts = news.counts ?? counts;
    unused = news.unused ?? unused;
    const now = JSON.stringify([counts, unused]);
    const events: unknown[] = [];
    for (const event of news.events)
      if (isObject(event) && expects(textOf(event['sender'])) && (await admits(event))) events.push(event);
    const { changed, left } = news;
    if (events.length + changed.length + left.length === 0 && now === counted) return;
    await machine.receiveSyncChanges(
      JSON.stringify(events),
      new W.DeviceLists(usersOf(changed), usersOf(left)),
      new Map(Object.entries(counts)),
      unused && new Set(unused),
      new W.DecryptionSettings(W.TrustRequirement.CrossSigned),
    );
    counted = now;
    if (events.length > 0) await advance();
  };
}
