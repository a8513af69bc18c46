/** `pocketcoder secret`: what hosts are shown, and images of tool servers are given, where a lease of the network or a pin names it. Whom it is for is the operator's to say. */
import { isHost, isSecretName } from '../../ledger/rules/egress.cjs';
import { isImage } from '../../ledger/rules/servers.cjs';
import { findBase } from '../engine/base.ts';
import { findEngine, requireEngine } from '../engine/engine.ts';
import { secretFiles } from '../engine/services.ts';
import { fault } from '../fault.ts';
import { type Instance, withState } from '../instance/instance.ts';
import { writeServiceFiles } from '../instance/volumes.ts';
import { unseenLine } from '../question.ts';
import type { Report } from '../report.ts';

export const secretWords = 'list | add NAME HOST [USER] | add NAME image:IMAGE | remove NAME';

/** No host has a colon. */
const ofImage = 'image:';
/** Who git hosts take a token of; registries take none. */
const usualUser = 'x-access-token';

/** Whether these are words that it takes. */
export const fitsSecret = ([what, name, host, user, ...more]: readonly string[]): boolean =>
  more.length === 0 &&
  ((what === 'list' && name === undefined) ||
    (what === 'remove' && isSecretName(name) && host === undefined) ||
    (what === 'add' &&
      isSecretName(name) &&
      (host?.startsWith(ofImage)
        ? isImage(host.slice(ofImage.length)) && user === undefined
        : isHost(host) && /^[\x21-\x39\x3b-\x7e]{1,100}$/.test(user ?? usualUser))));

/** Runs one of the three, for words that fit. No value is ever printed. */
export async function secret(
  instance: Instance,
  report: Report,
  [what, name = '', host = '', user = usualUser]: readonly string[],
): Promise<void> {
  const { hosts = {} } = instance.state;
  if (what === 'list') {
    const all = Object.entries(hosts).map(([known, of]) => ({ name: known, host: of.host }));
    const lines = all.map((one) => `${one.name}  for ${one.host}`);
    return report.event({ event: 'secrets', secrets: all }, lines.join('\n') || 'There are none.');
  }
  const { [name]: before, ...others } = hosts;
  if (what === 'remove' && !before)
    throw fault.usage(`There is no secret ${name}: ./pocketcoder secret list names them. Nothing was done.`);
  const { docker } = await requireEngine(findEngine());
  const { state } = withState(instance, {
    ...instance.state,
    hosts: what === 'add' ? { ...others, [name]: { host, user, value: await typedFor(name, host) } } : others,
  });
  const base = await findBase(docker); // none: nothing runs yet, and the start hands them over
  if (base) await writeServiceFiles(docker, state.project, base.ref, secretFiles(state));
  report.event(
    { event: 'secret', name, ...(host && { host }), there: what === 'add' },
    what === 'add'
      ? `${name} is for ${host} from now on. A card says so where it is shown there; the agent never sees it.`
      : `${name} is gone. A lease that is open has it until it ends: !stop in its room ends it. A tool server has it until it is called again, or its task ends.`,
  );
}

async function typedFor(name: string, host: string): Promise<string> {
  const value = await unseenLine(`The value of ${name}, which ${host} is shown: `);
  if (/^[\x21-\x7e]{1,2000}$/.test(value)) return value;
  throw fault.usage('A value has 1 to 2000 letters, digits and signs, and no spaces. Nothing was done.');
}
