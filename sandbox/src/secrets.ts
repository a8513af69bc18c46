/** What the proxies of network leases show to hosts, and tool servers have in their environment: the operator's file, which only this process can read. */
import { readFileSync } from 'node:fs';
import { SandboxError } from './container.ts';

/** As the console writes it: by its name, the one host or image (`image:NAME`) that it is for, the user that it goes with, and its value. */
export type Secrets = Readonly<Record<string, { host: string; user: string; value: string }>>;

/**
 * Those that the rules name, read anew, so that what the operator took away is gone.
 * @param file undefined where the set-up is older than secrets
 * @throws SandboxError, without a value, where one is not there or is not for exactly that host
 */
export function secretsFor(rules: readonly { host: string; secret?: string }[], file?: string): Secrets {
  const named = rules.flatMap(({ host, secret }) => (secret ? [{ host, secret }] : []));
  if (named.length === 0) return {};
  const all = file ? read(file) : {};
  return Object.fromEntries(
    named.map(({ host, secret }) => {
      const found = Object.hasOwn(all, secret) ? all[secret] : undefined;
      if (found?.host === host) return [secret, found];
      const why = found ? `is not for ${host}` : 'is not there';
      throw new SandboxError(
        `the secret ${secret} ${why}; nothing was opened. At the console ./pocketcoder secret list names them`,
      );
    }),
  );
}

/** A sign as JSON escapes it, to any depth of JSON within JSON: then its backslashes may be escapes as well. */
const escaped = /(?:\\(?:u005c)*)+(?:u([0-9a-f]{4}))?/gi;
const bare = (text: string): string =>
  text.replace(escaped, (_, code?: string) => (code ? String.fromCharCode(Number.parseInt(code, 16)) : ''));
/** The strings and numbers of what is JSON: nowhere else stands what a server chose. */
const atoms = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[-+.\dEe]*/g;

/** Takes these values out of a line of JSON. A text in which one stands escaped loses its other escapes too. @throws SyntaxError for what is no JSON */
export function strike(values: readonly string[], line: string): string {
  if (values.length === 0) return line;
  JSON.parse(line); // in what is none, an atom's end could be sought without end
  return line.replace(atoms, (atom) => {
    const said = atom.startsWith('"') ? String(JSON.parse(atom)) : atom;
    const without = values.reduce((text, value) => {
      const struck = text.replaceAll(value, '[secret]');
      const [plain, sought] = [bare(struck), bare(value)];
      return sought && plain.includes(sought) ? plain.replaceAll(sought, '[secret]') : struck;
    }, said);
    return without === said ? atom : JSON.stringify(without);
  });
}

function read(file: string): Secrets {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Secrets;
  } catch {
    throw new SandboxError('the secrets cannot be read; nothing was opened. Run the set-up again');
  }
}
