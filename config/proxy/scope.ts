/** Where a name may lead: its address is looked up once for each connection, judged, and that very one is dialled. */
import dns, { type LookupAddress, type LookupAllOptions } from 'node:dns';
import { BlockList, isIPv6, type LookupFunction } from 'node:net';

const listOf = (...subnets: string[]): BlockList => {
  const list = new BlockList();
  for (const subnet of subnets) {
    const [net = '', bits] = subnet.split('/');
    list.addSubnet(net, Number(bits), isIPv6(net) ? 'ipv6' : 'ipv4');
  }
  return list;
};
/** The machine itself and networks of somebody's own (RFC 1918, 2544, 6598, 4193). */
const inside = listOf(
  ...['127.0.0.0/8', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', '198.18.0.0/15'],
  ...['::1/128', 'fc00::/7'],
);
/** What else is given to networks at all: of IPv6 no address that stands for another one, and none of a link or site. */
const outside = listOf('0.0.0.0/0', '2000::/3');
/** Of no model and no homeserver: where clouds keep what a machine may know of itself, no address, many at once, and ways to others. */
const never = listOf(
  ...['169.254.0.0/16', '168.63.129.16/32', '100.100.100.200/32', 'fd00:ec2::/32', 'fd20:ce::254/128'],
  ...['0.0.0.0/8', '224.0.0.0/3', '192.0.0.0/24', '192.88.99.0/24', '2001::/23', '2002::/16'],
);

const isIn = (list: BlockList, { address, family }: LookupAddress): boolean =>
  list.check(address.replace(/%.*$/, ''), family === 6 ? 'ipv6' : 'ipv4');

/** A name has no address any more that it may lead to; the message is for who configured it. */
export class ScopeError extends Error {
  constructor(host: string, scope: string) {
    super(
      `${host} has no address ${scope} any more, where it had one: not asked. If its place is new, start again.`,
    );
  }
}

export type Resolve = (
  host: string,
  options: LookupAllOptions,
  done: (error: NodeJS.ErrnoException | null, found: LookupAddress[]) => void,
) => void;

/**
 * Looks names up for connections. One whose first addresses were outside never leads inside from then on, nor the other way
 * round: whoever answers for a name sends no key to another place by it, and reaches nothing that is inside.
 * @param resolve the system's; another in tests
 */
export function pinnedLookup(resolve: Resolve = dns.lookup): LookupFunction {
  const pins = new Map<string, string>();
  const scopeOf = (one: LookupAddress) => (isIn(inside, one) ? 'inside' : 'outside');
  return (host, options, done) =>
    void resolve(host, { ...options, all: true }, (error, found) => {
      if (error) return done(error, []);
      const usable = found.filter((one) => !isIn(never, one) && (isIn(inside, one) || isIn(outside, one)));
      const scope =
        pins.get(host) ?? (usable.every((one) => scopeOf(one) === 'inside') ? 'inside' : 'outside');
      const same = usable.filter((one) => scopeOf(one) === scope);
      const [first] = same;
      if (!first) return done(new ScopeError(host, scope), []);
      pins.set(host, scope);
      return options.all ? done(null, same) : done(null, first.address, first.family);
    });
}
