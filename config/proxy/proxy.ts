/**
 * The one way out of a closed network: forwards to exactly one address and to no other, or to one for each name that paths
 * begin with. The models' also swaps a placeholder for the key of that one, so that the brain never has it. Logs nothing.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { rootCertificates } from 'node:tls';
import { pathToFileURL } from 'node:url';
import { pinnedLookup, type Resolve, ScopeError } from './scope.ts';

export type ProxyOptions = {
  /** Base address that request paths are appended to; a query in it goes with every request. */
  upstream: string;
  /** What is served, as method and path below the base address (`POST /chat/completions`); everything where absent. */
  routes?: readonly string[];
  /** What is replaced in header values, and by what. */
  secret?: { placeholder: string; key: string };
  /** PEM of authorities to trust besides the usual ones. */
  ca?: string;
  /** Proxies on the way there: HTTP_PROXY, HTTPS_PROXY and NO_PROXY, as Node reads them. */
  proxies?: Record<string, string>;
};
/** Several addresses, each by the name that paths to it begin with: what is of one never goes to another. */
export type Ways = Readonly<Record<string, ProxyOptions>>;
/** Its configuration file. `host` is a name that only the closed network has, so nobody else reaches the proxy. */
export type ProxyFile = (ProxyOptions | { ways: Ways }) & { listen: { host: string; port: number } };

/** Headers that belong to one connection (RFC 9110, section 7.6.1), and those that the proxy sets itself. */
const ours = [
  'connection',
  'expect',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'content-length',
  'upgrade',
  'host',
];

/** The methods whose requests have a body (RFC 9110, section 9.3). */
const withBody = ['POST', 'PUT'];

/**
 * The proxy, not yet listening. Throws on an upstream that is no http or https address.
 * @param resolve what looks names up, the system's where absent
 */
export function makeProxy(to: ProxyOptions | { ways: Ways }, resolve?: Resolve): http.Server {
  const named = 'ways' in to;
  const all = Object.entries(named ? to.ways : { '': to }).map(
    ([name, way]) => [name, wayTo(way, resolve)] as const,
  );
  const ways = new Map(all);
  const server = http.createServer((req, res) => {
    const target = req.url ?? '';
    const [, name = '', below = ''] = (named && /^\/([^/?]+)(\/.*)$/s.exec(target)) || ['', '', target];
    const way = ways.get(name);
    if (way) way.take(req, res, below);
    else refuse(res, 403, 'not_served', 'Nothing is served here.');
  });
  server.on('connect', (_req, socket) => void socket.destroy());
  server.on('upgrade', (_req, socket) => void socket.destroy());
  server.on('close', () => {
    for (const { end } of ways.values()) end();
  });
  return server;
}

