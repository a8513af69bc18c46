/** A tool server as a person pinned it, and calls of it. */
import { itemHash } from '../../ledger/rules/servers.cjs';
import {
  type Asked,
  type CallArgs,
  type OutwardArgs,
  type PinArgs,
  type Started,
  sha256,
} from '../../ledger/src/action.ts';

export const pin: PinArgs & Started = {
  ...{
    name: 'own',
    from: 'mine:1',
    image: `sha256:${'ab'.repeat(32)}`,
    command: ['serve'],
    era: '2025-11-25',
  },
  tools: [
    { class: 'exec', item: { name: 'say', description: 'says it back', inputSchema: { type: 'object' } } },
    { class: 'read', item: { name: 'look', inputSchema: { type: 'object' } } },
  ],
};
/** The same, with a secret in its environment. */
export const keyed: PinArgs & Started = { ...pin, name: 'keyed', secrets: { TOKEN: 'MINE' } };
/** One that has a way out besides. */
export const outward: PinArgs & Started & Required<Pick<OutwardArgs, 'secrets' | 'hosts'>> = {
  ...{ ...pin, name: 'outward', secrets: { TOKEN: 'MINE' }, hosts: ['a.example.org', 'b.example.org'] },
  tools: pin.tools.map(({ item }) => ({ class: 'network', item })),
};
/** One at a URL. */
export const far: PinArgs & { url: string } = {
  ...{ name: 'far', url: 'https://example.org/mcp', secret: 'MINE', era: '2025-11-25' },
  tools: pin.tools.map(({ item }) => ({ class: 'network', item })),
};
export function callOf(tool: string, params: object = {}, of: PinArgs = pin): CallArgs {
  const item = of.tools.find((one) => one.item.name === tool)?.item ?? { name: tool };
  return { server: of.name, tool, hash: itemHash(of, item, sha256), params: { ...params } };
}
export const asked = (what: Pick<Asked, 'kind' | 'args'>, workspace = 'main'): Asked =>
  ({ ...what, workspace, task: 'task', requester: '@owner:home' }) as Asked;
