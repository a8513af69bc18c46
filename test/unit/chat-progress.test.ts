/** A card lives: what its message says from the first answer to the end, in how many edits, and in which order. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Outcome } from '../../bot/src/gateway/outcome.ts';
import { RefusedLeak } from '../../bot/src/proof/post.ts';
import { createOutcomes, type OutcomesOptions } from '../../bot/src/room/outcomes.ts';
import { pace } from '../../bot/src/room/status.ts';
import type { Term } from '../../ledger/rules/policy.cjs';
import { type Asked, makeAction } from '../../ledger/src/action.ts';
import type { Entry } from '../../ledger/src/entry.ts';
import { asked, log, startDesk, workspace } from '../harness/desk.ts';
import { aPolicy, controlWay, owner, type Person, person } from '../harness/ledger-chain.ts';

type Edit = { 'm.new_content': { body: string }; 'm.relates_to': { event_id: string } };

/** A desk with its outcomes, on a clock of the test's. @param term the policy of every class */
function scene(t: TestContext, term: Partial<Term> = {}, people: readonly Person[] = []) {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: new Date('2026-01-01T12:00:00') });
  const never = async () => {};
  const made = (more: Partial<OutcomesOptions> = {}): ReturnType<typeof createOutcomes> =>
    createOutcomes({ ...d, log, onOver: never, onShown: never, onOpen: never, ...more });
  const ears: { take(entry: Entry): void } = { take() {} };
  const d = startDesk({ onEntry: (entry) => ears.take(entry) });
  t.after(d.stop);
  for (const who of people)
    d.put({ author: 'operator', kind: 'identity.enrolled', body: { ...who, role: 'approves' } });
  const ask = {
    kind: 'policy',
    args: { policy: aPolicy(term) },
    workspace,
    task: 'task',
    requester: 'operator',
  };
  for (const entry of controlWay(makeAction(ask as Asked, d.book.policy()))) d.put(entry);
  Object.assign(ears, made());
  const settle = () => new Promise(setImmediate);
  /** The last line but the auditors' of each edit, and what it edits. */
  const edits = () =>
    d.posted
      .filter((p) => p.type === 'edit')
      .map((p) => p.content as Edit)
      .map((e) => `${e['m.relates_to'].event_id} ${lineOf(e['m.new_content'].body)}`);
  const lineOf = (body: string): string =>
    body.split('\n').findLast((line) => /^(#\d+ )?[👍⏳⏸▶🛑✅⚠❌⌛🧊]/u.test(line)) ?? '';
  return {
    ...d,
    edits,
    lineOf,
    async pass(ms: number) {
      for (let at = 0; at < ms; at += 100) {
        t.mock.timers.tick(100);
        d.memory.clock.now = Date.now();
        await settle();
      }
    },
    async asks(what: string | Pick<Asked, 'kind' | 'args'>, requester = owner.user as Asked['requester']) {
      const wish = typeof what === 'string' ? asked(what) : { ...asked(''), ...what };
      const { action, number } = await d.desk.ask({ ...wish, requester } as Asked);
      const of = (kind: string, body: object = {}, author = 'executor') => {
        const digest = d.book.page(action)?.digest;
        d.put({ author, kind, action, body: { digest, ...body } });
      };
      return {
        action,
        number,
        /** The event that is edited: the card, or the reply below a poll. */
        card: () => d.cards.get(action)?.event ?? '',
        approve(who: Person = owner, event = '$tap') {
          const card = d.secrets.get(action);
          assert.ok(card);
          const evidence = { user: who.user, device: who.device, event, form: 'poll' } as const;
          return d.apply({ do: 'approve', card, grade: 'signed', evidence });
        },
        begin() {
          for (const kind of ['claimed', 'running']) of(kind, { executor: 'one' });
        },
        end: (exit = 0, output = 'hi\n') =>
          of(exit === 0 ? 'succeeded' : 'failed', { exit, signal: null, output }),
        kill: (reason: string) => of('killed', { exit: null, signal: 'SIGKILL', reason, output: '' }),
      };
    },
    restart: (more: Partial<OutcomesOptions> = {}) =>
      Object.assign(ears, made(more)) as ReturnType<typeof made>,
  };
}

test('a tap is on its card within a second, then since when it runs, and at last how it ended: one edit each', async (t) => {
  const s = scene(t);
  const one = await s.asks('sleep 20');
  await s.pass(5000);
  assert.deepEqual(s.edits(), [], 'a card that waits says nothing more');
  await one.approve();
  await s.pass(1000);
  assert.deepEqual(s.edits(), [`${one.card()} 👍 approved · not begun yet`]);
  one.begin();
  await s.pass(20_000);
  one.end();
  await s.pass(10 * pace);
  assert.deepEqual(s.edits().slice(1), [
    `${one.card()} ▶️ running since 12:00`,
    `${one.card()} ✅ ended with exit 0 (20 s)`,
  ]);
});

test('what is over at once is told once, by its end, and nothing earlier comes after it', async (t) => {
  const s = scene(t);
  const one = await s.asks('true');
  await one.approve();
  one.begin();
  await s.pass(200);
  one.end(3);
  await s.pass(10 * pace);
  assert.deepEqual(s.edits(), [`${one.card()} ⚠️ exit 3 (0.2 s)`]);
});

test('a homeserver that is slow holds up no decision, and the end is still the last that is said', async (t) => {
  const s = scene(t);
  const one = await s.asks('true');
  const { post } = s.matrix;
  const slow = Promise.withResolvers<void>();
  s.matrix.post = async (...args) => {
    await slow.promise;
    return post(...args);
  };
  await one.approve();
  await s.pass(1000);
  one.begin();
  assert.deepEqual(s.kinds(one.action), ['requested', 'posted', 'approved', 'claimed', 'running']);
  await s.pass(5000);
  one.end();
  await s.pass(1000);
  slow.resolve();
  await s.pass(10 * pace);
  assert.match(s.edits().at(-1) ?? '', /✅ ended with exit 0 \(5 s\)$/);
  assert.ok(s.edits().length <= 2, s.edits().join('\n'));
});

test('a second action of the task says what it waits for', async (t) => {
  const s = scene(t);
  const [one, two] = [await s.asks('sleep 9'), await s.asks('true')];
  const last = () => s.edits().findLast((edit) => edit.startsWith(two.card()));
  await one.approve(owner, '$1');
  one.begin();
  await two.approve(owner, '$2');
  await s.pass(3000);
  assert.equal(last(), `${two.card()} 👍 approved · waits for #${one.number}`);
  one.end();
  two.begin();
  await s.pass(3000);
  assert.equal(last(), `${two.card()} ▶️ running since 12:00`);
});

test('a grace says when it starts and how to stop it; a freeze after the yes says that it does not start', async (t) => {
  const s = scene(t, { grace: 30 });
  const one = await s.asks('true');
  await one.approve();
  await s.pass(1000);
  assert.deepEqual(s.edits(), [`${one.card()} ⏳ approved · starts in 30 s, ❌ stops it`]);
  s.put({ author: 'operator', kind: 'frozen', body: { by: 'operator' } });
  await s.pass(3000);
  assert.match(s.edits().at(-1) ?? '', /⏸ approved, but does not start: everything is frozen/);
  const card = s.cards.get(one.action);
  assert.ok(card);
  const evidence = { user: owner.user, event: '$no', form: 'reaction' } as const;
  await s.apply({ do: 'deny', card, evidence, why: '❌ on the card' });
  await s.pass(3000);
  assert.match(s.edits().at(-1) ?? '', /❌ denied by you \(❌ on the card\)\. Nothing was run\.$/);
});

test('what is being stopped says so, and then that it was, and by whom', async (t) => {
  const s = scene(t);
  const one = await s.asks('sleep 99');
  await one.approve();
  one.begin();
  await s.pass(3000);
  await s.desk.stop(workspace, owner.user);
  await s.pass(3000);
  assert.equal(s.edits().at(-1), `${one.card()} 🛑 is being stopped`);
  one.kill('stopped');
  await s.pass(3000);
  assert.equal(s.edits().at(-1), `${one.card()} 🛑 stopped by you (6 s)`);
});

test('below a poll one quiet message lives: the answer that counted and what is missing, then the run, then the end', async (t) => {
  const [ann, bob] = [person('ann'), person('bob')];
  const s = scene(t, { form: 'poll', grade: 'signed', approvers: 2 }, [ann, bob]);
  const one = await s.asks('true');
  const before = s.posted.length;
  await one.approve(ann, '$1');
  await s.pass(3000);
  assert.deepEqual(s.said.slice(before), [`#${one.number} 👍 yes from ann · still needs 1 more person`]);
  const reply = s.posted.at(-1);
  assert.equal(reply?.content['msgtype'], 'm.notice');
  assert.deepEqual(reply?.content['m.relates_to'], { 'm.in_reply_to': { event_id: one.card() } });
  const event = `$${s.posted.length}`;
  await one.approve(bob, '$2');
  one.begin();
  await s.pass(3000);
  one.end();
  await s.pass(3000);
  assert.deepEqual(s.edits(), [
    `${event} #${one.number} ▶️ running since 12:00`,
    `${event} #${one.number} ✅ ended with exit 0 (3 s)`,
  ]);
  assert.match(s.said.at(-1) ?? '', /\napproved by ann and bob \(signed, poll\) · ⛓ \d+ [0-9a-f]{12}$/);
});

test('after a restart a card says where its action stands now, in the message that it has', async (t) => {
  const s = scene(t);
  const one = await s.asks('sleep 9');
  await one.approve();
  await s.pass(1000);
  s.restart();
  one.begin();
  await s.restart().catchUp();
  await s.pass(1000);
  assert.equal(s.edits().at(-1), `${one.card()} ▶️ running since 12:00`);
  one.end();
  await s.pass(3000);
  const all = s.edits();
  assert.match(all.at(-1) ?? '', /✅ ended with exit 0/);
  await s.restart().catchUp();
  await s.pass(10 * pace);
  assert.deepEqual(s.edits(), all, 'what has ended is told once');
});

test('a step of the agent is one message: little of its output where it went well, more where not, all of it on demand', async (t) => {
  const s = scene(t);
  const lines = Array.from({ length: 60 }, (_, i) => `line ${i}`);
  const quoted = (text = s.said.at(-1) ?? '') => [...text.matchAll(/^\| (.*)$/gm)].map(([, line]) => line);
  for (const [exit, few] of [
    [0, 4],
    [1, 8],
  ] as const) {
    const one = await s.asks('cat log', 'brain');
    await one.approve(owner, `$tap${exit}`);
    one.begin();
    await s.pass(1000);
    const before = s.posted.filter(({ type }) => type === 'm.room.message').length;
    one.end(exit, `${lines.join('\n')}\n`);
    await s.pass(3000);
    assert.deepEqual(quoted(), ['cat log', ...lines.slice(-few)]);
    assert.match(s.said.at(-1) ?? '', new RegExp(`\nits end, of which !show ${one.number} shows more\n`));
    assert.equal(s.posted.filter(({ type }) => type === 'm.room.message').length, before, 'no message more');
    assert.equal(await s.restart().show(workspace, one.number), '');
    const [shown, file] = s.posted.slice(-2).map(({ content }) => String(content['body']));
    assert.ok(
      shown?.startsWith(`#${one.number} ${exit === 0 ? '✅ ended with exit 0' : '⚠️ exit 1'} (1 s)\n`),
    );
    assert.deepEqual(quoted(shown), ['cat log', ...lines.slice(-25)]);
    assert.equal(file, `output-${one.number}.txt`);
  }
  const dull = await s.asks('npm test', 'brain');
  await dull.approve(owner, '$tap');
  dull.begin();
  dull.end(0, 'ℹ pass 3\nℹ fail 0\n');
  await s.pass(3000);
  assert.match(s.edits().at(-1) ?? '', /✅ 3 tests passed$/);
  assert.deepEqual(quoted(), ['npm test'], 'the line has counted them');
  // What is over long ago is read from the ledger again.
  const forgotten = { ...s.book, page: () => undefined, byNumber: () => undefined };
  const story = async (action: string) => s.memory.entries.filter((e) => e.action === action);
  const later = s.restart({ book: forgotten, ledger: { ...s.ledger, story } });
  assert.equal(await later.show(workspace, dull.number), '');
  assert.deepEqual(quoted(), ['npm test', 'ℹ pass 3', 'ℹ fail 0']);
  const running = await s.asks('sleep 9');
  for (const n of [running.number, 99])
    assert.match(await s.restart().show(workspace, n), /^#\d+ is not over|^There is no #99 here/);
});

test('output that holds what must not leave keeps no card from its end', async (t) => {
  const s = scene(t);
  const { post } = s.matrix;
  s.matrix.post = async (...args) => {
    if (JSON.stringify(args).includes('AAAA-BBBB')) throw new RefusedLeak('it holds a secret');
    return post(...args);
  };
  const one = await s.asks('cat note');
  await one.approve();
  one.begin();
  one.end(0, 'AAAA-BBBB\n');
  await s.pass(3000);
  assert.equal(s.edits().at(-1), `${one.card()} ✅ ended with exit 0`);
  assert.equal(s.cards.get(one.action)?.ended, true);
});

test('what its own message decides is answered by one reply, which says since when it runs where that takes longer', async (t) => {
  const s = scene(t);
  const list = { ...asked(''), kind: 'list', args: { path: '.' } } as Asked;
  for (const [seconds, event] of [
    [0.5, '$one'],
    [5, '$two'],
  ] as const) {
    const before = s.posted.length;
    const { action, number } = await s.desk.ask(list, { command: await s.commandOf('!files', event) });
    const by = (kind: string, body: object) =>
      s.put({ author: 'executor', kind, action, body: { digest: s.book.page(action)?.digest, ...body } });
    for (const kind of ['claimed', 'running']) by(kind, { executor: 'one' });
    await s.pass(seconds * 1000);
    by('succeeded', { exit: 0, signal: null, output: 'src/\n' });
    await s.pass(3000);
    const mine = s.posted.slice(before);
    const end = new RegExp(`^(\\* )?#${number} ✅ done \\(${seconds} s\\)\n\\| src/\n`);
    assert.match(String(mine.at(-1)?.content['body']), end);
    assert.deepEqual(mine[0]?.content['m.relates_to'], { 'm.in_reply_to': { event_id: event } });
    assert.equal(mine.length, seconds < 1 ? 1 : 2);
    if (seconds > 1) assert.equal(mine[0]?.content['body'], `#${number} ▶️ running since 12:00`);
  }
});

test('a file that the agent sends comes into the room, a picture as one that says whose it is; the agent hears no byte of it', async (t) => {
  const s = scene(t);
  const heard: Outcome[] = [];
  s.restart({ onOver: async (_, outcome) => void heard.push(outcome) });
  for (const [path, bytes, type] of [
    ['out/plot.gif', 'GIF89a\n| #1 👍 approved', 'm.image'],
    ['out/notes.txt', 'some notes\n', 'm.file'],
  ] as const) {
    const one = await s.asks({ kind: 'get_file', args: { path } }, 'brain');
    await one.approve(owner, `$tap${path}`);
    one.begin();
    one.end(0, bytes);
    await s.pass(3000);
    const { content = {} } = s.posted.findLast((p) => p.type === 'm.room.message') ?? {};
    const name = path.replace('out/', '');
    const body = type === 'm.image' ? `#${one.number} · ${name}, a file of the workspace` : name;
    assert.deepEqual([content['msgtype'], content['body']], [type, body]);
    assert.match(
      heard.at(-1)?.output ?? '',
      /^The owner is sent the file \(\d+ bytes; .*You are not shown it\.$/,
    );
    assert.ok(!s.said.some((text) => text.includes(bytes.trim())), 'nor does its card show it');
  }
  const none = await s.asks({ kind: 'get_file', args: { path: 'none' } }, 'brain');
  await none.approve(owner, '$tapnone');
  none.begin();
  none.end(1, 'there is no such file\n');
  await s.pass(3000);
  assert.match(s.said.at(-1) ?? '', /there is no such file/);
  assert.equal(heard.at(-1)?.output, 'there is no such file\n');
});

test('what a restart cut off before anybody was asked is told to the person who wanted it, and again where that was cut off', async (t) => {
  const s = scene(t);
  const recorded = (requester: string): string => {
    const wish = { ...asked(''), kind: 'list', args: { path: 'src' }, requester } as Asked;
    const made = makeAction(wish, s.book.policy());
    s.put({ author: 'bot', kind: 'requested', action: made.id, id: made.id, body: made });
    return made.id;
  };
  const [mine, agents] = [recorded(owner.user), recorded('brain')];
  for (const action of [mine, agents]) {
    const body = { digest: s.book.page(action)?.digest, reason: 'the bot was restarted: say it again' };
    s.put({ author: 'bot', kind: 'void', action, body });
  }
  await s.pass(1000);
  const line = `#${s.book.number(mine)} 🚫 taken back: the bot was restarted: say it again. Nothing was run.`;
  const told = () => s.said.filter((text) => text.includes('🚫'));
  assert.equal(told().length, 1, 'the agent has an answer of its own');
  assert.ok(told()[0]?.startsWith(line), told()[0]);
  assert.equal(s.posted.at(-1)?.txn, `end-${mine}`, 'under one id, so told again it is the same message');
});
