/** How a phone gets here: asked once at a terminal, kept in pocketcoder.yaml, looked at anew at each start. */
import { createSocket } from 'node:dgram';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { parseDocument } from 'yaml';
import { fault } from '../fault.ts';
import { type Instance, withState } from '../instance/instance.ts';
import { choosePort } from '../instance/ports.ts';
import type { Reach } from '../instance/settings-file.ts';
import type { Reached } from '../instance/state.ts';
import { question } from '../question.ts';
import { findTailnet, type Tailnet } from './tailnet.ts';

/** This machine's IPv4 address towards the others; undefined without a network. Nothing is sent. */
function ownAddress(): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    const end = (address?: string) => socket.close(() => resolve(address));
    socket.once('error', () => end());
    socket.connect(9, '192.0.2.1', () => end(socket.address().address));
  });
}

/** What an answer has to look like, as in the schema. */
const address = /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/;

/**
 * Asks how a phone gets here; an empty answer is the default.
 * @param ask puts a line to the person and returns the answer
 */
export async function askReach(
  ask: (text: string) => Promise<string>,
  { tailnet, own }: { tailnet: Tailnet | null; own: string | undefined },
): Promise<Reach> {
  const until = async (text: string, fits: RegExp, usual = ''): Promise<string> => {
    for (;;) {
      const answer = (await ask(`${text}${usual && ` [${usual}]`}: `)).trim().toLowerCase() || usual;
      if (fits.test(answer)) return answer;
    }
  };
  const found = tailnet ? `recommended: this machine is ${tailnet.name}` : 'no tailscale is up here';
  const way = await until(
    [
      'How does your phone get here? (docs/reach.md)',
      `  tailnet  by Tailscale, with its public certificate (${found})`,
      '  domain   by a name of yours that leads here, with certificates of Let’s Encrypt',
      '  lan      in this network only; the phone has to install a certificate',
      '  later    not yet: nothing listens beyond this machine',
      'Your choice',
    ].join('\n'),
    /^(tailnet|domain|lan|later)$/,
    'later',
  );
  if (way === 'domain') return { way, address: await until('Its name', /^(?=.*[a-z])[a-z0-9.-]*[a-z0-9]$/) };
  if (way === 'lan')
    return { way, address: await until("This machine's address or name there", address, own) };
  return { way: way === 'tailnet' ? way : 'later' };
}

/** The instance with the person's answer, where there is a person and none was given yet. */
export async function askOnce(instance: Instance, interactive: boolean): Promise<Instance> {
  const { settings, home } = instance;
  if (!interactive || settings.reach || settings.homeserver) return instance;
  const reach = await askReach(question, { tailnet: await findTailnet(), own: await ownAddress() });
  const path = join(home, 'pocketcoder.yaml');
  const document = parseDocument(existsSync(path) ? readFileSync(path, 'utf8') : '');
  document.set('reach', reach);
  writeFileSync(path, document.toString());
  return { ...instance, settings: { ...settings, reach } };
}

async function reached({ settings, state, home }: Instance): Promise<Reached | undefined> {
  const { way, address } = settings.reach ?? { way: 'later' };
  if (way === 'later') return undefined;
  const correct = `Nothing was started: correct reach in ${home}/pocketcoder.yaml and start again.`;
  if (way === 'tailnet') {
    const tailnet = await findTailnet();
    if (!tailnet)
      throw fault.unavailable(
        `reach is tailnet, but no tailscale is up here. Nothing was started: run tailscale up, or choose another way in ` +
          `${home}/pocketcoder.yaml.`,
      );
    if (!tailnet.certificates)
      throw fault.unavailable(
        `${tailnet.name} gets no certificates: they are off in its tailnet. Nothing was started: switch HTTPS certificates on ` +
          'under DNS in the tailnet’s admin console, and start again.',
      );
    return { way, host: tailnet.name };
  }
  const host = address ?? (await ownAddress());
  if (!host) throw fault.config(`This machine has no address that could be found. ${correct}`);
  const own = Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map((one) => one.address));
  if (isIP(host) && !own.includes(host))
    throw fault.config(`reach.address is ${host}, which is no address of this machine. ${correct}`);
  const on = isIP(host) ? host : '0.0.0.0';
  const kept = state.reach?.way === way ? state.reach.listen : undefined;
  const port = async (name: 'https' | 'http', usual: number, other: number) =>
    settings.ports?.[name] ?? kept?.[name] ?? (way === 'domain' ? usual : choosePort([usual, other], on));
  const listen = { address: on, https: await port('https', 443, 8443), http: await port('http', 80, 8080) };
  return { way, host, listen };
}

/** The instance with the way in as it is now, kept in its state. Throws a Fault where that way is not open. */
export async function withReach(instance: Instance): Promise<Instance> {
  const { reach: _, ...rest } = instance.state;
  const reach = await reached(instance);
  return withState(instance, { ...rest, ...(reach && { reach }) });
}
