/** A composed instance in which everything has happened once: a paired phone, a task of the brain, an approved action. */
import { findEngine } from '../../console/engine/engine.ts';
import { approve, askAndSee, sees } from '../harness/answers.ts';
import { type Instance, startInstance } from '../harness/instance.ts';
import { pairedPhone } from '../harness/paired.ts';
import type { Phone } from '../phone/types.ts';

/** All services of an instance with a brain, and with an endpoint that writes down voice messages: of that the way alone is there. */
export const services = [
  'homeserver',
  'ledger',
  'bot',
  'executor',
  'brain',
  'model',
  'transcription',
] as const;
const transcription = { url: 'http://host.docker.internal:9/v1', name: 'none', key: 'test-voice-key' };
export type Service = (typeof services)[number];

export type Scene = {
  instance: Instance;
  /** The names of all containers: the services', and the task's as `task`. */
  containers: Record<Service | 'task', string>;
  /** What the approved action printed. */
  said: string;
  destroy(): Promise<void>;
};

const words = 'Please work out the answer.';
const script = 'echo "$((6 * 7)) from uid $(id -u)"';

/** Starts it, pairs a phone, lets the scripted model ask for a script, approves it on the phone and waits for its output. */
export async function startScene(): Promise<Scene> {
  const scripts = { [words]: [{ call: { tool: 'bash', args: { script } } }, { say: 'That was it.' }] };
  const instance = await startInstance({ model: 'scripted', scripts, overrides: { transcription } });
  let phone: Phone | undefined;
  try {
    const { address, home, owner, project } = instance;
    phone = await pairedPhone({ address, home, ...owner });
    await sees(phone, 'Paired.');
    await approve(phone, await askAndSee(phone, words));
    const said = await sees(phone, '42 from uid 65525', 30);
    const { docker } = findEngine();
    const [task] = await docker.listContainers({ filters: { name: [`^/${project}-task-`] } });
    if (!task) throw new Error('the action ran, and there is no container of its task');
    const named = services.map((service) => [service, instance.container(service)]);
    return {
      instance,
      containers: Object.fromEntries([...named, ['task', task.Names[0]?.slice(1)]]),
      said,
      destroy: instance.destroy,
    };
  } catch (error) {
    await instance.destroy();
    throw error;
  } finally {
    await phone?.close();
  }
}
