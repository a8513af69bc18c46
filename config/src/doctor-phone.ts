/**
 * `pocketcoder doctor phone`: asks what Element X asks, through the address that a phone uses and trusting what a phone
 * trusts, and says for each thing what is wrong and what to do.
 */
import { X509Certificate } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import { isIP } from 'node:net';
import { type ConnectionOptions, connect, type DetailedPeerCertificate, rootCertificates } from 'node:tls';
import type Docker from 'dockerode';
import { execIn, rootOf } from './containers.ts';
import { findEngine } from './engine.ts';
import { Fault, messageOf } from './fault.ts';
import type { Instance } from './instance.ts';
import type { Report } from './report.ts';
import { pageOf, phoneAddressOf } from './services.ts';

/** What was found; where it is not well, what to do. */
type Finding = { ok: boolean; found: string; fix?: string };
type Answer = { status: number; json: Record<string, unknown>; text: string };

/** Where the push gateway of Element X is, on iPhones and, without UnifiedPush, on Android. */
const pushGateway = 'https://matrix.org/_matrix/push/v1/notify';
const seconds = 10;

/** One GET. @param ca the only authorities that are trusted */
function get(url: string, ca: readonly string[]): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { ca: [...ca], agent: false as const, timeout: seconds * 1000 };
    const request = (url.startsWith('https:') ? https : http).get(url, options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        let json: Record<string, unknown> = {};
        try {
          json = { ...(JSON.parse(text) as object) };
        } catch {} // no JSON is an answer as well
        resolve({ status: response.statusCode ?? 0, json, text });
      });
    });
    request.on('timeout', () => request.destroy(new Error(`no answer in ${seconds} s`)));
    request.on('error', reject);
  });
}

/** A TLS connection's version and chain; `wrong` where a phone that trusts `ca` alone would go no further. */
function handshake(url: URL, ca: readonly string[], more: ConnectionOptions = {}) {
  const host = url.hostname;
  const name = isIP(host) ? {} : { servername: host };
  const options = { host, port: Number(url.port || 443), ca: [...ca], rejectUnauthorized: false, ...name };
  return new Promise<{ version: string; chain: string; until: string; wrong?: string }>((resolve, reject) => {
    const socket = connect({ ...options, timeout: seconds * 1000, ...more }, () => {
      const leaf = socket.getPeerCertificate(true);
      const names: string[] = [];
      for (let one: DetailedPeerCertificate = leaf; ; one = one.issuerCertificate) {
        names.push([one.subject.CN ?? one.subjectaltname ?? '?'].flat().join());
        // The root's issuer is itself; a chain that lacks its root just ends.
        if (!one.issuerCertificate || one.issuerCertificate === one) break;
      }
      const wrong = socket.authorized ? {} : { wrong: String(socket.authorizationError) };
      const version = socket.getProtocol() ?? '';
      resolve({ version, chain: names.join(' ← '), until: leaf.valid_to, ...wrong });
      socket.destroy();
    });
    socket.on('timeout', () => socket.destroy(new Error(`no answer in ${seconds} s`)));
    socket.on('error', reject);
  });
}

/** What is to be done where the address itself, or its certificate, does not serve. */
function remedies({ state, settings }: Instance): { address: string; certificate: string } {
  const log = `docker logs ${state.project}-entrance-1`;
  const ways = {
    tailnet: {
      address: 'run tailscale status, then ./pocketcoder start -d, which serves again',
      certificate: 'switch HTTPS certificates on under DNS in the tailnet’s admin console',
    },
    domain: {
      address: `let ${state.reach?.host} lead here (an A record), and the router pass ports 443 and 80 on to this machine`,
      certificate: `port 80 or 443 of ${state.reach?.host} has to be reached from the Internet; ${log} says what came of it`,
    },
    lan: {
      address:
        './pocketcoder status says whether the entrance is up; else a firewall of this machine closes that port',
      certificate: `start again; ${log} says why`,
    },
  };
  if (state.reach) return ways[state.reach.way];
  const own = {
    address: 'start your homeserver',
    certificate: 'give your homeserver a certificate that phones trust',
  };
  if (settings.homeserver) return own;
  return { ...own, address: 'set reach in pocketcoder.yaml (docs/reach.md) and start again' };
}

/** Whether the homeserver's container reaches an address, by its own authorities. Any answer is one. */
export async function reachesPush(docker: Docker, project: string, url = pushGateway): Promise<Finding> {
  const script = `import sys, urllib.request, urllib.error
try: print(urllib.request.urlopen(sys.argv[1], timeout=${seconds}).status)
except urllib.error.HTTPError as e: print(e.code)`;
  const { code, out } = await execIn(docker, project, 'homeserver', ['python3', '-c', script, url]);
  if (code === 0) return { ok: true, found: `${url} answers the homeserver` };
  return {
    ok: false,
    found: `the homeserver does not reach ${url}: ${out.split('\n').at(-1)}`,
    fix: 'let containers of this machine out to it; without it the phone learns of cards only while Element is open',
  };
}

