/** Files between phone and workspace, by commands that decide themselves and, where they may not, by a card. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { auditLedger } from '../../ledger/audit/audit.ts';
import { approve, askAndSee, endsWith, fileOf, hears, sees } from '../harness/answers.ts';
import { attachment } from '../harness/attachment.ts';
import { type Rig, startRig } from '../harness/rig.ts';
import { until } from '../harness/wait.ts';

let rig: Rig;
before(async () => {
  rig = await startRig();
});
after(async () => {
  await rig?.stop();
});

/** The action that this event decided, once it is over. */
async function decidedBy(event: string): Promise<{ kinds: string[]; approval: Record<string, unknown> }> {
  const approved = await until(`what ${event} decided`, async () =>
    (await rig.entries('approved')).find((e) => e.body.includes(event)),
  );
  await rig.reached(approved.action, 'succeeded', 'failed');
  const { grade, evidence } = JSON.parse(approved.body) as { grade: string; evidence: object };
  return { kinds: await rig.storyOf(approved.action), approval: { grade, ...evidence } };
}
const ran = ['requested', 'posted', 'approved', 'claimed', 'running', 'succeeded'];

test('a file that is sent lands in uploads and comes back byte for byte, without a card', async () => {
  const bytes = randomBytes(2_600_000);
  for (const [i, path] of ['uploads/photo-1.jpg', 'uploads/photo-1-2.jpg'].entries()) {
    const content = await attachment(rig.phone, rig.homeserver.url, 'photo 1.jpg', bytes);
    const event = await rig.phone.send('m.room.message', content);
    await sees(rig.phone, `wrote 2600000 bytes to /workspace/${path}`);
    const { kinds, approval } = await decidedBy(event);
    assert.deepEqual(kinds, ran);
    assert.deepEqual(
      [approval['grade'], approval['form'], approval['device'], approval['user']],
      ['signed', 'command', rig.phone.device, rig.phone.user],
    );
    await rig.phone.say(`!get ${path}`);
    const name = path.split('/')[1] ?? '';
    assert.ok(bytes.equals(await fileOf(rig.phone, rig.homeserver.url, name)), String(i));
  }
  assert.equal(rig.phone.cards().length, 0);
});

test('32 MiB come and go, an empty file too; one byte more, a voice message and a location have their sentence', async () => {
  const { phone, homeserver } = rig;
  const bytes = randomBytes(32 << 20);
  await phone.send('m.room.message', await attachment(phone, homeserver.url, 'all.bin', bytes));
  await sees(phone, 'wrote 33554432 bytes to /workspace/uploads/all.bin', 60);
  await phone.say('!get uploads/all.bin');
  assert.ok(bytes.equals(await fileOf(phone, homeserver.url, 'all.bin')));
  const empty = await attachment(phone, homeserver.url, 'empty.txt', Buffer.alloc(0));
  await phone.send('m.room.message', empty);
  await sees(phone, 'wrote 0 bytes to /workspace/uploads/empty.txt');

  const lying = await attachment(phone, homeserver.url, 'more.bin', Buffer.concat([bytes, Buffer.from('x')]));
  await phone.send('m.room.message', { ...lying, info: { size: 1 } });
  await sees(phone, 'A file of more than 32 MiB');
  const voice = { ...empty, msgtype: 'm.audio', 'org.matrix.msc3245.voice': {} };
  await phone.send('m.room.message', voice);
  await sees(phone, 'nobody here can hear it');
  await phone.send('m.room.message', { msgtype: 'm.location', body: 'here', geo_uri: 'geo:1,2' });
  await sees(phone, 'A location is not looked at here');
  const { file: _, ...open } = empty;
  await phone.send('m.room.message', { ...open, url: 'mxc://x/y' });
  await sees(phone, 'That file was not encrypted');
  const asked = (await rig.entries('requested')).filter((e) => e.body.includes('put_file'));
  assert.equal(asked.filter((e) => /all\.bin|more\.bin|empty/.test(e.body)).length, 2);
});

