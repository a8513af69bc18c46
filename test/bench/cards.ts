/**
 * How many cards a task costs: ten scripted tasks on an instance of its own, with a phone that approves every card. One JSON
 * object a task: `calls` is what the agent had run, each of which asking every time would have made a card; `cards` is what
 * was shown; `wildcards` is what ran, or could have, by a grant that no card listed exactly. What counts: docs/testing.md.
 */

import { grantOf } from '../../ledger/rules/state.cjs';
import type { Action } from '../../ledger/src/action.ts';
import type { Entry, Ledger } from '../../ledger/src/client.ts';
import { approveAll, askAndSee, endsWith, hears, sees } from '../harness/answers.ts';
import { ledgerOf, startInstance } from '../harness/instance.ts';
import { pairedPhone } from '../harness/paired.ts';
import type { Phone } from '../phone/phone.ts';

type ToolCall = readonly [tool: string, args: object];
/** Calls of one turn stand in one list. */
type Script = { task: string; kind: 'read' | 'edit'; turns: readonly (readonly ToolCall[])[] };
const most = { read: 1, edit: 3 };

const read = (path: string): ToolCall => ['read_file', { path }];
const list = (path: string): ToolCall => ['list', { path }];
const grep = (pattern: string): ToolCall => ['grep', { pattern }];
const edit = (path: string, old: string, now: string): ToolCall => ['edit_file', { path, old, new: now }];
const write = (path: string, content: string): ToolCall => ['write_file', { path, content }];
const bash = (script: string): ToolCall => ['bash', { script }];
const test: ToolCall = bash('sh test.sh');

/** A small repository, made before anything is counted. */
const repository = `mkdir -p src
echo 'A greeter. Run it with sh src/main.sh NAME; sh test.sh tests it.' > README.md
printf '. src/greet.sh\\ngreet "$1"\\n' > src/main.sh
printf '. src/words.sh\\ngreet() { echo "$hello, $1!"; }\\n' > src/greet.sh
printf 'hello=Hello\\nbye=Bye\\n' > src/words.sh
printf 'test "$(sh src/main.sh Ada)" = "Hello, Ada!" && echo passed\\n' > test.sh`;

const scripts: readonly Script[] = [
  { task: 'explain one file', kind: 'read', turns: [[read('README.md')]] },
  {
    task: 'look at all files at once',
    kind: 'read',
    turns: [[list('.'), list('src')], ['README.md', 'src/main.sh', 'src/greet.sh', 'test.sh'].map(read)],
  },
  {
    task: 'follow what is included',
    kind: 'read',
    turns: [[read('src/main.sh')], [read('src/greet.sh')], [read('src/words.sh')]],
  },
  {
    task: 'search, then read what was found',
    kind: 'read',
    turns: [[grep('hello')], [read('src/greet.sh'), read('src/words.sh')]],
  },
  {
    task: 'explain what the test covers',
    kind: 'read',
    turns: [[read('test.sh'), read('src/main.sh')], [read('src/greet.sh')], [read('src/words.sh')]],
  },
  {
    task: 'a plan of edits and a test',
    kind: 'edit',
    turns: [
      [read('src/words.sh'), read('test.sh')],
      [
        [
          'plan',
          {
            steps: [
              { tool: 'edit_file', arguments: { path: 'src/words.sh', old: '=Hello', new: '=Hi' } },
              { tool: 'edit_file', arguments: { path: 'test.sh', old: 'Hello', new: 'Hi' } },
              { tool: 'bash', arguments: { script: 'sh test.sh' } },
            ],
          },
        ],
      ],
      [edit('src/words.sh', '=Hello', '=Hi')],
      [edit('test.sh', 'Hello', 'Hi')],
      [test],
    ],
  },
  {
    task: 'change one line and test',
    kind: 'edit',
    turns: [[read('src/words.sh')], [edit('src/words.sh', 'Bye', 'Goodbye')], [test]],
  },
  {
    task: 'rename in two files and test',
    kind: 'edit',
    turns: [
      [read('src/greet.sh'), read('src/words.sh')],
      [edit('src/greet.sh', '$hello', '$word'), edit('src/words.sh', 'hello=', 'word=')],
      [test],
      [read('src/greet.sh')],
    ],
  },
  {
    task: 'add a file with its test',
    kind: 'edit',
    turns: [
      [read('README.md'), read('test.sh')],
      [
        write('src/bye.sh', '. src/words.sh\necho "$bye, $1!"\n'),
        write('test-bye.sh', 'test "$(sh src/bye.sh Ada)" = "Goodbye, Ada!" && echo passed\n'),
      ],
      [bash('sh test.sh && sh test-bye.sh')],
    ],
  },
  {
    task: 'mend a failing test',
    kind: 'edit',
    turns: [
      [bash('sh test-all.sh || echo there is none')],
      [read('test.sh'), read('test-bye.sh')],
      [write('test-all.sh', 'sh test.sh && sh test-bye.sh\n')],
      [bash('sh test-all.sh')],
    ],
  },
];

