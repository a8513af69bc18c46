/** The way to a tool server at a URL: a proxy of its own (egress/speak.go), which knows that URL and nothing else, and alone has its secret. */
import type Docker from 'dockerode';
import { newId, type ReachArgs, reachTerms } from '../../ledger/src/action.ts';
import type { Way } from './contained.ts';
import { type Place, SandboxError } from './container.ts';
import { beatEvery, orderOf } from './egress.ts';
import { makeLent } from './lent.ts';
import { secretsFor } from './secrets.ts';

/** As the proxy says it in a server's place: nobody knows what came of what was sent. */
export const lostCode = -32099;

/** Nothing is sent before the server is spoken to. */
export function reached(docker: Docker, place: Place, { url, secret }: Omit<ReachArgs, 'name'>): Way {
  const lent = makeLent(docker, place);
  const own = `${place.project}-egress-${newId()}`;
  const { host, pathname: path } = new URL(url);
  const rules = [{ host, port: 443, class: 'mcp', path, ...(secret && { secret }) }];
  let order = '';
  let beat: NodeJS.Timeout | undefined;
  return {
    async hold() {
      if (!place.egress)
        throw new SandboxError('no image for a way out: a start with a model builds it; nothing was sent');
      const secrets = secretsFor(rules, place.egress.secrets);
      const denied = await lent.addresses(own);
      order = orderOf({ rules, ...reachTerms }, Date.now(), denied, secrets, place.egress.roots);
      return lent.proxy(own);
    },
    begin(wire) {
      wire.write(order);
      beat = setInterval(() => wire.write('\n'), beatEvery);
    },
    away() {
      clearInterval(beat);
      return lent.sweep(own);
    },
  };
}
