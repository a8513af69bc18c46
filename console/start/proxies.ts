/** The proxies that this machine's environment names: builds and the model proxy have no other way out where there are some. */
import { fault } from '../fault.ts';

/** Programs read one spelling or the other. */
export const names = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY'].flatMap((name) => [name, name.toLowerCase()]);

/** What they are, under both spellings. Throws a Fault (`config`) for one that no container reaches. */
export function proxies(env: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const given = (name: string) => env[name.toLowerCase()] || env[name.toUpperCase()] || '';
  const found = names.filter(given).map((name) => [name, given(name)] as const);
  for (const [name, value] of found)
    if (!/^no_/i.test(name) && /^(\w+:\/\/)?([^/]*@)?(localhost|127\.|\[::1)/.test(value))
      throw fault.config(
        `${name} names this machine's loopback, which is another in each container. Nothing was started: let that proxy listen ` +
          "on this machine's address on Docker's bridge (docker network inspect bridge), and name that.",
      );
  return Object.fromEntries(found);
}