/** What one task cost, from the ledger alone. */
function figure({ task, kind, turns }: Script, entries: readonly Entry[], from: number) {
  const mine = entries.filter((e) => e.seq > from);
  const actions = mine.filter((e) => e.kind === 'requested').map((e) => JSON.parse(e.body) as Action);
  const of = (id: string, what: string) => mine.find((e) => e.action === id && e.kind === what);
  const given = mine.flatMap((e) => grantOf(e) ?? []);
  const wide = given.filter((g) => g.kind === 'lease' && !g.args['acts']).length;
  const strays = actions.filter(({ id, class: risk }) => {
    const leased = of(id, 'leased');
    if (!leased) return false;
    const { lease } = JSON.parse(leased.body) as { lease: string };
    const grant = given.find((g) => g.id === lease);
    return !grant || (grant.kind === 'reads' && risk !== 'read');
  });
  const unfinished = actions.filter(({ id }) => !of(id, 'succeeded') && !of(id, 'applied'));
  if (unfinished.length > 0) throw new Error(`${task}: ${unfinished.length} of its actions did not succeed`);
  const calls = actions.filter((a) => a.class !== 'control').length;
  const made = turns.flat().filter(([tool]) => tool !== 'plan').length;
  if (calls !== made) throw new Error(`${task}: ${calls} of its ${made} calls were made`);
  return {
    bench: 'cards',
    task,
    kind,
    cards: actions.filter(({ id }) => of(id, 'posted')).length,
    calls,
    wildcards: wide + strays.length,
  };
}

async function play(phone: Phone, ledger: Ledger, script: Script): Promise<ReturnType<typeof figure>> {
  await hears(phone, '!new', 'New task');
  const from = (await ledger.since(0)).at(-1)?.seq ?? 0;
  const lines = script.turns.flatMap((calls) =>
    calls.map(([tool, args], i) => `${i === 0 ? '!call' : '!with'} ${tool} ${JSON.stringify(args)}`),
  );
  await phone.say([`Please ${script.task}.`, ...lines, `!say I did ${script.task}.`].join('\n'));
  await sees(phone, `I did ${script.task}.`, 60);
  return figure(script, await ledger.since(0), from);
}

const json = process.argv.includes('--json');
process.stderr.write('bench cards: starting an instance of its own\n');
const instance = await startInstance({ model: 'scripted' });
let phone: Phone | undefined;
try {
  phone = await pairedPhone({ address: instance.address, ...instance.owner, home: instance.home });
  const ledger = await ledgerOf(instance);
  const stop = approveAll(phone);
  const made = await askAndSee(phone, `!run ${repository}`);
  await endsWith(phone, made, 'exit 0', 30);
  for (const script of scripts) {
    const f = await play(phone, ledger, script);
    console.log(
      json
        ? JSON.stringify(f)
        : `${f.task} (${f.kind}): ${f.cards} cards for ${f.calls} calls, ${f.wildcards} wildcards`,
    );
    if (f.cards <= most[f.kind] && f.wildcards === 0) continue;
    process.stderr.write(`bench cards: ${f.task} took more cards than ${most[f.kind]}, or a wildcard\n`);
    process.exitCode = 1;
  }
  stop();
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await phone?.close();
  await instance.destroy();
}
process.exit();
