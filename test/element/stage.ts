/** An instance with a scripted model and a paired phone, on which stories are played one after the other. */
import { findEngine } from '../../console/engine/engine.ts';
import type { Settings } from '../../console/instance/settings-file.ts';
import type { Ledger } from '../../ledger/src/client.ts';
import { type Instance, ledgerOf, startInstance } from '../harness/instance.ts';
import type { Scripts } from '../harness/model.ts';
import { until } from '../harness/wait.ts';
import { openPhone } from './phone.ts';
import { compares, kindsOf, operator, path } from './story.ts';
import type { Phone, Room } from './types.ts';

export type Stage = {
  instance: Instance;
  ledger: Ledger;
  phone: Phone;
  room: Room;
  /** The ledger's kinds of the action with this number, once the last of them is `kind`. */
  reaches(number: number, kind: string): Promise<string[]>;
  /** How many actions were ever begun. */
  claims(): Promise<number>;
  /** Stops a service while `meanwhile` is done. */
  without(service: string, meanwhile: () => Promise<void>): Promise<void>;
  /** Closes the app and starts it again, in the same room. */
  restart(settings?: { threads: boolean }): Promise<void>;
};

export const ran = ['requested', 'posted', 'approved', 'claimed', 'running', 'succeeded'];
export const refused = ['requested', 'posted', 'denied'];

/** @param scripts of the model, for what is said with their phrases @param agents files of helpers, by their names */
export async function openStage({
  scripts = {},
  ...more
}: {
  scripts?: Scripts;
  overrides?: Partial<Settings>;
  agents?: Readonly<Record<string, string>>;
} = {}): Promise<Stage> {
  const instance = await startInstance({ model: 'scripted', scripts, ...more });
  const { user, password } = instance.owner;
  const phone = await openPhone(path, { homeserver: instance.address, user, password });
  await phone.join(instance.room);
  const room = await phone.open(instance.room);
  await compares(phone, operator(instance.home));
  await room.sees('Paired.');
  const ledger = await ledgerOf(instance);
  const stage: Stage = {
    instance,
    ledger,
    phone,
    room,
    reaches: (number, kind) =>
      until(
        `#${number} to be ${kind}`,
        async () => {
          const kinds = await kindsOf(ledger, number);
          if (kinds.at(-1) === kind) return kinds;
          throw new Error(kinds.join(' '));
        },
        { seconds: 30, every: 100 },
      ),
    claims: async () => (await ledger.since(0)).filter((entry) => entry.kind === 'claimed').length,
    async without(service, meanwhile) {
      const container = findEngine().docker.getContainer(instance.container(service));
      await container.stop({ t: 5 });
      try {
        await meanwhile();
      } finally {
        await container.start();
      }
    },
    async restart(settings) {
      stage.phone = await stage.phone.restart(settings);
      stage.room = await stage.phone.open(instance.room);
    },
  };
  return stage;
}

export async function closeStage(stage: Stage | undefined): Promise<void> {
  await stage?.phone.destroy();
  await stage?.instance.destroy();
}
