/** The brain's `network` tool: names that people know become hosts, and a card says all of it in words. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from '../../bot/src/approval/view.ts';
import { heldBy, networkAsked, networkTool } from '../../bot/src/gateway/network.ts';
import { describeOutcome } from '../../bot/src/gateway/outcome.ts';
import { toText } from '../../bot/src/show/blocks.ts';
import { chipCard, poll } from '../../bot/src/show/card.ts';
import { defaultPolicy } from '../../ledger/rules/policy.cjs';
import { type EgressRule, makeAction } from '../../ledger/src/action.ts';
import { secrets } from '../harness/shown.ts';

const where = { workspace: 'main', task: 't' };
const bound = { TOKEN: 'example.org', NPM: 'registry.npmjs.org', PYPI: 'pypi.org' };
const rulesOf = (...to: unknown[]) => {
  const result = networkAsked(where, { to }, bound, []);
  return 'asked' in result && result.asked.kind === 'egress'
    ? result.asked.args.rules.map(({ secret, ...r }) =>
        [`${r.class} ${r.host}${r.path}`, ...(secret ? [secret] : [])].join(' with '),
      )
    : 'refused';
};

test('names and addresses become hosts with what may be asked of each; what is not plain is refused', () => {
  const table: [unknown, unknown][] = [
    ['npm', ['read registry.npmjs.org/']],
    ['pypi', ['read pypi.org/', 'read files.pythonhosted.org/']],
    ['https://example.org/data/', ['read example.org/data/']],
    ['https://example.org/a/b.git', ['git-fetch example.org/a/b.git']],
    ['push https://example.org/a/b', ['git-push example.org/a/b']],
    ['push https://example.org/a/b with TOKEN', ['git-push example.org/a/b with TOKEN']],
    ['https://example.org/a/b.git with TOKEN', ['git-fetch example.org/a/b.git with TOKEN']],
    ['npm with NPM', ['read registry.npmjs.org/ with NPM']],
    ...['npm with TOKEN', 'pypi with PYPI', 'https://example.org/ with TOKEN'].map(refused),
    ...['https://example.com/a.git with TOKEN', 'https://example.org/a.git with constructor'].map(refused),
    ...['constructor', '', 'http://example.org/', 'https://EXAMPLE.org/', 'https://u:p@example.org/'].map(
      refused,
    ),
    ...[
      'https://example.org:22/',
      'https://10.0.0.1/',
      'https://example.org/?q',
      'https://example.org/a/../b',
    ].map(refused),
    ...['https://example.org', 'push https://example.org/', 'https://localhost/', 'npm\n', 7].map(refused),
  ];
  for (const [to, rules] of table) assert.deepEqual(rulesOf(to), rules, String(to));
  assert.equal('wrong' in networkAsked(where, { to: ['npm'], up_mb: 0 }, {}, []), true);
  assert.equal('wrong' in networkAsked(where, { to: ['npm'], allowed: ['10/8'] }, {}, []), true);
  assert.equal(networkTool.inputSchema.type, 'object');
  // Who names none that there is hears which there are.
  const told = networkAsked(where, { to: ['https://example.com/a.git with MINE'] }, bound, []);
  assert.match('wrong' in told ? told.wrong : '', /the owner's are: TOKEN for example\.org, NPM for /);
});
function refused(to: unknown): [unknown, string] {
  return [to, 'refused'];
}

test('a card says where to, how much, how long, for whom and what can leave, in a poll as well', () => {
  const result = networkAsked(
    where,
    { to: ['npm', 'push https://example.org/a/b.git with TOKEN'] },
    bound,
    [],
  );
  assert.ok('asked' in result);
  const action = makeAction(result.asked, defaultPolicy);
  assert.equal(action.grade, 'signed');
  for (const text of [toText(chipCard(action, secrets)), JSON.stringify(poll(action, secrets, []).content)])
    for (const words of [
      'the agent wants to reach the network',
      'read, and nothing else, below',
      'https://registry.npmjs.org/',
      'push to the git repository, and fetch from it',
      'https://example.org/a/b.git',
      '🔑 TOKEN is shown to example.org, not to the agent',
      'up to 300 MB down and 1 MB up, for 1 h',
      'holds for everything in this task, also for what runs in the background',
      'a network lease that this task has already ends: this one takes its place',
      'up to 1 MB of what this task can read can leave to these hosts',
    ])
      assert.ok(text.includes(words), words);
});

test('a further lease says what the first lets through as well, each rule once; not what a removed secret was for, nor what would be too much', () => {
  const rulesAfter = (to: string[], held: EgressRule[], secrets = bound): string[] => {
    const result = networkAsked(where, { to }, secrets, held);
    if ('wrong' in result) return [result.wrong];
    return result.asked.kind === 'egress' ? result.asked.args.rules.map((r) => r.host + r.path) : [];
  };
  const rule = (host: string, path: string, secret?: string): EgressRule => ({
    ...{ host, port: 443, class: secret ? 'git-push' : 'read', path },
    ...(secret && { secret }),
  });
  const npm = rule('registry.npmjs.org', '/');
  const push = rule('example.org', '/a/b', 'TOKEN');
  assert.deepEqual(rulesAfter(['pypi'], [npm, push]), [
    ...['pypi.org/', 'files.pythonhosted.org/', 'registry.npmjs.org/', 'example.org/a/b'],
  ]);
  assert.deepEqual(rulesAfter(['npm'], [npm]), ['registry.npmjs.org/']);
  const [page1, other] = [rule('example.org', '/data/1'), rule('example.org', '/dat')];
  assert.deepEqual(rulesAfter(['https://example.org/data/'], [page1, other]), [
    'example.org/data/',
    'example.org/dat',
  ]);
  assert.deepEqual(rulesAfter(['npm'], [push], { ...bound, TOKEN: 'elsewhere.org' }), [
    'registry.npmjs.org/',
  ]);
  const many = Array.from({ length: 20 }, (_, i) => rule('example.org', `/${i}/`));
  assert.match(rulesAfter(['npm'], many)[0] ?? '', /20 at most with those that are open already/);

  const page = (id: string, task: string, rules: EgressRule[]) => ({
    action: { id, task, kind: 'egress', args: { rules } },
  });
  const pages = [page('asked', 't', [push]), page('open', 't', [npm]), page('other', 'u', [push])];
  const state = (id: string) => (id === 'asked' ? 'posted' : 'running');
  assert.deepEqual(
    heldBy({ unfinished: () => pages as unknown as Page[], state }, 't'),
    [npm],
    'what is open in this task alone',
  );
});

test('the agent hears that the way is open, and where a program looked for one in vain how to ask', () => {
  const failed = (output: string) =>
    describeOutcome('a', { state: 'failed', exit: 6, output, truncated: false });
  assert.match(failed('curl: (6) Could not resolve host: pypi.org\n'), /ask with the tool `network`/);
  assert.doesNotMatch(failed('1 test failed\n'), /network/);
  assert.match(describeOutcome('a', { state: 'open', output: '', truncated: false }), /network is open/);
});
