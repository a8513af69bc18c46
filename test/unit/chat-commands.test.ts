/** What a typed command asks for: its parameters come ready, in whatever order may be, and what is none of its ways does nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CommandContext } from '../../bot/src/room/commands/command.ts';
import { isControl, runCommand } from '../../bot/src/room/commands/table.ts';

const owner = '@owner:x';
/** Says it to a room of one owner with a phone and two tablets of one name. @returns the answer, and all that was asked or written */
async function says(line: string, role = 'owner'): Promise<{ answer: string; done: unknown[] }> {
  const done: unknown[] = [];
  const context = {
    ...{ workspace: 'main', user: owner, role },
    desk: {
      ask: async ({ kind, args }: { kind: string; args: object }) => void done.push([kind, args]),
      addPoll: (n: number) => `poll ${n}`,
      stop: async (_: string, __: string, task?: string) => (task ? 3 : 1),
    },
    ledger: {
      append: async ({ kind, body }: { kind: string; body: object }) => void done.push([kind, body]),
    },
    tour: { again: () => done.push('tour'), off: () => done.push('off'), did: () => {} },
    task: () => ({ id: 'task' }),
    conversation: {
      interrupt: async (_: string, task?: string) => void done.push(['interrupt', task]),
      newTask: (_: string, title: string, apart: boolean) => {
        done.push(['new', title, apart]);
        return { number: 3 };
      },
      taskOf: (_: string, n: number) => (n === 2 ? { id: 'second' } : undefined),
    },
    book: {
      byNumber: (n: number) =>
        n === 7 ? { action: { kind: 'list', args: { path: 'src' }, class: 'read' } } : undefined,
      standing: () => [{ number: 3, id: 'lease3' }],
      enrolled: () => [
        { user: owner, device: 'PHONE' },
        { user: owner, device: 'TABLET' },
        { user: '@ann:x', device: 'TABLET' },
      ],
    },
  } as unknown as CommandContext;
  return { answer: await runCommand(line, context), done };
}

const hour = 3600;
const ofCard = (uses: number, seconds: number) => [
  'lease',
  { acts: [{ kind: 'list', args: { path: 'src' } }], uses, seconds },
];
const below = (of: string, path: string, uses: number, seconds: number) => [
  'lease',
  { of, path, uses, seconds },
];
const revoked = (user: string, device: string) => ['identity.revoked', { user, device, by: owner }];

test('a command’s function gets what was written, ready', async () => {
  const cases: [line: string, done: unknown][] = [
    ['!run echo a.', ['bash', { script: 'echo a.', cwd: '.', env: {}, timeout: 600 }]],
    ['!RUN  a\n  b', ['bash', { script: 'a\n  b', cwd: '.', env: {}, timeout: 600 }]],
    ['!new', ['new', '', false]],
    ['!new fix --apart it', ['new', 'fix --apart it', false]],
    ['!new --apart', ['new', '', true]],
    ['!new —Apart fix\n it', ['new', 'fix\n it', true]],
    ['!new – apart: fix it', ['new', 'fix it', true]],
    ['!new -apart.', ['new', '', true]],
    ['!new apart', ['new', 'apart', false]],
    ['!lease 7', ofCard(10, hour)],
    ['!lease #7 5', ofCard(5, hour)],
    ['!lease 7 90m.', ofCard(10, 90 * 60)],
    ['!lease 7 2d 5', ofCard(5, 2 * 86400)],
    ['!lease read src 50 2h', below('read_file', 'src', 50, 2 * hour)],
    ['!lease WRITE / 30s', below('write_file', '', 10, 30)],
    ['!revoke 3', ['lease.ended', { lease: 'lease3', by: owner, reason: 'revoked' }]],
    ['!revoke PHONE', revoked(owner, 'PHONE')],
    ['!revoke @ann:x TABLET', revoked('@ann:x', 'TABLET')],
    ['!role @ann:x reads', ['role', { user: '@ann:x', role: 'reads' }]],
    ['!thaw please', ['thaw', {}]],
    ['!tour', 'tour'],
    ['!tour off!', 'off'],
  ];
  for (const [line, done] of cases) assert.deepEqual((await says(line)).done, [done], line);
});

test('what is none of a command’s ways does nothing, and its usage is told', async () => {
  const cases: [line: string, usage: string][] = [
    ['!run', '!run COMMAND'],
    ['!get', '!get PATH'],
    ['!poll', '!poll N'],
    ['!poll seven', '!poll N'],
    ['!poll 7 8', '!poll N'],
    ['!tour on', '!tour [off]'],
    ['!export zip', '!export [patch|bundle]'],
    ['!device', '!device DEVICE'],
    ['!role ann reads', '!role @USER:SERVER none|reads|asks|approves|owner'],
    ['!role @ann:x king', '!role @USER:SERVER none|reads|asks|approves|owner'],
    ['!revoke', '!revoke N, or !revoke [@USER:SERVER] DEVICE'],
    ...['!lease', '!lease 7 5 6', '!lease 7 5w', '!lease read', '!lease run src', '!lease read a b'].map(
      (line): [string, string] => [
        line,
        '!lease N [TIMES] [TIME], or !lease read|list|grep|write|edit PATH [TIMES] [TIME]',
      ],
    ),
  ];
  for (const [line, usage] of cases) {
    const answer = `Not understood, and nothing was done. It is written ${usage}.`;
    assert.deepEqual(await says(line), { answer, done: [] }, line);
  }
});

test('what names nothing that is there says so and does nothing', async () => {
  for (const [line, answer] of [
    ['!lease 8', /no action #8 to lease/],
    ['!revoke 4', /#4 stands/],
    ['!revoke TABLET', /More than one person/],
    ['!revoke LAPTOP', /no enrolled device of that name/],
    ['!role @bob:x reads', /@bob:x is not here/],
  ] as const) {
    const said = await says(line);
    assert.match(said.answer, answer, line);
    assert.deepEqual(said.done, [], line);
  }
  assert.match((await says('!revoke @ann:x TABLET', 'approves')).answer, /Only an owner/);
  assert.match((await says('!revoke PHONE', 'asks')).answer, /your role here is asks/);
});

test('!stop stops whatever stands behind it, before its message counts as taken; a task alone by its number', async () => {
  for (const line of ['!stop', '!stop .', '!Stop it all 1 2', '!stop #2']) {
    const { answer, done } = await says(line);
    assert.deepEqual([answer, done], ['Stopped: 1.', [['interrupt', undefined]]], line);
    assert.ok(isControl(line));
  }
  for (const line of ['!stop 2', '!stop 2.', '!STOP  2 ']) {
    const { answer, done } = await says(line);
    assert.deepEqual([answer, done], ['Stopped in task 2: 3.', [['interrupt', 'second']]], line);
    assert.ok(isControl(line));
  }
  const none = await says('!stop 7');
  assert.equal(none.answer, 'There is no task 7, so all were stopped. Stopped: 1.');
  assert.deepEqual(none.done, [['interrupt', undefined]]);
  assert.ok(!isControl('!stopp') && !isControl('stop') && !isControl('!run stop'));
});
