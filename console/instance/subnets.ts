/**
 * The addresses of an instance's networks. Docker's own pools hold some thirty networks, of which an instance would use up
 * eight, so each instance has a block of its own and takes small pieces of it.
 */
import { randomInt } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import type Docker from 'dockerode';
import { Fault } from '../fault.ts';
import type { Instance } from './instance.ts';
import { writeState } from './state.ts';

type Range = { from: number; to: number };

/** `10.1.2.0/24` as numbers; IPv6 and what is no range is left out. */
function rangeOf(cidr: string): Range[] {
  const [, a, b, c, d, bits] = /^(\d+)\.(\d+)\.(\d+)\.(\d+)\/(\d+)$/.exec(cidr)?.map(Number) ?? [];
  if (a === undefined || b === undefined || c === undefined || d === undefined || !bits) return [];
  const size = 2 ** (32 - bits);
  const from = Math.floor((((a * 256 + b) * 256 + c) * 256 + d) / size) * size;
  return [{ from, to: from + size - 1 }];
}

/** Where this machine has a way already, by Linux' own table; the default route is none. */
function routes(): Range[] {
  if (!existsSync('/proc/net/route')) return [];
  const little = (hex: string) => Buffer.from(hex, 'hex').readUInt32LE();
  return readFileSync('/proc/net/route', 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split('\t'))
    .filter(([, , , , , , , mask]) => mask !== '00000000')
    .map(([, to = '00000000', , , , , , mask = 'FFFFFFFF']) => {
      const from = little(to);
      return { from, to: from + (2 ** 32 - 1 - little(mask)) };
    });
}

async function taken(docker: Docker): Promise<Range[]> {
  const networks = await docker.listNetworks();
  const theirs = networks.flatMap(({ IPAM }) => (IPAM?.Config ?? []).map(({ Subnet }) => Subnet ?? ''));
  const own = Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ cidr }) => cidr ?? ''));
  return [...[...theirs, ...own].flatMap(rangeOf), ...routes()];
}

/** The instance with its block (`10.x.y`), chosen free at the first start and kept. */
export async function withSubnet(docker: Docker, instance: Instance): Promise<Instance> {
  if (instance.state.subnet) return instance;
  const ranges = await taken(docker);
  for (let tries = 0; tries < 200; tries++) {
    const subnet = `10.${randomInt(64, 128)}.${randomInt(256)}`;
    const [block] = rangeOf(`${subnet}.0/24`);
    if (!block || ranges.some(({ from, to }) => from <= block.to && to >= block.from)) continue;
    const state = { ...instance.state, subnet };
    writeState(instance.home, state);
    return { ...instance, state };
  }
  throw new Fault(
    'unavailable',
    "No block of addresses is free between 10.64.0.0 and 10.127.255.255 for the containers' networks: this machine's own " +
      'networks or routes take them all. Nothing was started.',
  );
}
