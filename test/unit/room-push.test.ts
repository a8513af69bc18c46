/** What follows the look that `!push` takes: a card for exactly that, to the repository that the workspace came from. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from '../../bot/src/approval/view.ts';
import type { Whole } from '../../bot/src/room/output.ts';
import { createPush, repositories, repositoryOf } from '../../bot/src/room/push.ts';
import { toText } from '../../bot/src/show/blocks.ts';
import { chipCard } from '../../bot/src/show/card.ts';
import { defaultPolicy } from '../../ledger/rules/policy.cjs';
import { type Asked, makeAction } from '../../ledger/src/action.ts';
import { secrets } from '../harness/shown.ts';

const commit = '0123456789abcdef0123456789abcdef01234567';
const commits = 'commits since the import: 1\n0123456 Mend it\n';

function scene(origin = 'git@github.com:o/r.git') {
  const asked: { asked: Asked; id: string }[] = [];
  const said: string[] = [];
  const push = createPush({
    desk: {
      async ask(what, { id = '' } = {}) {
        asked.push({ asked: what, id });
        return { action: id, number: 9 };
      },
    },
    book: { page: (id) => (asked.some((a) => a.id === id) ? ({} as Page) : undefined) },
    repository: repositories({ origin: () => origin || undefined }, () => ({
      ...{ LAB: 'gitlab.com', HUB: 'github.com', MORE: 'github.com' },
    })),
    say: async (_, text) => said.push(text),
  });
  const over = (kind: string, text: string, more: Partial<Whole> = {}) => {
    const first = Buffer.from(text);
    const action = { id: 'x', kind, args: {}, workspace: 'main', task: 't', requester: '@ann:home' };
    return push(
      { action } as unknown as Page,
      { state: 'succeeded', size: first.length, first, ...more } as Whole,
    );
  };
  return { asked, said, over };
}
const looked = `main\n${commit}\n${commits}`;

test('the card names repository, branch, commit, what it brings and the secret, for who looked, and once', async () => {
  const s = scene();
  await s.over('push_look', looked);
  await s.over('push_look', looked);
  const [one, ...more] = s.asked;
  assert.ok(one && more.length === 0);
  const repository = { host: 'github.com', path: '/o/r.git', ssh: 'git@github.com:o/r.git' };
  const args = { ...repository, secret: 'HUB', branch: 'main', commit, commits };
  const where = { workspace: 'main', task: 't', requester: '@ann:home' };
  assert.deepEqual(one.asked, { kind: 'push', args, ...where });
  const action = makeAction(one.asked, defaultPolicy);
  assert.deepEqual([action.class, action.grade], ['network', 'signed']);
  const text = toText(chipCard(action, secrets));
  for (const words of [
    'https://github.com/o/r.git',
    'git@github.com:o/r.git',
    'to its branch, never by force',
    commit,
    '0123456 Mend it',
    '🔑 HUB is shown to github.com, not to the agent',
    'up to 500 MB can leave, within 10 min',
  ])
    assert.ok(text.includes(words), `${words} in ${text}`);
  assert.deepEqual(s.said, []);
});

test('nothing is asked where the look failed or was not whole, there is no repository, or no secret for its host', async () => {
  const s = scene();
  await s.over('push_look', looked, { state: 'failed' });
  await s.over('bash', looked);
  assert.deepEqual(s.said, []);
  await s.over('push_look', looked, { size: 100_000 });
  await s.over('push_look', 'main\n');
  const none = scene('');
  await none.over('push_look', looked);
  const elsewhere = scene('https://example.org/r.git');
  await elsewhere.over('push_look', looked);
  assert.deepEqual([...s.asked, ...none.asked, ...elsewhere.asked], []);
  const words = [...s.said, ...none.said, ...elsewhere.said].map((one) => /push: (.*?)[.:] /.exec(one)?.[1]);
  const unknown = 'what it brings is not known';
  const came = 'this workspace did not come from a repository';
  assert.deepEqual(words, [unknown, unknown, came, 'there is no secret for example.org']);
});

test('ssh addresses of hosts that are known stand for https; what is neither is refused in words', () => {
  for (const [origin, at] of [
    ['https://example.org/a/b.git', 'example.org /a/b.git'],
    ['git@github.com:o/r.git', 'github.com /o/r.git'],
    ['ssh://git@gitlab.com/g/s/r', 'gitlab.com /g/s/r'],
    ['codeberg.org:o/r', 'codeberg.org /o/r'],
  ] as const) {
    const { host, path, ssh } = repositoryOf(origin);
    assert.deepEqual([`${host} ${path}`, ssh], [at, origin.startsWith('https') ? undefined : origin]);
  }
  const others = ['git@example.org:o/r', 'ssh://git@github.com:22/o/r', 'http://github.com/o/r', 'file:///r'];
  for (const origin of [...others, 'https://example.org:8443/r', '/home/me/r', 'git@github.com.evil.org:o/r'])
    assert.throws(() => repositoryOf(origin), /is not at https on port 443/, origin);
});

test('what was fetched is merged by a card for exactly that commit into exactly that, which says what it brings and runs nothing of it', async () => {
  const s = scene();
  const own = 'b'.repeat(40);
  const brings = 'commits that main lacks: 1\n0123456 Mend it\r$(touch x)\n a | 2 +-\n';
  await s.over('pull', `main\n${commit}\ninto ${own}\n${brings}`);
  const [{ asked } = assert.fail()] = s.asked;
  assert.ok(asked.kind === 'bash' && asked.requester === '@ann:home');
  const lines = asked.args.script.split('\n');
  assert.equal(lines.pop(), `exec /usr/lib/pocketcoder/workspace.sh merge ${own} ${commit}`);
  assert.ok(lines.length === 4 && lines.every((line) => line.startsWith('# ')));
  const cut = scene();
  await cut.over('pull', '');
  await cut.over('pull', `main\n${commit}\n${brings}`);
  assert.match(cut.said[0] ?? '', /^Not asked to merge: what it brings is not known/);
  assert.match(cut.said[1] ?? '', /^Not asked to merge: what it is merged into is not known/);
});