/** The way to one address: what takes a request to it, by its target below the address, and what ends its connections. */
function wayTo({ upstream, routes, secret, ca, proxies }: ProxyOptions, resolve?: Resolve) {
  const base = new URL(upstream);
  if (base.protocol !== 'http:' && base.protocol !== 'https:')
    throw new Error(`proxy: the address must begin with http:// or https://, not ${base.protocol}`);
  const client = base.protocol === 'https:' ? https : http;
  const trust = ca && { ca: [...rootCertificates, ca] };
  const agent = new client.Agent({
    ...{ keepAlive: true, lookup: pinnedLookup(resolve), ...trust },
    ...(proxies && { proxyEnv: proxies }),
  });
  const filled = (value: string) => (secret ? value.replaceAll(secret.placeholder, () => secret.key) : value);

  const take = (req: http.IncomingMessage, res: http.ServerResponse, target: string) => {
    const path = pathOf(target);
    if (path === undefined) return refuse(res, 400, 'bad_path', 'Only paths below one address are served.');
    const [below] = path.split('?');
    if (routes && !routes.includes(`${req.method} ${below}`))
      return refuse(res, 403, 'not_served', 'Only what a conversation with the model needs is served.');
    const framing = framingOf(req);
    if (!framing) return refuse(res, 400, 'bad_body', 'The request says in no clear way what its body is.');
    const headers: http.OutgoingHttpHeaders = { host: base.host, ...framing };
    for (const [name, value] of Object.entries(req.headers))
      if (!ours.includes(name) && value !== undefined) headers[name] = filled(String(value));
    const onward = client.request({
      agent,
      hostname: base.hostname.replace(/^\[|\]$/g, ''),
      port: base.port,
      method: req.method,
      path:
        base.pathname.replace(/\/$/, '') + path + base.search.replace('?', path.includes('?') ? '&' : '?'),
      headers,
    });
    onward.on('response', (answer) => {
      // Not followed: it would carry the key, or who asks, to another place.
      const status = answer.statusCode ?? 502;
      if (status >= 300 && status < 400) {
        onward.destroy();
        return refuse(res, 502, 'redirect', `${base.host} answers with a redirect; check its address.`);
      }
      const back = Object.entries(answer.headers).filter(
        ([name]) => name === 'content-length' || !ours.includes(name),
      );
      // What is left of the body of a request that has its answer already could be read as the next request.
      const early = !req.complete || !onward.writableFinished;
      if (early) onward.shouldKeepAlive = false;
      res.writeHead(status, { ...Object.fromEntries(back), ...(early && { connection: 'close' }) });
      res.flushHeaders();
      answer.pipe(res);
      answer.on('error', () => res.destroy());
    });
    onward.on('error', (error) => {
      const why = error instanceof ScopeError ? error.message : `${base.host} cannot be reached.`;
      if (res.headersSent) res.destroy();
      else refuse(res, 502, 'unreachable', why);
    });
    res.on('close', () => onward.destroy());
    req.on('error', () => onward.destroy());
    // Without its own framing Node would send a body on as bare bytes: as the next request.
    if (Object.keys(framing).length > 0) req.pipe(onward);
    else onward.end();
  };
  return { take, end: () => agent.destroy() };
}

/**
 * The path of a request in origin form, as it came; undefined for any other form and for what climbs out. An encoded slash
 * may stand in it, as it does in Matrix' ids, but climbs for a server that decodes it first.
 */
function pathOf(target: string): string | undefined {
  if (!target.startsWith('/') || target.startsWith('//') || target.includes('\\')) return undefined;
  const [path = ''] = target.split('?');
  const climbs = path.split(/\/|%2f|%5c/i).some((part) => /^(\.|%2e){2}$/i.test(part));
  return climbs ? undefined : target;
}

/**
 * The one header that frames this request's body on its way on, of our own making, or none where the method has no body;
 * undefined where the client's framing is not a plain one (RFC 9112, section 6), or a body comes with a method that has none.
 */
function framingOf({ method = '', headers }: http.IncomingMessage): http.OutgoingHttpHeaders | undefined {
  const { 'content-length': length, 'transfer-encoding': coding } = headers;
  if (coding !== undefined && (length !== undefined || coding.toLowerCase() !== 'chunked')) return undefined;
  if (length !== undefined && !/^\d{1,15}$/.test(length)) return undefined;
  if (withBody.includes(method))
    return coding ? { 'transfer-encoding': 'chunked' } : { 'content-length': Number(length ?? 0) };
  return coding || Number(length ?? 0) > 0 ? undefined : {};
}

/** The connection ends with it: what else the client sends on it was meant for nobody. */
function refuse(res: http.ServerResponse, status: number, code: string, message: string): void {
  res.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
  res.end(JSON.stringify({ error: { code, type: code, message } }));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { listen, ...options } = JSON.parse(readFileSync('/run/pocketcoder/proxy.json', 'utf8')) as ProxyFile;
  makeProxy(options).listen(listen, () => writeFileSync('/tmp/ready', ''));
  process.once('SIGTERM', () => process.exit(0));
}
