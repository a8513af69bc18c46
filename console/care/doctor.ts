/** `pocketcoder doctor`: a table of checks over what was observed, each with what to do. */
import { join } from 'node:path';
import { enrolled } from '../../ledger/rules/identities.cjs';
import { isFrozen } from '../../ledger/rules/lifecycle.cjs';
import { stateAfter } from '../../ledger/rules/state.cjs';
import { misfit } from '../../ledger/src/entry.ts';
import type { Last } from '../backup/remembered.ts';
import { fault } from '../fault.ts';
import { daysOf, holdsSecret, modelsOf, settingOf } from '../instance/settings-file.ts';
import type { Report } from '../report.ts';
import { type Found, observe, type Part, type Row, type Scene } from './doctor-scene.ts';
import { holesOf, listed } from './holes.ts';
import { seen } from './logs.ts';

/** Says what it found, one thing or several; nothing where there is nothing to judge. */
type Check = { name: string; look(s: Scene): Found | readonly Found[] | undefined };

export const ok = (what: string): Found => ({ level: 'ok', what });
export const warn = (what: string, fix: string): Found => ({ level: 'warn', what, fix });
export const fail = (what: string, fix: string): Found => ({ level: 'fail', what, fix });

const mebi = 2 ** 20;
const start = './pocketcoder start -d';
const size = (bytes: number): string =>
  bytes < 1024 * mebi ? `${Math.floor(bytes / mebi)} MiB` : `${Math.floor(bytes / mebi / 1024)} GiB`;
/** The bot asks nothing new below 16 MiB; people are told while there is time to do something. */
function room(bytes: number, where: string): Found {
  const what = `${size(bytes)} free ${where}`;
  if (bytes < 64 * mebi)
    return fail(what, 'make room there: at 16 MiB nothing new is asked, at 2 MiB all waits');
  return bytes < 1024 * mebi ? warn(what, 'make room there soon') : ok(what);
}

function part({ name, running, status = '', health, restarts, oom, complaint }: Part): Found {
  const see = `./pocketcoder logs ${name} says more; ${start} tries again`;
  const said = complaint && `: ${complaint}`;
  const again = restarts > 0 ? `, restarted ${restarts} times` : '';
  if (!status) return fail(`${name} is not there`, start);
  if (oom) return fail(`${name} ran out of the memory it may use (${status}${again})`, see);
  if (/^Restarting/.test(status)) return fail(`${name} ends again and again (${status}${again})${said}`, see);
  if (!running) return fail(`${name} does not run (${status})${said}`, start);
  if (health === 'unhealthy') return fail(`${name} runs but is not ready (${status}${again})${said}`, see);
  if (health === 'starting') return warn(`${name} is starting${again}`, 'ask again in a moment');
  return restarts > 0 ? warn(`${name} ${status}${again}${said}`, see) : ok(`${name} ${status}`);
}

function models({ models: answers, instance, parts }: Scene): Found | Found[] | undefined {
  const choices = instance && modelsOf(instance.settings);
  if (!choices) return instance && warn('no model is configured', 'docs/models.md; !run works without one');
  if (!parts.some(({ name, running }) => name === 'model' && running)) return undefined;
  return Object.entries(choices).map(([own, choice]) => {
    const answer = answers?.[own];
    if (!answer) return fail('the model proxy gives no answer', './pocketcoder logs model');
    const { status, text } = answer;
    const at = Object.keys(choices).length > 1 ? `${own}: the model's address` : "the model's address";
    const setting = settingOf(instance.settings, own);
    const where = `correct ${setting} in pocketcoder.yaml, then ${start}`;
    if ([400, 401, 403].includes(status)) return fail(`${at} refuses our key (${status})`, where);
    if (status >= 500)
      return fail(
        `${at} cannot be reached, or fails (${status})`,
        `look at ${setting}.url and at this machine's network; the agent tries again by itself`,
      );
    if (status !== 200) return warn(`${at} has no list of models (${status}): the key was not tried`, where);
    if (!text.includes(`${choice.name}"`)) return warn(`${at} answers, but lists no "${choice.name}"`, where);
    return ok(`${at} answers, did not refuse our key, and lists "${choice.name}"`);
  });
}

function backups({ instance, last: { backup, drill } }: Scene): Found[] | undefined {
  if (!instance) return undefined;
  const { backup: wanted } = instance.settings;
  const make = wanted
    ? './pocketcoder backup; systemctl list-timers says whether its timer goes'
    : './pocketcoder backup FILE, or by a timer: docs/backup.md';
  if (!backup) return [warn('none was made here', make)];
  const ageOf = ({ at }: Last) => Math.floor((Date.now() - Date.parse(at)) / 86_400_000);
  const days = (n: number) => (n === 1 ? '1 day' : `${n} days`);
  const newest = `newest backup: ${days(ageOf(backup))} old (${backup.file})`;
  const often = daysOf[wanted ? (wanted.every ?? 'day') : 'week'];
  const found = ageOf(backup) > 2 * often ? warn(newest, make) : ok(newest);
  if (!drill) return [found, ok('no drill yet: ./pocketcoder drill tries whether it comes back')];
  const tried = `the drill ${days(ageOf(drill))} ago, of ${drill.file},`;
  const failed =
    drill.why && fail(`${tried} failed: ${drill.why}`, 'make another backup, then ./pocketcoder drill');
  return [found, failed || ok(`${tried} went well`)];
}

