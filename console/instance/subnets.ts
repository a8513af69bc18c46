/**
 * The addresses of an instance's networks. Docker's own pools hold some thirty networks, of which an instance would use up
 * eight, so each instance has a block of its own and takes small pieces of it.
 */
import { randomInt } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { BlockList, isIPv4 } from 'node:net';
import { networkInterfaces } from 'node:os';
import type Docker from 'dockerode';
import { fault } from '../fault.ts';
import { type Instance, withState } from './instance.ts';

/**
 * Where a machine has a way already, by Linux' own tables (/proc/net/fib_trie), a VPN's own among them, as `10.1.0.0/16`. What is wider
 * than a /8 leads out, as a default route does, and is no network.
 */
export const routesIn = (trie: string): string[] =>
  [...trie.matchAll(/\|-- (\S+)((?:\n +\/\d+ .*)+)/g)].flatMap(([, address, ways = '']) =>
    [...ways.matchAll(/\/(\d+) /g)].flatMap(([, n]) => (Number(n) < 8 ? [] : [`${address}/${n}`])),
  );

/** What is in use: the engine's networks, this machine's own, and its routes. */
async function taken(docker: Docker): Promise<string[]> {
  const networks = await docker.listNetworks();
  const theirs = networks.flatMap(({ IPAM }) => (IPAM?.Config ?? []).map(({ Subnet }) => Subnet ?? ''));
  const own = Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ cidr }) => cidr ?? ''));
  const trie = '/proc/net/fib_trie';
  return [...theirs, ...own, ...routesIn(existsSync(trie) ? readFileSync(trie, 'utf8') : '')];
}

/** Whether a block (`10.x.y`) of 256 addresses has none of these networks in it, nor lies in one. */
function isFree(subnet: string, networks: readonly string[]): boolean {
  const ours = new BlockList();
  ours.addSubnet(`${subnet}.0`, 24);
  return networks.every((cidr) => {
    const [address = '', prefix] = cidr.split('/');
    if (!isIPv4(address)) return true;
    const theirs = new BlockList();
    theirs.addSubnet(address, Number(prefix));
    return !ours.check(address) && !theirs.check(`${subnet}.0`);
  });
}

/** The private ranges (RFC 1918), the least used first. */
const ranges = [() => `10.${randomInt(64, 128)}`, () => `172.${randomInt(16, 32)}`, () => '192.168'];

/** A block (`10.x.y`) that nothing of these lies in; undefined where they take all. */
export function freeBlock(networks: readonly string[]): string | undefined {
  const tried = ranges.flatMap((range) => Array.from({ length: 200 }, () => `${range()}.${randomInt(256)}`));
  return tried.find((block) => isFree(block, networks));
}

/** The instance with its block: the settings' own, else one chosen free at the first start and kept. */
export async function withSubnet(docker: Docker, instance: Instance): Promise<Instance> {
  const { settings, state } = instance;
  const subnet = settings.subnet?.replace('.0/24', '') ?? state.subnet ?? freeBlock(await taken(docker));
  if (subnet) return withState(instance, { ...state, subnet });
  throw fault.unavailable(
    "No private block of addresses is free for the containers' networks: this machine's own networks or routes take them all. " +
      'Nothing was started: name one that they may have all the same, by subnet: 10.99.7.0/24 in pocketcoder.yaml.',
  );
}