/** What a phone that trusts `ca` alone meets at the address, in the order in which it asks. */
function checksOf(instance: Instance, ca: readonly string[]): Record<string, () => Promise<Finding>> {
  const address = phoneAddressOf(instance);
  const fix = remedies(instance);
  const asked = (path: string) => get(address + path, ca);
  const client = '/_matrix/client';
  const other = 'something else answers at this address: look at what stands in front of the homeserver';
  return {
    async certificate() {
      if (!address.startsWith('https:'))
        return {
          ok: false,
          found: `${address} is plain HTTP, which the iPhone app refuses`,
          fix: fix.certificate,
        };
      const { version, chain, until, wrong } = await handshake(new URL(address), ca);
      if (wrong) return { ok: false, found: `${chain}: ${wrong}`, fix: fix.certificate };
      return { ok: true, found: `${chain}, until ${until}, ${version}` };
    },
    async 'tls 1.2'() {
      const ok = { ok: true, found: 'taken, which the iPhone app needs' };
      if (!address.startsWith('https:')) return ok;
      return handshake(new URL(address), ca, { maxVersion: 'TLSv1.2' }).then(
        () => ok,
        (error) => ({ ok: false, found: `refused: ${messageOf(error)}`, fix: 'allow it beside TLS 1.3' }),
      );
    },
    async versions() {
      const { status, json } = await asked(`${client}/versions`);
      const versions = json['versions'];
      if (!Array.isArray(versions)) return { ok: false, found: `no Matrix answer (${status})`, fix: other };
      return { ok: true, found: `up to ${versions.at(-1)}` };
    },
    async 'sliding sync'() {
      const { json } = await asked(`${client}/versions`);
      const features = json['unstable_features'] as Record<string, unknown> | undefined;
      if (features?.['org.matrix.simplified_msc3575'] === true) return { ok: true, found: 'offered' };
      return {
        ok: false,
        found: 'not offered',
        fix: 'Element X needs it: upgrade the homeserver (Synapse 1.114)',
      };
    },
    async login() {
      const { json } = await asked(`${client}/v3/login`);
      const flows = Array.isArray(json['flows']) ? (json['flows'] as { type?: string }[]) : [];
      const types = flows.map(({ type }) => type).join(', ') || 'none';
      if (types.includes('m.login.password')) return { ok: true, found: types };
      return { ok: false, found: `no sign-in by password (${types})`, fix: 'allow it at the homeserver' };
    },
    async 'well-known'() {
      const { status, json } = await asked('/.well-known/matrix/client');
      if (status === 404) return { ok: true, found: 'none, and none is needed' };
      const base = (json['m.homeserver'] as { base_url?: string } | undefined)?.base_url ?? '';
      if (base.replace(/\/$/, '') === address) return { ok: true, found: base };
      return {
        ok: false,
        found: `it sends phones to ${base || 'nowhere'}`,
        fix: 'start again, or correct it',
      };
    },
    async administration() {
      if (instance.settings.homeserver) return { ok: true, found: 'not ours to judge' };
      const { status } = await asked('/_synapse/admin/v1/register');
      if (status === 404) return { ok: true, found: 'closed to the outside' };
      return { ok: false, found: `open to the outside (${status})`, fix: 'let nothing but /_matrix through' };
    },
  };
}

/** Throws a Fault (`failed`) where something is not well; every finding was reported by then. */
export async function doctorPhone(instance: Instance, report: Report): Promise<void> {
  const { docker } = findEngine();
  const { state, settings } = instance;
  const address = phoneAddressOf(instance);
  const fix = remedies(instance);
  let bad = 0;
  const say = async (check: string, look: () => Promise<Finding>, remedy: string): Promise<boolean> => {
    const finding = await look().catch(
      (error: unknown): Finding => ({ ok: false, found: messageOf(error), fix: remedy }),
    );
    if (!finding.ok) bad++;
    const mark = finding.ok ? '✓' : '✗';
    const todo = finding.fix ? `\n  → ${finding.fix}` : '';
    report.event({ event: 'check', check, ...finding }, `${mark} ${check}: ${finding.found}${todo}`);
    return finding.ok;
  };

  let ca: readonly string[] = rootCertificates;
  const page = pageOf(instance);
  const open =
    state.reach || settings.homeserver
      ? () =>
          get(`${address}/`, ca).then(
            () => ({ ok: true, found: address }),
            // A certificate that is not trusted is told below.
            (error: NodeJS.ErrnoException) =>
              /CERT|ISSUER|SIGNATURE/.test(error.code ?? '')
                ? { ok: true, found: address }
                : Promise.reject(error),
          )
      : async () => ({
          ok: false,
          found: `${address} is for programs of this machine alone`,
          fix: fix.address,
        });
  const here = await say('address', open, fix.address);
  if (here && page)
    await say(
      'root certificate',
      async () => {
        const own = new X509Certificate(await rootOf(docker, state.project));
        const { text } = await get(`${page}/root.crt`, []);
        ca = [text];
        const found = `${page} gives the one with SHA-256 ${own.fingerprint256}`;
        if (new X509Certificate(text).fingerprint256 === own.fingerprint256) return { ok: true, found };
        return {
          ok: false,
          found: `${page} gives another one than ours`,
          fix: 'install it nowhere: who answers there?',
        };
      },
      'start again',
    );
  if (here)
    for (const [check, look] of Object.entries(checksOf(instance, ca))) await say(check, look, fix.address);
  if (!settings.homeserver)
    await say('push gateway', () => reachesPush(docker, state.project), './pocketcoder start -d');
  if (bad > 0)
    throw new Fault(
      'failed',
      `${bad === 1 ? 'One thing is' : `${bad} things are`} in a phone's way. Nothing was changed: see → above for what to do.`,
    );
}
