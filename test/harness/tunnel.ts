/** What is sent to the proxy of a network lease, written by hand, from this machine. */
import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import type { LeaseProxy } from './proxy.ts';

/** The name of the origin, and a rule that covers all that may be read there. */
export const host = 'origin.test';
export const rule = { host, port: 443, class: 'read', path: '/' };

/** A request as text, its lines ended, and the connection over after it. */
export const get = (path: string, more = '', method = 'GET') =>
  `${method} ${path} HTTP/1.1\nHost: ${host}\nConnection: close\n${more}\n`;

/** Where a request is sent: the tunnel, and the name that its TLS asks for (none, where it is empty). */
export type By = { tunnel?: string; name?: string; protocols?: string[] };

/** Opens a tunnel from this machine. @returns the socket, once it was answered with 200 */
export async function tunnelOf(proxy: Pick<LeaseProxy, 'port'>, to = `${host}:443`): Promise<net.Socket> {
  const conn = net.connect(proxy.port, '127.0.0.1');
  await once(conn, 'connect');
  conn.write(`CONNECT ${to} HTTP/1.1\r\nHost: ${to}\r\n\r\n`);
  const [answer] = (await once(conn, 'data')) as [Buffer];
  if (!/^HTTP\/1\.1 200 /.test(answer.toString())) throw new Error(answer.toString());
  return conn;
}

/** Ends TLS with the proxy inside a tunnel, as a client that trusts the lease's authority alone. */
export async function secured(
  proxy: Pick<LeaseProxy, 'port' | 'ca'>,
  { tunnel, name = host, protocols }: By = {},
): Promise<tls.TLSSocket> {
  const within = await tunnelOf(proxy, tunnel);
  const options = {
    ...{ socket: within, ca: proxy.ca, ...(protocols && { ALPNProtocols: protocols }) },
    ...(name ? { servername: name } : { checkServerIdentity: () => undefined }),
  };
  const conn = tls.connect(options);
  await once(conn, 'secureConnect');
  return conn;
}

/** Sends the text, each line feed as CRLF, and reads until the other side has nothing more. */
export async function asks(
  proxy: Pick<LeaseProxy, 'port' | 'ca'>,
  text: string,
  by: By = {},
): Promise<string> {
  const conn = await secured(proxy, by);
  conn.write(text.replaceAll('\n', '\r\n'), 'latin1');
  return readOf(conn);
}

/** All that comes until the connection is over, however it ends. */
export async function readOf(conn: net.Socket): Promise<string> {
  const parts: Buffer[] = [];
  conn.on('data', (part) => parts.push(Buffer.from(part)));
  await new Promise((resolve) => conn.once('error', resolve).once('close', resolve));
  return Buffer.concat(parts).toString('latin1');
}

/** The status of an answer, if it is one. */
export const status = (answer: string) => /^HTTP\/1\.[01] (\d+)/.exec(answer)?.[1] ?? 'none';

/** Asks, and returns the status, or `none` where there was no answer. */
export const statusOf = async (...of: Parameters<typeof asks>) =>
  status(await asks(...of).catch((error: Error) => error.message));
