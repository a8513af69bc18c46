/**
 * `pocketcoder doctor phone`: asks what Element X asks, through the address that a phone uses and trusting what a phone
 * trusts, and says for each thing what is wrong and what to do.
 */
import { X509Certificate } from 'node:crypto';
import { rootCertificates } from 'node:tls';
import type Docker from 'dockerode';
import { messageOf } from '../../ledger/src/retry.ts';
import { execIn, rootOf } from '../engine/containers.ts';
import { findEngine } from '../engine/engine.ts';
import { pageOf, phoneAddressOf } from '../engine/services.ts';
import { Fault } from '../fault.ts';
import type { Instance } from '../instance/instance.ts';
import type { Report } from '../report.ts';
import { seen } from './logs.ts';
import { connectOnce, get, lookAtCertificate, seconds } from './phone-client.ts';

/** `look` returns what it found, or throws what is wrong; `fix` is what to do then. */
type Check = { check: string; fix: string; look(): Promise<string> };

/** Where the push gateway of Element X is, on iPhones and, without UnifiedPush, on Android. */
const pushGateway = 'https://matrix.org/_matrix/push/v1/notify';

/** What is to be done where the address itself, or its certificate, does not serve. */
function remedies({ state, settings }: Instance): { address: string; certificate: string } {
  const log = './pocketcoder logs entrance says what came of it';
  const host = state.reach?.host;
  if (settings.homeserver)
    return {
      address: 'start your homeserver',
      certificate: 'give it a public certificate, and TLS 1.2 beside 1.3',
    };
  switch (state.reach?.way) {
    case 'tailnet':
      return {
        address: 'look at tailscale status, then ./pocketcoder start -d, which serves again',
        certificate: 'switch HTTPS certificates on under DNS in the tailnet’s admin console',
      };
    case 'domain':
      return {
        address: `let ${host} lead here (an A record), and the router pass ports 443 and 80 on to this machine`,
        certificate: `${host} has to be reached from the Internet by port 443 or 80; ${log}`,
      };
    default:
      return {
        address:
          './pocketcoder status says whether the entrance is up; else a firewall of this machine is in the way',
        certificate: `start again; ${log}`,
      };
  }
}

/** Whether the homeserver's container reaches an address, by its own authorities; any answer is one. Throws why not. */
export async function askPush(docker: Docker, project: string, url = pushGateway): Promise<string> {
  const script = `import sys, urllib.request, urllib.error
try: print(urllib.request.urlopen(sys.argv[1], timeout=${seconds}).status)
except urllib.error.HTTPError as e: print(e.code)`;
  const { code, out } = await execIn(docker, project, 'homeserver', ['python3', '-c', script, url]);
  if (code === 0) return `${url} answers the homeserver`;
  throw new Error(`the homeserver does not reach ${url}: ${out.split('\n').at(-1)}`);
}

/** What a phone that trusts `ca` alone asks at the address once it is connected. */
function questions({ settings }: Instance, address: string, ca: readonly string[]): Check[] {
  const asked = (path: string) => get(address + path, ca);
  const versions = () => asked('/_matrix/client/versions');
  const all: (Check & { ours?: true })[] = [
    {
      check: 'versions',
      fix: 'something else answers there: look at what stands in front of the homeserver',
      async look() {
        const { status, json } = await versions();
        if (!Array.isArray(json['versions'])) throw new Error(`no Matrix homeserver answers (${status})`);
        return `up to ${json['versions'].at(-1)}`;
      },
    },
    {
      check: 'sliding sync',
      fix: 'Element X needs it: upgrade the homeserver (Synapse 1.114 or later)',
      async look() {
        const features = (await versions()).json['unstable_features'] as Record<string, unknown> | undefined;
        if (features?.['org.matrix.simplified_msc3575'] !== true) throw new Error('not offered');
        return 'offered';
      },
    },
    {
      check: 'login',
      fix: 'allow the sign-in by password at the homeserver',
      async look() {
        const { flows = [] } = (await asked('/_matrix/client/v3/login')).json as {
          flows?: { type: string }[];
        };
        const types = flows.map(({ type }) => type);
        if (!types.includes('m.login.password'))
          throw new Error(`not by password (${types.join(', ') || 'none'})`);
        return types.join(', ');
      },
    },
    {
      check: 'well-known',
      ours: true,
      fix: 'start again: it has to name this address, or to be absent',
      async look() {
        const { status, json } = await asked('/.well-known/matrix/client');
        if (status === 404) return 'none, and none is needed';
        const { base_url: base = '' } = (json['m.homeserver'] ?? {}) as { base_url?: string };
        if (base !== `${address}/`) throw new Error(`it sends phones to ${base || 'nowhere'}`);
        return base;
      },
    },
    {
      check: 'administration',
      ours: true,
      fix: 'let nothing but /_matrix through',
      async look() {
        const { status } = await asked('/_synapse/admin/v1/register');
        if (status !== 404) throw new Error(`open to the outside (${status})`);
        return 'closed to the outside';
      },
    },
  ];
  return all.filter(({ ours }) => !(ours && settings.homeserver));
}

/** Throws a Fault (`failed`) where something is not well; every finding was reported by then. */
export async function doctorPhone(instance: Instance, report: Report): Promise<void> {
  const { docker } = findEngine();
  const { state, settings } = instance;
  const address = phoneAddressOf(instance).replace(/\/+$/, '');
  const url = new URL(address);
  const page = pageOf(instance);
  const fix = remedies(instance);
  let ca: readonly string[] = rootCertificates;
  let bad = 0;
  /** Whether all of them are well; after the first that is not, a phone goes no further. */
  const inOrder = async (checks: readonly Check[]): Promise<boolean> => {
    for (const { check, fix, look } of checks)
      try {
        const found = await look();
        report.event({ event: 'check', check, ok: true, found }, `✓ ${check}: ${seen(found)}`);
      } catch (error) {
        bad++;
        const found = messageOf(error);
        report.event(
          { event: 'check', check, ok: false, found, fix },
          `✗ ${check}: ${seen(found)}\n  → ${fix}`,
        );
        return false;
      }
    return true;
  };

  const ready = await inOrder([
    {
      check: 'address',
      fix: state.reach || settings.homeserver ? fix.address : 'set reach in pocketcoder.yaml (docs/reach.md)',
      async look() {
        if (!state.reach && !settings.homeserver) throw new Error(`${address} is for this machine alone`);
        await connectOnce(url);
        return address;
      },
    },
    ...(page
      ? [
          {
            check: 'root certificate',
            fix: 'install none that the page gives: look at what answers there, and start again',
            async look() {
              const own = new X509Certificate(await rootOf(docker, state.project)).fingerprint256;
              ca = [(await get(`${page}/root.crt`, [])).body];
              const given = new X509Certificate(ca[0] ?? '').fingerprint256;
              if (given !== own) throw new Error(`${page} gives ${given}, ours is ${own}`);
              return `${page} gives the one with SHA-256 ${own}`;
            },
          },
        ]
      : []),
    {
      check: 'certificate',
      fix: fix.certificate,
      look: () => lookAtCertificate(url, ca),
    },
  ]);
  if (ready) for (const one of questions(instance, address, ca)) await inOrder([one]);
  const without = 'let it out: without, the phone learns of cards only while Element is open';
  const push = { check: 'push gateway', fix: without, look: () => askPush(docker, state.project) };
  if (!settings.homeserver) await inOrder([push]);
  if (bad > 0)
    throw new Fault(
      'failed',
      `${bad === 1 ? 'One thing is' : `${bad} things are`} in a phone's way. Nothing was changed: do what stands after →.`,
    );
}