/** What the bot says of itself. */
type BotStatus = Partial<
  Record<'homeserver' | 'ledger' | 'brain' | 'executor' | 'device' | 'space' | 'refusal', string>
> & {
  signed?: boolean;
  troubles?: [string, string][];
};

export const checks: readonly Check[] = [
  {
    name: 'settings',
    look: ({ fault, instance, home }) =>
      fault
        ? fail(fault.split('. Nothing was')[0] ?? fault, 'correct that, then start again')
        : instance
          ? ok(`pocketcoder.yaml and secrets.json in ${home} can be read`)
          : warn(`nothing was ever started in ${home}`, './pocketcoder start'),
  },
  {
    name: 'permissions',
    look({ modes, home, instance }) {
      const open: [string, string, number][] = [
        ['.', '700', 0o022],
        ['secrets.json', '600', 0o077],
        ['pocketcoder.yaml', '600', instance && holdsSecret(instance.settings) ? 0o077 : 0o022],
      ];
      const wrong = open.filter(([name, , others]) => (modes[name] ?? 0) & others);
      if (wrong.length === 0) return modes['.'] === undefined ? undefined : ok('secrets are for you alone');
      return wrong.map(([name, mode]) => {
        const path = join(home, name);
        return fail(`${path} is open to others (0${modes[name]?.toString(8)})`, `chmod ${mode} ${path}`);
      });
    },
  },
  { name: 'disk', look: ({ free, home }) => room(free, `at ${home}`) },
  {
    name: 'docker',
    look({ engine: { is, host, by, version = '', api = '', refusal, lacks = [] } }) {
      if (is === 'denied')
        return fail(
          `Docker's socket (${host}) may not be opened`,
          'sudo usermod -aG docker $USER, then sign in again',
        );
      if (is === 'down')
        return fail(
          `no Docker engine answers at ${host}`,
          by ? `start it, or choose another: it is chosen by ${by}` : 'sudo systemctl start docker',
        );
      if (refusal) return fail(refusal, `then ${start}`);
      const [major = 0, minor = 0] = api.split('.').map(Number);
      const old = 'Docker 20.10 or newer is known to work';
      return [
        major > 1 || minor >= 41
          ? ok(`engine ${version}, API ${api}, at ${host}`)
          : warn(`engine ${version} is older than any that was tried`, old),
        ...lacks.map((lack) => warn(lack, 'docs/care.md')),
      ];
    },
  },
  {
    name: 'compose',
    look({ compose }) {
      if (compose === undefined) return undefined;
      return compose ? ok(compose) : warn('this Docker has no compose', './pocketcoder start builds one');
    },
  },
  {
    name: 'base image',
    look({ base }) {
      if (base === undefined) return undefined;
      const way = './pocketcoder start pulls it, or makes it as root on Debian';
      return base ? ok('there') : warn('not there yet', way);
    },
  },
  { name: 'part', look: ({ parts }) => parts.map(part) },
  {
    name: 'network',
    look({ leases, parts }) {
      if (leases === 0) return undefined;
      const held = parts.some(({ name, running }) => name === 'executor' && running);
      const open = `${leases} ${leases === 1 ? 'lease' : 'leases'} of it open`;
      return held ? ok(open) : warn(`${open}, and no executor that holds it`, `wait 15 s: it ends; ${start}`);
    },
  },
  {
    name: 'port',
    look: ({ ports, answers, home }) => [
      ...ports
        .filter(({ holder }) => holder)
        .map(({ service, setting, port, holder }) =>
          fail(
            `${port}, which the ${service} needs, is taken by ${holder}`,
            `end that program, or set ports: { ${setting}: … } in ${join(home, 'pocketcoder.yaml')}; then ${start}`,
          ),
        ),
      ...answers.map(({ service, url, ok: well }) =>
        well
          ? ok(`the ${service} answers`)
          : fail(`the ${service} does not answer at ${url}`, `./pocketcoder status`),
      ),
    ],
  },
  {
    name: 'homeserver',
    look({ homeserver, instance }) {
      // Of others no list is kept, and what is no version is in none.
      if (homeserver?.name !== 'Synapse' || !/^\d+\.\d+\.\d+/.test(homeserver.version)) return undefined;
      const is = `Synapse ${homeserver.version}`;
      const holes = holesOf(homeserver.version);
      if (!holes) return ok(`${is} has none of the holes known on ${listed}`);
      const [first, ...more] = holes.ids;
      return warn(
        `${is} has known holes: ${first}${more.length > 0 ? ` and ${more.length} more` : ''}`,
        instance?.settings.homeserver
          ? `have whoever runs it take ${holes.upTo} or newer`
          : 'git pull, then ./pocketcoder upgrade FILE',
      );
    },
  },
  {
    name: 'clock',
    look({ clocks }) {
      const off = Object.entries(clocks).filter(([, ms]) => Math.abs(ms) > 5000);
      if (off.length === 0) return Object.keys(clocks).length > 0 ? ok('all the same') : undefined;
      return off.map(([whose, ms]) =>
        fail(
          `the ${whose}'s is ${Math.abs(Math.round(ms / 1000))} s ${ms > 0 ? 'ahead of' : 'behind'} this machine's`,
          'set both by NTP: every term of a card runs on the ledger’s clock',
        ),
      );
    },
  },
  {
    name: 'room left',
    look: ({ disks }) => {
      const least = Object.entries(disks).sort(([, a], [, b]) => a - b);
      const tight = least
        .map(([name, bytes]) => room(bytes, `for the ${name}'s data`))
        .filter(({ level }) => level !== 'ok');
      return tight.length > 0 || !least[0] ? tight : room(least[0][1], "where Docker keeps the parts' data");
    },
  },
  {
    name: 'chain',
    look({ ledger, clocks }) {
      if (!ledger) return undefined;
      if ('fault' in ledger) return fail(ledger.fault, `./pocketcoder logs ledger; ${start}`);
      const { newest, pins } = ledger;
      const [head] = newest.slice(-1);
      for (const [before, entry] of newest.slice(1).map((entry, i) => [newest[i], entry] as const)) {
        const why = before && misfit(entry, before);
        if (why)
          return fail(
            `entry ${entry.seq} is not as it was written: ${why}`,
            './pocketcoder freeze, then audit',
          );
      }
      for (const [who, { seq, hash }] of Object.entries(pins))
        if (seq > (head?.seq ?? 0) || newest.some((entry) => entry.seq === seq && entry.hash !== hash))
          return fail(
            `it was turned back, or goes another way: it does not have entry ${seq} as the ${who} saw it, so nothing is decided or run`,
            './pocketcoder restore a backup; where it was turned back on purpose, ./pocketcoder stop, then repin',
          );
      const alarm = newest.findLast(({ kind, author }) => kind === 'alarm' && author === 'executor');
      if (alarm)
        return fail(`the executor claims nothing: ${alarm.body}`, './pocketcoder audit names the entry');
      if (head && Date.parse(head.at) > Date.now() + (clocks['ledger'] ?? 0) + 5000)
        return fail(
          `the ledger's clock went back: its last entry is of ${head.at}`,
          'set the clock: nothing is approved until then',
        );
      return ok(
        `the newest ${newest.length} entries hold, head ${head?.seq ?? 0} (./pocketcoder audit reads all)`,
      );
    },
  },
  {
    name: 'devices',
    look({ ledger }) {
      if (!ledger || 'fault' in ledger) return undefined;
      const state = stateAfter(ledger.control);
      const count = enrolled(state.people).length;
      return [
        count > 0 ? ok(`${count} may approve`) : warn('none may approve', './pocketcoder pair'),
        ...(isFrozen(state) ? [warn('everything is frozen', './pocketcoder thaw')] : []),
      ];
    },
  },
  {
    name: 'bot',
    look({ bot }) {
      if (!bot) return undefined;
      if ('fault' in bot) return fail(`it runs, but ${String(bot.fault)}`, './pocketcoder logs bot');
      const said = bot as BotStatus;
      const away = (['homeserver', 'ledger', 'brain', 'executor'] as const).filter(
        (name) => said[name] === 'down',
      );
      return [
        said.signed === false
          ? fail(`its device ${said.device} is not signed by its own identity`, './pocketcoder logs bot')
          : ok(`signed in as ${said.device}, its keys are there`),
        ...away.map((name) =>
          fail(`it does not hear of the ${name}`, `./pocketcoder logs ${name}; ${start}`),
        ),
        ...(said.refusal ? [fail(said.refusal, start)] : []),
        ...(said.space ? [fail(said.space, 'it goes on by itself then')] : []),
        ...(said.troubles ?? []).map(([, why]) => fail(why, 'look at that room, then say !resume in it')),
      ];
    },
  },
  { name: 'model', look: models },
  { name: 'backup', look: backups },
];

/** What the checks make of what was seen. */
export const judged = (scene: Scene): Row[] =>
  checks.flatMap(({ name: check, look }) =>
    [look(scene) ?? []].flat().map((found: Found) => ({ check, ...found })),
  );

/**
 * Reports what each check found, of all that is here or of what is handed to it. Throws a Fault (`failed`) where one fails.
 */
export async function doctor(report: Report, rows?: AsyncIterable<Row>): Promise<void> {
  let failed = 0;
  for await (const row of rows ?? judged(await observe())) {
    const { check, level, what, fix } = row;
    if (level === 'fail') failed++;
    const mark = { ok: 'ok  ', warn: 'warn', fail: 'FAIL' }[level];
    const todo = fix ? `\n${' '.repeat(24)}→ ${fix}` : '';
    report.event({ event: 'check', ...row }, `${mark}  ${check.padEnd(16)}  ${seen(what)}${todo}`);
  }
  if (failed > 0)
    throw fault.failed(`Not all is well: ${failed} failed. Nothing was changed: do what stands after →.`);
}