test('what was tampered with is not taken: the file is not what its message says', async () => {
  const content = await attachment(rig.phone, rig.homeserver.url, 'x.txt', Buffer.from('genuine'));
  const { file } = await attachment(rig.phone, rig.homeserver.url, 'x.txt', Buffer.from('another'));
  await rig.phone.send('m.room.message', { ...content, file: { ...content.file, url: file['url'] } });
  await sees(rig.phone, '⚠️');
  await rig.phone.send('m.room.message', content);
  await sees(rig.phone, 'wrote 7 bytes to /workspace/uploads/x.txt');
  assert.equal((await rig.entries('requested')).filter((e) => e.body.includes('x.txt')).length, 1);
});

test('!files and !diff are read in the room; what is long goes along as a file, what cannot be done is said', async () => {
  const listed = await hears(rig.phone, '!files', 'uploads/');
  assert.match(
    listed,
    /^#\d+ ✅ done(?: \(.* s\))?\n\| uploads\/\napproved by owner \(signed, command\) · ⛓ \d+ [0-9a-f]{12}$/,
  );
  assert.match(await hears(rig.phone, '!files uploads', 'x.txt'), /\| x\.txt {2}7 bytes$/m);
  assert.match(await hears(rig.phone, '!get nowhere', 'No such file'), /^#\d+ ⚠️ exit \d+/);
  assert.match(await hears(rig.phone, '!get ../../etc/passwd', '".."'), /nothing was run/);
  const card = await askAndSee(rig.phone, `!run seq 100 > 'a\u202eb'; rm -r uploads/photo* uploads/all.bin`);
  await approve(rig.phone, card);
  await endsWith(rig.phone, card, 'exit 0');
  const diff = await hears(rig.phone, '!diff', 'nothing was imported here');
  assert.match(diff, / uploads\/x\.txt +\| +1 \+/);
  assert.ok(!/\u202e/.test(diff));
  const number = /#(\d+) /.exec(diff)?.[1];
  const whole = await fileOf(rig.phone, rig.homeserver.url, `diff-${number}.html`);
  assert.match(whole.toString(), /<div class="a"><b>100<\/b><span>\+100<\/span><\/div>/);
  assert.ok(
    whole.includes('a\\u{202E}b') || whole.includes('a\\342\\200\\256b'),
    'of the name what hides is seen',
  );
  await rig.phone.say('!export');
  const patch = await fileOf(rig.phone, rig.homeserver.url, 'main.patch');
  assert.match(patch.toString(), /^diff --git /);
});

test('frozen, a command gets a card that takes no answer; thawed, it decides again', async () => {
  await hears(rig.phone, '!freeze', 'Frozen');
  const card = await askAndSee(rig.phone, '!files');
  await approve(rig.phone, card);
  await sees(rig.phone, 'everything is frozen: nothing was run');
  await (await rig.ledger.connect('operator')).append({ kind: 'thawed', body: {} });
  await sees(rig.phone, 'Thawed at the console');
  await hears(rig.phone, '!files', 'approved by owner (signed, command)');
  const posted = (await rig.entries('posted')).find((e) => e.body.includes(card.id));
  assert.deepEqual(await rig.storyOf(posted?.action ?? ''), ['requested', 'posted']);
});

test('the ledger takes no command for a script, though the bot’s own identity writes it', async () => {
  const card = await askAndSee(rig.phone, '!run echo forged > forged');
  const posted = await until('its entry', async () =>
    (await rig.entries('posted')).find((e) => e.body.includes(card.id)),
  );
  const { digest } = JSON.parse(posted.body) as { digest: string };
  const bot = await rig.ledger.connect('bot');
  const evidence = { user: rig.phone.user, device: rig.phone.device, event: card.id, form: 'command' };
  const forged = { kind: 'approved', action: posted.action, body: { digest, grade: 'signed', evidence } };
  await assert.rejects(bot.append(forged), { code: 'command' });
  await approve(rig.phone, card);
  await endsWith(rig.phone, card, 'exit 0');
  const report = await auditLedger(rig.audit);
  assert.equal(report.off, undefined, 'the whole story stands');
});
