/** The way out of a tool server: a lease of the network of its own, lent to a container that has nothing but the namespace, and gone with the server. */
import type Docker from 'dockerode';
import { newId, reachTerms } from '../../ledger/src/action.ts';
import { type Place, SandboxError } from './container.ts';
import { makeEgress } from './egress.ts';
import { makeLent } from './lent.ts';

/** To these hosts, and to nothing else. */
export function outward(docker: Docker, place: Place, hosts: readonly string[]) {
  const id = newId();
  const name = { task: id, workspace: '' }; // whose lease it is: nobody's but this server's
  const own = `${place.project}-egress-${id}`;
  const holder = `${own}-server`;
  const lent = makeLent(docker, place);
  const egress = makeEgress(docker, place, () => docker.getContainer(holder));
  const rules = hosts.map((host) => ({ host, port: 443, class: 'any', path: '/' }) as const);
  let over: Promise<unknown> = Promise.resolve();
  return {
    /** The container and the volume that the server takes its way from. */
    holder,
    /** @returns what the server has in its environment, as `NAME=VALUE` @throws SandboxError where there is no way; nothing went out */
    async open(): Promise<string[]> {
      await lent.holder(holder);
      const there = Promise.withResolvers<void>();
      const lease = egress.run(name, id, { rules, ...reachTerms }, there.resolve);
      over = lease.catch(() => {});
      const gone = lease.then(({ why }) => {
        throw new SandboxError(`its way out was not there: ${why}`);
      });
      await Promise.race([there.promise, gone]);
      return Object.entries(egress.env(name)).map(([key, value]) => `${key}=${value}`);
    },
    /** Ends it, and takes away what it was made of. Never rejects. */
    async close(): Promise<void> {
      egress.end(id, 'its tool server ended');
      await over;
      await lent.sweep(own);
    },
  };
}
