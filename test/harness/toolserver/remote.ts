/** A tool server at a URL, by the official SDK, and what one must not be trusted with. */
import { randomUUID } from 'node:crypto';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import {
  CallToolRequestSchema,
  EmptyResultSchema,
  ListToolsRequestSchema,
} from '@modelcontextprotocol/sdk/types.js';
import type { Serve } from '../origin.ts';

const inputSchema = { type: 'object' as const };

export type Remote = {
  serve: Serve;
  /** What each request showed: its method in MCP, and its authorization. */
  shown: string[];
  /** The texts that were said, one a call. */
  said: string[];
  /** What its tool is described by. */
  description: string;
  /** Answers by JSON instead of events. */
  json: boolean;
  /** Cuts each answer of a client's off, once it has come. */
  deaf: boolean;
  /** Answers all like this, where it is set. */
  instead?: Serve | undefined;
  /** Knows none of its sessions any more. */
  forget(): void;
};

export function makeRemote(): Remote {
  /** Ends the connection of the last request. */
  let cut = () => {};
  const sessions = new Map<string, StreamableHTTPServerTransport>();
  const remote: Remote = {
    ...{ shown: [], said: [], description: 'says it back', json: false, deaf: false },
    forget: () => sessions.clear(),
    serve(req, res, body) {
      const message = JSON.parse(body.toString('utf8') || '{}') as { method?: string };
      const auth = String(req.headers.authorization ?? '');
      remote.shown.push(`${message.method} ${auth}`.trim());
      if (remote.instead) return remote.instead(req, res, body);
      const id = req.headers['mcp-session-id'];
      const known = typeof id === 'string' ? sessions.get(id) : undefined;
      if (id !== undefined && !known) return void res.writeHead(404).end();
      cut = () => req.socket.destroy();
      if (remote.deaf && !message.method) cut();
      void (known ? Promise.resolve(known) : begun(auth)).then((transport) =>
        transport.handleRequest(req, res, message),
      );
    },
  };

  async function begun(auth: string): Promise<StreamableHTTPServerTransport> {
    const server = new Server({ name: 'remote', version: '1' }, { capabilities: { tools: {} } });
    server.setRequestHandler(ListToolsRequestSchema, () => ({
      tools: [
        { name: 'say', description: remote.description, inputSchema, annotations: { readOnlyHint: true } },
        { name: 'tell', inputSchema },
        { name: 'die', inputSchema },
        { name: 'hang', inputSchema },
        { name: 'ping', inputSchema },
      ],
    }));
    server.setRequestHandler(CallToolRequestSchema, async ({ params }, { sendRequest }) => {
      const text = String(params.arguments?.['text']);
      if (params.name === 'hang') return new Promise<never>(() => {});
      if (params.name === 'die') cut();
      // Some go by the id that the call has.
      for (let i = 0; params.name === 'ping' && i < 6; i++)
        await sendRequest({ method: 'ping' }, EmptyResultSchema);
      remote.said.push(`${params.name} ${text}`);
      return {
        content: [{ type: 'text' as const, text: params.name === 'tell' ? `${auth} ${auth}` : text }],
      };
    });
    const transport: StreamableHTTPServerTransport = new StreamableHTTPServerTransport({
      enableJsonResponse: remote.json,
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void sessions.set(id, transport),
    });
    await server.connect(transport as never);
    return transport;
  }
  return remote;
}
