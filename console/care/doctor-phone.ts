/**
 * The checks of `pocketcoder doctor phone`: they ask what Element X asks, through the address that a phone uses and trusting
 * what a phone trusts.
 */
import { X509Certificate } from 'node:crypto';
import { rootCertificates } from 'node:tls';
import type Docker from 'dockerode';
import { messageOf } from '../../ledger/src/retry.ts';
import { execIn, rootOf } from '../engine/containers.ts';
import { findEngine } from '../engine/engine.ts';
import { pageOf, phoneAddressOf } from '../engine/services.ts';
import type { Instance } from '../instance/instance.ts';
import type { Row } from './doctor-scene.ts';
import { type Answer, connectOnce, get, lookAtCertificate, seconds } from './phone-client.ts';

type Phone = {
  instance: Instance;
  docker: Docker;
  /** Without a slash at its end. */
  address: string;
  /** Where the root certificate is given out; null where there is none of ours. */
  page: string | null;
  /** The authorities that it trusts, in PEM. */
  ca: readonly string[];
};
type Check = {
  name: string;
  /** Ours: only where the homeserver is. Page: only where there is one. */
  only?: 'ours' | 'page';
  /** After one of these that is not well a phone goes no further. */
  way?: true;
  /** Returns what it found, or throws what is wrong. */
  look(phone: Phone): Promise<string>;
  /** What is to be done then. */
  fix: string | ((phone: Phone) => string);
};

/** Where the push gateway of Element X is, on iPhones and, without UnifiedPush, on Android. */
const pushGateway = 'https://matrix.org/_matrix/push/v1/notify';

/** Whether the homeserver's container reaches an address, by its own authorities; any answer is one. Throws why not. */
export async function askPush(docker: Docker, project: string, url = pushGateway): Promise<string> {
  const script = `import sys, urllib.request, urllib.error
try: print(urllib.request.urlopen(sys.argv[1], timeout=${seconds}).status)
except urllib.error.HTTPError as e: print(e.code)`;
  const { code, out } = await execIn(docker, project, 'homeserver', ['python3', '-c', script, url]);
  if (code === 0) return `${url} answers the homeserver`;
  throw new Error(`the homeserver does not reach ${url}: ${out.split('\n').at(-1)}`);
}

const asked = ({ address, ca }: Phone, path: string): Promise<Answer> => get(address + path, ca);
const log = './pocketcoder logs entrance says what came of it';

const checks: readonly Check[] = [
  {
    name: 'address',
    way: true,
    async look({ instance: { state, settings }, address }) {
      if (!state.reach && !settings.homeserver) throw new Error(`${address} is for this machine alone`);
      await connectOnce(new URL(address));
      return address;
    },
    fix({ instance: { state, settings } }) {
      if (settings.homeserver) return 'start your homeserver';
      if (!state.reach) return 'set reach in pocketcoder.yaml (docs/reach.md)';
      return {
        tailnet: 'look at tailscale status, then ./pocketcoder start -d, which serves again',
        domain: `let ${state.reach.host} lead here (an A record), and the router pass ports 443 and 80 on to this machine`,
        lan: './pocketcoder status says whether the entrance is up; else a firewall of this machine is in the way',
      }[state.reach.way];
    },
  },
  {
    name: 'root certificate',
    only: 'page',
    way: true,
    async look(phone) {
      const own = new X509Certificate(await rootOf(phone.docker, phone.instance.state.project));
      phone.ca = [(await get(`${phone.page}/root.crt`, [])).body];
      const given = new X509Certificate(phone.ca[0] ?? '').fingerprint256;
      if (given !== own.fingerprint256)
        throw new Error(`${phone.page} gives ${given}, ours is ${own.fingerprint256}`);
      return `${phone.page} gives the one with SHA-256 ${given}`;
    },
    fix: 'install none that the page gives: look at what answers there, and start again',
  },
  {
    name: 'certificate',
    way: true,
    look: ({ address, ca }) => lookAtCertificate(new URL(address), ca),
    fix({ instance: { state, settings } }) {
      if (settings.homeserver) return 'give it a public certificate, and TLS 1.2 beside 1.3';
      if (state.reach?.way === 'tailnet')
        return 'switch HTTPS certificates on under DNS in the tailnet’s admin console';
      if (state.reach?.way !== 'domain') return `start again; ${log}`;
      return `${state.reach.host} has to be reached from the Internet by port 443 or 80; ${log}`;
    },
  },
  {
    name: 'versions',
    async look(phone) {
      const { status, json } = await asked(phone, '/_matrix/client/versions');
      if (!Array.isArray(json['versions'])) throw new Error(`no Matrix homeserver answers (${status})`);
      return `up to ${json['versions'].at(-1)}`;
    },
    fix: 'something else answers there: look at what stands in front of the homeserver',
  },
  {
    name: 'sliding sync',
    async look(phone) {
      const { json } = await asked(phone, '/_matrix/client/versions');
      const features = json['unstable_features'] as Record<string, unknown> | undefined;
      if (features?.['org.matrix.simplified_msc3575'] !== true) throw new Error('not offered');
      return 'offered';
    },
    fix: 'Element X needs it: upgrade the homeserver (Synapse 1.114 or later)',
  },
  {
    name: 'login',
    async look(phone) {
      const { json } = await asked(phone, '/_matrix/client/v3/login');
      const { flows = [] } = json as { flows?: { type: string }[] };
      const types = flows.map(({ type }) => type).join(', ');
      if (!types.includes('m.login.password')) throw new Error(`not by password (${types || 'none'})`);
      return types;
    },
    fix: 'allow the sign-in by password at the homeserver',
  },
  {
    name: 'well-known',
    only: 'ours',
    async look(phone) {
      const { status, json } = await asked(phone, '/.well-known/matrix/client');
      if (status === 404) return 'none, and none is needed';
      const { base_url: base = '' } = (json['m.homeserver'] ?? {}) as { base_url?: string };
      if (base !== `${phone.address}/`) throw new Error(`it sends phones to ${base || 'nowhere'}`);
      return base;
    },
    fix: 'start again: it has to name this address, or to be absent',
  },
  {
    name: 'administration',
    only: 'ours',
    async look(phone) {
      const { status } = await asked(phone, '/_synapse/admin/v1/register');
      if (status !== 404) throw new Error(`open to the outside (${status})`);
      return 'closed to the outside';
    },
    fix: 'let nothing but /_matrix through',
  },
];
const push: Check = {
  name: 'push gateway',
  only: 'ours',
  look: ({ docker, instance }) => askPush(docker, instance.state.project),
  fix: 'let it out: without, the phone learns of cards only while Element is open',
};

/** Asks one thing after the other; after a way that is not open only what needs none. */
export async function* askAsPhone(instance: Instance): AsyncGenerator<Row> {
  const address = phoneAddressOf(instance).replace(/\/+$/, '');
  const page = pageOf(instance);
  const phone: Phone = { instance, docker: findEngine().docker, address, page, ca: rootCertificates };
  const there = { ours: !instance.settings.homeserver, page: page !== null };
  let open = true;
  for (const check of [...checks, push]) {
    const { name, only, way, look, fix } = check;
    if ((only && !there[only]) || (!open && check !== push)) continue;
    try {
      yield { check: name, level: 'ok', what: await look(phone) };
    } catch (error) {
      const todo = typeof fix === 'string' ? fix : fix(phone);
      yield { check: name, level: 'fail', what: messageOf(error), fix: todo };
      if (way) open = false;
    }
  }
}
