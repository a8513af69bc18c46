/** What a phone does on the network, with the authorities that it is told to trust and no others. */
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import { connect, isIP, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { connect as connectTls, type DetailedPeerCertificate } from 'node:tls';

/** How long anything may take. */
export const seconds = 10;
const late = () => new Error(`no answer in ${seconds} s`);

export type Answer = { status: number; body: string; json: Record<string, unknown> };

/** One GET; `json` is empty where the answer is none. @param ca the authorities (PEM) that are trusted */
export async function get(url: string, ca: readonly string[]): Promise<Answer> {
  const client = url.startsWith('https:') ? https : http;
  const request = client.get(url, { ca: [...ca], agent: false, timeout: seconds * 1000 });
  request.on('timeout', () => request.destroy(late()));
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  const body = await text(response);
  const json = response.headers['content-type']?.includes('json') ? (JSON.parse(body) as object) : {};
  return { status: response.statusCode ?? 0, body, json: { ...json } };
}

const portOf = (url: URL): number => Number(url.port || (url.protocol === 'https:' ? 443 : 80));

async function connected(socket: Socket, event: 'connect' | 'secureConnect'): Promise<void> {
  socket.setTimeout(seconds * 1000, () => socket.destroy(late()));
  await once(socket, event);
}

/** Throws unless something takes connections there. */
export async function connectOnce(url: URL): Promise<void> {
  const socket = connect(portOf(url), url.hostname);
  await connected(socket, 'connect');
  socket.destroy();
}

/** The names of a chain, the site's own first. */
function namesOf(leaf: DetailedPeerCertificate): string {
  const names: unknown[] = [];
  for (let one = leaf; ; one = one.issuerCertificate) {
    names.push(one.subject.CN ?? one.subjectaltname);
    // The root's issuer is itself; a chain that lacks its root just ends.
    if (!one.issuerCertificate || one.issuerCertificate === one) return names.join(' ← ');
  }
}

/**
 * The chain and its end. Throws what is wrong with it. It asks for TLS 1.2: a server that speaks 1.3 alone is out of the
 * iPhone app's reach.
 */
export async function lookAtCertificate(url: URL, ca: readonly string[]): Promise<string> {
  if (url.protocol !== 'https:') throw new Error('none: the iPhone app refuses plain HTTP');
  const socket = connectTls({
    host: url.hostname,
    port: portOf(url),
    servername: isIP(url.hostname) ? '' : url.hostname,
    ca: [...ca],
    maxVersion: 'TLSv1.2',
    rejectUnauthorized: false,
  });
  await connected(socket, 'secureConnect');
  const leaf = socket.getPeerCertificate(true);
  socket.destroy();
  if (!socket.authorized) throw new Error(`${namesOf(leaf)}: ${socket.authorizationError}`);
  return `${namesOf(leaf)}, until ${leaf.valid_to}`;
}
