/** The way to the model: forwards to exactly one address and swaps the placeholder for the key. Logs neither. */
import { readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { pathToFileURL } from 'node:url';

/** `upstream`: base address that request paths are appended to. `placeholder` is replaced by `key` in header values. */
export type ProxyOptions = { upstream: string; placeholder: string; key: string };

/** Headers that belong to one connection (RFC 9110, section 7.6.1), and those that the proxy sets itself. */
const ours = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'host',
];

/** The proxy, not yet listening. Throws on an upstream that is no http or https address. */
export function modelProxy({ upstream, placeholder, key }: ProxyOptions): http.Server {
  const base = new URL(upstream);
  if (base.protocol !== 'http:' && base.protocol !== 'https:')
    throw new Error(
      `model proxy: the model's address must begin with http:// or https://, not ${base.protocol}`,
    );
  const client = base.protocol === 'https:' ? https : http;
  const agent = new client.Agent({ keepAlive: true });

  const server = http.createServer((req, res) => {
    const path = pathOf(req.url ?? '');
    if (path === undefined) return refuse(res, 400, 'bad_path', 'Only paths below the model are served.');
    const headers: http.OutgoingHttpHeaders = { host: base.host };
    for (const [name, value] of Object.entries(req.headers))
      if (!ours.includes(name) && value !== undefined)
        headers[name] = String(value).replaceAll(placeholder, () => key);
    const onward = client.request({
      agent,
      hostname: base.hostname.replace(/^\[|\]$/g, ''),
      port: base.port,
      method: req.method,
      path: base.pathname.replace(/\/$/, '') + path,
      headers,
    });
    onward.on('response', (answer) => {
      // Not followed: it would carry the key, or the brain, to another place.
      const status = answer.statusCode ?? 502;
      if (status >= 300 && status < 400) {
        onward.destroy();
        return refuse(res, 502, 'model_redirects', 'The model answers with a redirect; check its address.');
      }
      const back = Object.entries(answer.headers).filter(([name]) => !ours.includes(name));
      res.writeHead(status, Object.fromEntries(back));
      res.flushHeaders();
      answer.pipe(res);
      answer.on('error', () => res.destroy());
    });
    onward.on('error', () => {
      if (res.headersSent) res.destroy();
      else refuse(res, 502, 'model_unreachable', `The model at ${base.host} cannot be reached.`);
    });
    res.on('close', () => onward.destroy());
    req.on('error', () => onward.destroy());
    req.pipe(onward);
  });
  server.on('connect', (_req, socket) => void socket.destroy());
  server.on('upgrade', (_req, socket) => void socket.destroy());
  server.on('close', () => agent.destroy());
  return server;
}

/** The path of a request in origin form, as it came; undefined for any other form and for what climbs out. */
function pathOf(target: string): string | undefined {
  if (!target.startsWith('/') || target.startsWith('//') || target.includes('\\')) return undefined;
  const [path = ''] = target.split('?');
  const climbs = path.split('/').some((part) => /^(\.|%2e){2}$/i.test(part));
  return climbs || /%2f|%5c/i.test(path) ? undefined : target;
}

function refuse(res: http.ServerResponse, status: number, code: string, message: string): void {
  res.writeHead(status, { 'content-type': 'application/json' });
  res.end(JSON.stringify({ error: { code, type: code, message } }));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const file = '/run/pocketcoder/model.json';
  const proxy = modelProxy(JSON.parse(readFileSync(file, 'utf8')) as ProxyOptions);
  proxy.listen(8081, '0.0.0.0', () => writeFileSync('/tmp/ready', ''));
  process.once('SIGTERM', () => process.exit(0));
}
