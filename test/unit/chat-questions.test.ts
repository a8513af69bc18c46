/** What an agent asks with options: one poll in its marked words, whose votes are words to its task and nothing else. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judge } from '../../bot/src/approval/gatekeeper.ts';
import { questionOver } from '../../bot/src/approval/words.ts';
import { questionIn } from '../../bot/src/gateway/ask.ts';
import { repliedTo } from '../../bot/src/room/replies.ts';
import { createQuestions } from '../../bot/src/tasks/questions.ts';
import type { Content, Evidence, Taken } from '../../bot/src/types.ts';
import { asked, log, type Posted, room, startDesk } from '../harness/desk.ts';
import { owner, person } from '../harness/ledger-chain.ts';

type Poll = { question: { body: string }; answers: ({ id: string } & Content)[] };
const start = 'org.matrix.msc3381.poll.start';
const colours = { question: 'Which colour?\n#9 is approved', options: ['red', '!run touch owned', 'yes'] };

function scene(posting?: (p: Posted) => void) {
  const d = startDesk(posting ? { posting } : {});
  const polls = () => d.posted.filter(({ type }) => type === start);
  const poll = () => polls().at(-1)?.content[start] as Poll;
  let events = 0;
  const event = (type: string, content: Content, over: Partial<Taken> = {}): Taken => ({
    ...{ room, encrypted: true, type, content },
    evidence: {
      ...{ sender: owner.user, device: owner.device, claimedEd25519: owner.ed25519 },
      ...{ curve25519: owner.curve25519, session: 'S', index: events },
    } as Evidence,
    ...over,
    wire: {
      ...{ type: 'm.room.encrypted', event_id: `$e${++events}`, sender: owner.user, origin_server_ts: 0 },
      ...{ content: {}, ...over.wire },
    } as Taken['wire'],
  });
  const vote = (id: string | undefined, over?: Partial<Taken>) =>
    event(
      'org.matrix.msc3381.poll.response',
      { 'org.matrix.msc3381.poll.response': { answers: [id] } },
      over,
    );
  const says = (body: string) => event('m.room.message', { msgtype: 'm.text', body });
  const ends = () => d.posted.filter(({ type }) => type.endsWith('poll.end')).map(({ content }) => content);
  return { ...d, polls, poll, vote, says, ends };
}
const settled = () => new Promise(setImmediate);

test('a question is one poll, in the agent’s marked words; a second one waits until it is answered', async () => {
  const s = scene();
  assert.match(await s.questions.put('task', colours), /^ASKED: .* End your turn/);
  assert.match(await s.questions.put('task', colours), /^NOT ASKED: your last question still waits/);
  assert.match(await s.questions.put('other', colours), /^ASKED/, 'another task’s');
  assert.equal(s.polls().length, 2);
  const [{ content } = assert.fail()] = s.polls();
  const { question, answers } = content[start] as Poll;
  assert.equal(
    question.body,
    '❓ agent asks:\n> Which colour?\n> #9 is approved\nvote, or answer in words: no answer lets anything run',
  );
  assert.deepEqual(
    answers.map((a) => a['org.matrix.msc1767.text']),
    colours.options,
  );
  assert.deepEqual(content['m.mentions'], { user_ids: [owner.user] });
  assert.equal(
    new Set([...answers, ...s.poll().answers].map(({ id }) => id)).size,
    6,
    'nobody knows them before',
  );
  const replied = { ...s, conversation: { heardIn: () => undefined } } as never;
  const { task } = await repliedTo(replied, room, { replyTo: s.questions.of('task')?.event ?? '' });
  assert.equal(task, 'task', 'a reply to it goes to its task');
  s.questions.close('task', 'answered in words');
  await settled();
  assert.equal(s.ends()[0]?.['org.matrix.msc1767.text'], 'answered in words');
  assert.match(await s.questions.put('task', colours), /^ASKED/);
  s.stop();
});

test('attack-67 an option that is a command, a yes or a card’s code is words to the agent, whoever wrote it; the same said is what it says', async () => {
  const s = scene();
  const { action } = await s.desk.ask(asked('echo'));
  const card = s.secrets.get(action);
  const options = [
    '!run touch owned',
    '!stop',
    'yes',
    '✅',
    String(card?.key),
    `ok.${card?.digest}.${card?.nonce}`,
  ];
  await s.questions.put('task', { question: 'Approve #1?', options });
  const { answers } = s.poll();
  for (const [i, { id }] of answers.entries()) {
    const verdict = await judge(s.vote(id), s.gate);
    assert.ok(verdict.do === 'choose', `${options[i]}: ${verdict.do}`);
    assert.deepEqual([verdict.option.text, verdict.option.task], [options[i], 'task']);
    await s.decide.take(s.vote(id));
  }
  assert.deepEqual(s.kinds(action), ['requested', 'posted']);
  const typed = await judge(s.says('!run touch owned'), s.gate);
  assert.ok(
    typed.do === 'hear' && typed.text.startsWith('!run'),
    'the genuine twin: a command where a person typed it',
  );
  s.stop();
});

test('attack-67 a vote counts from an enrolled device alone, in its own room, once: all others are nothing', async () => {
  const s = scene();
  await s.questions.put('task', colours);
  const [red] = s.poll().answers;
  const of = async (t: Taken) => (await judge(t, s.gate)).do;
  assert.equal(await of(s.vote(red?.id, { encrypted: false })), 'ignore');
  assert.equal(await of(s.vote(red?.id, { failed: 'no key' })), 'ignore');
  const { evidence } = s.vote(red?.id);
  assert.equal(
    await of(s.vote(red?.id, { evidence: { ...evidence, device: 'TABLET' } as Evidence })),
    'ignore',
  );
  assert.equal(await of(s.vote(red?.id, { wire: { sender: '@ann:home' } as Taken['wire'] })), 'ignore');
  assert.equal(await of(s.vote(red?.id, { room: '!other:x' as never })), 'ignore');
  for (const made of ['ask.1.1', `${red?.id}1`, '', `${red?.id}`.toLowerCase()])
    assert.equal(await of(s.vote(made)), 'ignore', made);
  const ann = { ...person('ann'), role: 'reads' };
  s.put({ author: 'operator', kind: 'identity.enrolled', body: ann });
  assert.equal(await of(s.vote(red?.id, { wire: { sender: ann.user } as Taken['wire'] })), 'ignore');
  assert.equal(await of(s.vote(red?.id)), 'choose', 'the genuine twin');
  s.questions.close('task', 'answered: red');
  const late = await judge(s.vote(red?.id), s.gate);
  assert.ok(late.do === 'tell' && late.why === questionOver, late.do);
  s.stop();
});

test('a poll that could not be sent is none; what a crash left half done is done once by the next run', async () => {
  let down = true;
  const s = scene(({ type }) => {
    if (down && type.includes('poll')) throw new Error('down');
  });
  assert.match(await s.questions.put('task', colours), /^NOT ASKED: .*Ask it in words/);
  assert.equal(s.questions.of('task'), undefined);
  down = false;
  const [{ number = 0 } = {}] = s.db.prepare('SELECT max(number) AS number FROM question').all();
  assert.equal(number, 1, 'no later question is under the id of one that may stand there all the same');
  await s.questions.put('task', colours);
  const before = s.poll().answers;
  s.db.exec('UPDATE question SET question = json_patch(question, \'{"event":""}\')'); // as it was before the post returned
  const again = createQuestions({
    ...{ db: s.db, matrix: s.matrix, log, roomOf: () => room, titleOf: () => 'Paint' },
    people: () => [owner.user],
  });
  again.resume();
  await settled();
  assert.deepEqual(s.poll().answers, before, 'the same poll, under the same id');
  assert.equal(new Set(s.polls().map(({ txn }) => txn)).size, 1);
  assert.notEqual(again.of('task')?.event, '');
  down = true;
  again.close('task', 'answered: red');
  await settled();
  assert.equal(s.ends().length, 0);
  down = false;
  again.resume();
  await settled();
  again.resume();
  await settled();
  assert.equal(s.ends().length, 1);
  s.stop();
});

test('what a model sends is a question with options that differ, or one sentence on what is wrong', () => {
  assert.deepEqual(questionIn(colours), colours);
  const { question, options } = colours;
  const wrong = [{}, { question }, { question: ' ', options }, { ...colours, more: 1 }, null];
  // What is not shown whole, or looks like another, is no option: its words would be told as the voter's.
  const long = `${'x'.repeat(119)} and`;
  const pairs = [
    ['a'],
    ['a', ' a'],
    ['a', ' '],
    [long, 'b'],
    [`${long} one`, `${long} two`],
    Array.from('abcdefghi'),
  ];
  for (const given of [...wrong, ...pairs.map((these) => ({ question, options: these }))])
    assert.ok('wrong' in questionIn(given), JSON.stringify(given));
  assert.ok(!('wrong' in questionIn({ question, options: ['x'.repeat(120), 'b'] })));
});
