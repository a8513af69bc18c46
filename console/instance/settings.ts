/** The person's own settings: pocketcoder.yaml in the state directory, checked before anything is touched. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv, type ErrorObject } from 'ajv';
import { type Document, LineCounter, parseDocument } from 'yaml';
import { isTimezone } from '../../bot/src/settings.ts';
import { faultOf, type ModelChoice } from '../../config/brain/render.ts';
import { policyFault, type Reads, type Term } from '../../ledger/rules/policy.cjs';
import { Fault } from '../fault.ts';
import { checkout } from './paths.ts';
import { policyFrom } from './policy.ts';

export type Approvals = Partial<Pick<Term, 'form' | 'decide_within' | 'execute_within'>> & {
  /** Seconds from a card within which an approval counts as unread. */
  quick?: number;
  /** What a task's first card may lease besides; no uses for nothing. */
  reads?: Partial<Reads>;
  classes?: Record<string, Partial<Term>>;
};

/** A homeserver that is there already; `bot` and `owner` are whole Matrix ids. */
export type Existing = { url: string; bot: string; owner: string; password?: string };

/** How a phone gets here. `address` is the domain, or this machine's name or IPv4 address in its own network. */
export type Reach = { way: 'tailnet' | 'domain' | 'lan' | 'later'; address?: string };

export type Settings = {
  /** With `homeserver`, this and `owner` are taken from its ids. */
  server_name?: string;
  owner?: string;
  homeserver?: Existing;
  reach?: Reach;
  /** The owner's, by its IANA name. */
  timezone?: string;
  ports?: { homeserver?: number; ledger?: number; https?: number; http?: number };
  model?: ModelChoice;
  approvals?: Approvals;
  sandbox?: { memory_mb?: number; pids?: number; cpus?: number };
  /** Who commits in a workspace are by, where its repository does not say. */
  git?: { name?: string; email?: string };
};

/** Whether the file has something in it that other users of the machine must not read. */
export const holdsSecret = ({ homeserver, model }: Settings): boolean =>
  Boolean(homeserver?.password || model?.key);

/** What is wrong, for a person; the key it is about is said with its whole path. */
function explain(error: ErrorObject): { path: string[]; what: string } {
  const path = error.instancePath.split('/').slice(1);
  const key = path.join('.');
  const value = JSON.stringify(error.data);
  if (error.keyword === 'additionalProperties') {
    const unknown = String(error.params['additionalProperty']);
    return { path: [...path, unknown], what: `there is no setting "${[...path, unknown].join('.')}"` };
  }
  if (key === 'owner')
    return {
      path,
      what: `owner must be one user name such as "owner", not ${value}: nobody else's taps count`,
    };
  if (error.keyword === 'enum')
    return { path, what: `${key} must be one of ${error.params['allowedValues'].join(', ')}, not ${value}` };
  return { path, what: `${key || 'the file'} ${error.message}` };
}

function lineOf(document: Document, lines: LineCounter, path: readonly string[]): number {
  for (let depth = path.length; depth > 0; depth--) {
    const parent = document.getIn(path.slice(0, depth - 1), true) ?? document.contents;
    const items = (parent as { items?: { key?: { value?: unknown; range?: [number, number, number] } }[] })
      .items;
    const found = items?.find((pair) => String(pair.key?.value) === path[depth - 1]);
    if (found?.key?.range) return lines.linePos(found.key.range[0]).line;
  }
  return 1;
}

/** Reads and checks the settings in `home`; none there is none set. Throws a Fault (`config`) that names the line. */
export function readSettings(home: string): Settings {
  const path = join(home, 'pocketcoder.yaml');
  if (!existsSync(path)) return {};
  const lines = new LineCounter();
  const document = parseDocument(readFileSync(path, 'utf8'), { lineCounter: lines });
  const fail = (line: number, what: string): never => {
    throw new Fault(
      'config',
      `${path}, line ${line}: ${what}. Nothing was started or changed: correct the line and start again. ` +
        `${join(checkout, 'config/pocketcoder.yaml')} lists all settings.`,
    );
  };
  const [broken] = document.errors;
  if (broken) fail(broken.linePos?.[0].line ?? 1, broken.message.split('\n')[0] ?? 'not YAML');
  const settings = (document.toJS() ?? {}) as Settings;
  const schema = JSON.parse(readFileSync(join(checkout, 'config/schema.json'), 'utf8'));
  const validate = new Ajv({ verbose: true, strict: false }).compile(schema);
  if (!validate(settings) && validate.errors?.[0]) {
    const { path: at, what } = explain(validate.errors[0]);
    return fail(lineOf(document, lines, at), what);
  }
  if (settings.timezone !== undefined && !isTimezone(settings.timezone))
    return fail(
      lineOf(document, lines, ['timezone']),
      `there is no time zone "${settings.timezone}": give one such as Europe/Berlin or America/New_York`,
    );
  const unfit = policyFault(policyFrom(settings.approvals));
  if (unfit) return fail(lineOf(document, lines, ['approvals']), unfit);
  const unusable = settings.model && faultOf(settings.model);
  if (unusable) return fail(lineOf(document, lines, ['model']), unusable);
  const unreachable = settings.reach && unfitReach(settings.reach, settings.homeserver);
  if (unreachable) return fail(lineOf(document, lines, ['reach']), unreachable);
  if (!settings.homeserver) return settings;
  const wrong = contradiction(settings, settings.homeserver);
  if (wrong) return fail(lineOf(document, lines, ['homeserver', wrong.key]), wrong.what);
  const [, owner, server_name] = /^@(.*?):(.*)$/.exec(settings.homeserver.owner) ?? [];
  return { ...settings, ...(owner && { owner }), ...(server_name && { server_name }) };
}

/** Why a phone cannot come this way; undefined where it can. */
function unfitReach({ way, address }: Reach, homeserver?: Existing): string | undefined {
  if (homeserver)
    return 'reach is for a homeserver of ours: phones reach yours as they always did. Take one of the two out';
  if (way === 'domain' && !/[a-z]/.test(address ?? ''))
    return 'a domain needs its name: reach: { way: domain, address: chat.example.org }';
  return undefined;
}

/** What of an existing homeserver cannot be, and the key below `homeserver` that it is about. */
function contradiction(
  settings: Settings,
  { url, bot, owner }: Existing,
): { key: string; what: string } | null {
  const serverOf = (id: string) => id.slice(id.indexOf(':') + 1);
  if (settings.server_name !== undefined || settings.owner !== undefined || settings.ports?.homeserver)
    return {
      key: 'url',
      what: 'server_name, owner and ports.homeserver are for a homeserver of ours; here the ids say it',
    };
  if (serverOf(bot) !== serverOf(owner))
    return {
      key: 'owner',
      what: `${owner} is of another server than ${bot}: the room is for one server alone`,
    };
  if (bot === owner)
    return { key: 'owner', what: 'owner and bot must be two accounts: nobody approves their own asking' };
  if (!URL.canParse(url) || /^(localhost|127\..*|\[::1\])$/.test(new URL(url).hostname))
    return {
      key: 'url',
      what: `${url} is no address that containers reach as well: to them, localhost is themselves. Give a name or an address of the network`,
    };
  return null;
}
