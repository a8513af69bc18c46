/**
 * Where the suite asks in place of the brain. The suite knows no token and calls tools by their servers' own names: this adds the
 * task's token, puts `SERVER__` before the name of a tool that is called, and takes it from the names that are listed. All
 * else, from the status to each event, goes through as it is, headers too, but that its own address stands for the gateway's.
 */
import { once } from 'node:events';
import http from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { Transform } from 'node:stream';
import { findEngine } from '../../console/engine/engine.ts';
import { conversation } from '../../sandbox/src/exec.ts';

/** The gateway in its composed instance, as the brain of that one reaches it. */
export type Behind = { brain: string; url: string; token: string; server: string };
export type Front = {
  url: string /** How many notices of progress came through. */;
  progress(): number;
  stop(): void;
};

type Message = {
  method?: string;
  params?: { name?: string };
  result?: { tools?: { name: string }[] };
};

/** A port of this machine whose connections a program in the brain's container makes: nobody else is on the gateway's network. */
async function tunnelFrom(container: string, { hostname, port }: URL): Promise<Server> {
  const { docker } = findEngine();
  // Whichever side ends first ends the other.
  const script =
    'exec 3<> "/dev/tcp/$0/$1" 4<&0; cat <&3 & cat <&4 >&3 2> /dev/null & wait -n; kill $(jobs -p) 2> /dev/null';
  const command = ['bash', '-c', script, hostname, port];
  async function join(socket: Socket): Promise<void> {
    const box = docker.getContainer(container);
    const wire = await conversation(docker, box, command, (bytes) => void socket.write(bytes));
    for (const event of ['end', 'close', 'error']) wire.on(event, () => socket.end());
    for (const event of ['error', 'close']) socket.on(event, () => wire.destroy());
    socket.pipe(wire);
  }
  const tunnel = createServer((socket) => void join(socket).catch(() => socket.destroy()));
  await once(tunnel.listen(0, '127.0.0.1'), 'listening');
  return tunnel;
}

export async function startFront({ brain, url, token, server: name }: Behind): Promise<Front> {
  const to = new URL(url);
  const prefix = `${name}__`;
  let progress = 0;

  function called(body: string): string {
    const message = JSON.parse(body) as Message;
    if (message.method === 'tools/call' && message.params) message.params.name = prefix + message.params.name;
    return JSON.stringify(message);
  }
  function listed(line: string): string {
    if (!line.startsWith('data: {')) return line;
    const message = JSON.parse(line.slice(6)) as Message;
    if (message.method === 'notifications/progress') progress++;
    for (const tool of message.result?.tools ?? [])
      if (tool.name.startsWith(prefix)) tool.name = tool.name.slice(prefix.length);
    return `data: ${JSON.stringify(message)}`;
  }
  /** The answer's lines, each as soon as it is whole. */
  function lines(): Transform {
    let rest = '';
    return new Transform({
      decodeStrings: false,
      transform(part, _, done) {
        const all = (rest + part).split('\n');
        rest = all.pop() ?? '';
        done(null, all.map((line) => `${listed(line)}\n`).join(''));
      },
      flush: (done) => done(null, rest),
    });
  }

  const tunnel = await tunnelFrom(brain, to);
  async function pass(req: http.IncomingMessage, res: http.ServerResponse): Promise<void> {
    const own = req.headers.host === host;
    const body = Buffer.concat(await req.toArray()).toString();
    const headers: http.OutgoingHttpHeaders = { ...req.headers, authorization: `Bearer ${token}` };
    if (own) headers.host = to.host;
    if (req.headers.origin === `http://${host}`) headers['origin'] = `http://${to.host}`;
    delete headers['content-length'];
    const asked = http.request({
      ...{ method: req.method ?? '', path: to.pathname, headers: { ...headers, connection: 'close' } },
      ...{ host: '127.0.0.1', port: (tunnel.address() as AddressInfo).port, agent: false, setHost: false },
    });
    res.once('close', () => asked.destroy());
    asked.end(body && called(body));
    asked.on('error', () => {}); // where nothing was answered yet the next line has it
    const [answer] = (await once(asked, 'response')) as [http.IncomingMessage];
    const { connection, 'content-length': _, ...rest } = answer.headers;
    res.writeHead(answer.statusCode ?? 0, rest).flushHeaders();
    answer.once('error', () => res.destroy());
    if (!rest['content-type']?.includes('text/event-stream')) return void answer.pipe(res);
    answer.setEncoding('utf8').pipe(lines()).pipe(res);
  }
  const front = http.createServer((req, res) => void pass(req, res).catch(() => res.destroy()));
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(front.address() as AddressInfo).port}`;
  const stop = () => {
    front.close();
    front.closeAllConnections();
    tunnel.close();
  };
  return { url: `http://${host}/mcp`, progress: () => progress, stop };
}
