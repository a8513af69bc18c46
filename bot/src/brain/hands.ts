/**
 * How a task's hands get into OpenCode. All its sessions share the MCP servers of one instance, so each task has a
 * server of its own there: its own name, address and token. The configuration denies every tool; a session is created
 * with one rule more, which allows the tools of its task's server by that name. The token says which task, and so
 * which workspace, a call belongs to: a session without its server has no hands, and never another task's.
 */
import { createHash } from 'node:crypto';
import type { McpRemoteConfig } from '@opencode-ai/sdk/v2';
import type { Hands } from '../gateway/server.ts';

/** The name a task's tools begin with, always the same: sessions remember it across restarts. */
export const handsName = (task: string): string =>
  `t${createHash('sha256').update(task).digest('hex').slice(0, 12)}`;

/** A tool as the gateway calls it, of the name that OpenCode gives it. */
export const toolOf = (name: string): string => name.replace(/^t[0-9a-f]{12}_/, '');

/** The server as OpenCode connects to it. Without a timeout of a day it drops calls after a minute. */
export const handsOf = ({ url, token }: Hands): McpRemoteConfig => ({
  type: 'remote',
  url,
  headers: { Authorization: `Bearer ${token}` },
  oauth: false,
  enabled: true,
  timeout: 86_400_000,
});
