/** `agents/*.md`: what a helper's file says, and what refuses the start. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { usualTools } from '../../bot/src/agents.ts';
import { serviceFiles } from '../../console/engine/services.ts';
import { Fault } from '../../console/fault.ts';
import { readAgents } from '../../console/instance/agents-file.ts';
import { openInstance } from '../../console/instance/instance.ts';
import { checkout } from '../../console/instance/paths.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'pocketcoder-unit-'));
  mkdirSync(join(home, 'agents'));
  process.env['POCKETCODER_HOME'] = home;
});
afterEach(() => {
  delete process.env['POCKETCODER_HOME'];
  rmSync(home, { recursive: true, force: true });
});
const put = (name: string, text: string) => writeFileSync(join(home, 'agents', name), text);
const well = '---\ndescription: Writes tests.\n---\nYou write tests.\n';

test('a file is a helper, by its name, and reaches the bot; what is no .md file, and no folder, is nothing', async () => {
  put(
    'fix.md',
    '---\r\ndescription: Mends.\r\nmodel: fast\r\nbudget: 20000\r\ntools: [bash, handoff]\r\n---\r\n\r\nMend.\r\n--- no end\r\n',
  );
  put('tests.md', well);
  put('README.txt', 'nothing');
  const agents = readAgents(home, ['fast', 'deep']);
  assert.deepEqual(agents, [
    {
      name: 'fix',
      description: 'Mends.',
      model: 'fast',
      budget: 20_000,
      tools: ['bash', 'handoff'],
      words: 'Mend.\r\n--- no end',
    },
    { name: 'tests', description: 'Writes tests.', tools: usualTools, words: 'You write tests.' },
  ]);
  assert.ok(!usualTools.includes('handoff') && !usualTools.includes('assign') && usualTools.includes('bash'));
  rmSync(join(home, 'agents', 'fix.md'));
  const bot = async () =>
    JSON.parse(
      serviceFiles(await openInstance(false), new Map()).find(({ name }) => name === 'bot.json')?.content ??
        '',
    ).agents;
  assert.deepEqual(await bot(), agents.slice(1));
  rmSync(join(home, 'agents'), { recursive: true });
  assert.equal(await bot(), undefined);
});

for (const [what, name, text, says] of [
  ['a name that is none', 'My Helper.md', well, /My Helper\.md: its name must be small letters/],
  ['no front matter', 'a.md', 'You write.', /a\.md: it must begin with front matter/],
  ['front matter without an end', 'a.md', '---\ndescription: a\n', /a\.md: it must begin with front matter/],
  ['front matter that is no YAML', 'a.md', '---\n[\n---\nw\n', /a\.md: /],
  ['no description', 'a.md', '---\n---\nw\n', /a\.md: description must be one line/],
  ['a setting that is none', 'a.md', '---\ndescription: a\nspend: 1\n---\nw\n', /a\.md: there is no "spend"/],
  ...['999', '1.5', '5 $'].map(
    (budget) =>
      [
        `a budget of ${budget}`,
        'a.md',
        `---\ndescription: a\nbudget: ${budget}\n---\nw\n`,
        /a\.md: budget must be a whole number of tokens, 1000 or more/,
      ] as const,
  ),
  [
    'a model that is none',
    'a.md',
    '---\ndescription: a\nmodel: big\n---\nw\n',
    /a\.md: there is no model "big": there is fast/,
  ],
  [
    'a tool that is none',
    'a.md',
    '---\ndescription: a\ntools: [bash, sudo]\n---\nw\n',
    /a\.md: tools must be a list of some of bash,/,
  ],
  [
    'its result among its tools',
    'a.md',
    '---\ndescription: a\ntools: [result]\n---\nw\n',
    /a\.md: tools must/,
  ],
  ['no words', 'a.md', '---\ndescription: a\n---\n \n', /a\.md: below its front matter it must say/],
  ['too many words', 'a.md', `${well}${'a'.repeat(20_000)}`, /a\.md: it has more than 16384 bytes/],
] as const)
  test(`${what} refuses the start, with one sentence that names the file`, () => {
    put(name, text);
    assert.throws(
      () => readAgents(home, ['fast']),
      (error) =>
        error instanceof Fault &&
        says.test(error.message) &&
        /\. Nothing was started or changed: correct the file/.test(error.message) &&
        !error.message.includes('\n'),
    );
  });

test('more than twelve refuse the start', async () => {
  for (let i = 0; i < 13; i++) put(`a${i}.md`, well);
  await assert.rejects(openInstance(false), /there are 13 helpers, at most 12/);
});

test('the examples in config/agents are helpers', () => {
  const from = join(checkout, 'config/agents');
  const files = readdirSync(from);
  for (const file of files) put(file, readFileSync(join(from, file), 'utf8'));
  assert.deepEqual(
    readAgents(home, []).map(({ name }) => `${name}.md`),
    files.sort(),
  );
});
