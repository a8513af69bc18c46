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

/** Where this machine has a way already, by Linux' own table, as `10.1.0.0/16`; the default route is none. */
function routes(): string[] {
  if (!existsSync('/proc/net/route')) return [];
  const dotted = (hex: string) => [...Buffer.from(hex, 'hex')].reverse().join('.');
  const [, ...lines] = readFileSync('/proc/net/route', 'utf8').trim().split('\n');
  return lines.flatMap((line) => {
    const [, to = '', , , , , , mask = ''] = line.split('\t');
    const prefix = Number.parseInt(mask, 16).toString(2).replaceAll('0', '').length;
    return prefix > 0 ? [`${dotted(to)}/${prefix}`] : [];
  });
}

/** What is in use: the engine's networks, this machine's own, and its routes. */
async function taken(docker: Docker): Promise<string[]> {
  const networks = await docker.listNetworks();
  const theirs = networks.flatMap(({ IPAM }) => (IPAM?.Config ?? []).map(({ Subnet }) => Subnet ?? ''));
  const own = Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ cidr }) => cidr ?? ''));
  return [...theirs, ...own, ...routes()];
}

/** Whether a block `10.x.y` of 256 addresses has none of these networks in it, nor lies in one. */
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

/** The instance with its block (`10.x.y`), chosen free at the first start and kept. */
export async function withSubnet(docker: Docker, instance: Instance): Promise<Instance> {
  if (instance.state.subnet) return instance;
  const networks = await taken(docker);
  for (let tries = 0; tries < 200; tries++) {
    const subnet = `10.${randomInt(64, 128)}.${randomInt(256)}`;
    if (!isFree(subnet, networks)) continue;
    return withState(instance, { ...instance.state, subnet });
  }
  throw fault.unavailable(
    "No block of addresses is free between 10.64.0.0 and 10.127.255.255 for the containers' networks: this machine's own " +
      'networks or routes take them all. Nothing was started.',
  );
}
