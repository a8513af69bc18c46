/** The suite's control: the same server with nothing of ours in between, by Streamable HTTP as the official SDK has it. */
import { randomUUID } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { everything } from '../harness/toolserver/everything.ts';

export async function startDirect(): Promise<{ url: string; stop(): void }> {
  const sessions = new Map<string, StreamableHTTPServerTransport>();
  const server = http.createServer(async (req, res) => {
    const known = sessions.get(String(req.headers['mcp-session-id']));
    await (known ?? (await begun())).handleRequest(req, res);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;

  async function begun(): Promise<StreamableHTTPServerTransport> {
    const transport: StreamableHTTPServerTransport = new StreamableHTTPServerTransport({
      enableDnsRebindingProtection: true,
      allowedHosts: [host],
      allowedOrigins: [`http://${host}`],
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void sessions.set(id, transport),
    });
    await everything().connect(transport as never);
    return transport;
  }
  const stop = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://${host}/mcp`, stop };
}
