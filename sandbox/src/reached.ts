/** The way to a tool server at a URL: a proxy of its own (egress/speak.go), which knows that URL and nothing else, and alone has its secret. */
import type { JSONRPCMessage } from '@modelcontextprotocol/client';
import type Docker from 'dockerode';
import { newId, type ReachArgs, reachTerms } from '../../ledger/src/action.ts';
import type { Way } from './contained.ts';
import { type Place, SandboxError } from './container.ts';
import { beatEvery, orderOf } from './egress.ts';
import { makeLent } from './lent.ts';
import { secretsFor } from './secrets.ts';

/** As the proxy prints them: a message of the server's, and why it ended. */
type Line = { said?: JSONRPCMessage; end?: string };

/** @param onEnd told why it ended, where it says so */
export function reached(
  docker: Docker,
  place: Place,
  { url, secret }: Pick<ReachArgs, 'url' | 'secret'>,
  onEnd: (why: string) => void,
): Way {
  const lent = makeLent(docker, place);
  const own = `${place.project}-egress-${newId()}`;
  const { host, pathname: path } = new URL(url);
  const rule = { host, port: 443, class: 'mcp', path, ...(secret && { secret }) };
  let order = '';
  let beat: NodeJS.Timeout | undefined;
  return {
    async hold() {
      if (!place.egress)
        throw new SandboxError('no image for a way out: a start with a model builds it; nothing was sent');
      const secrets = secretsFor([rule], place.egress.secrets);
      const denied = await lent.addresses(own);
      order = orderOf({ rules: [rule], ...reachTerms }, Date.now(), denied, secrets, place.egress.roots);
      return lent.proxy(own);
    },
    begin(wire) {
      wire.write(order);
      order = '';
      beat = setInterval(() => wire.write('\n'), beatEvery);
    },
    async away() {
      clearInterval(beat);
      await lent.sweep(own);
    },
    message(line) {
      const { said, end } = line as Line;
      if (end) onEnd(end);
      return said as JSONRPCMessage; // where it is none it is passed over, as all that is none
    },
  };
}
