/** The timeline in a real Chromium, on a real ledger. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { type Action, digestOf, sha256 } from '../../ledger/src/action.ts';
import type { Identity, Ledger } from '../../ledger/src/client.ts';
import { startBrowser, withoutBrowser } from '../harness/browser.ts';
import { startLedger, type TestLedger } from '../harness/ledger.ts';
import { enrol, someAction, type Wanted, wayOf } from '../harness/ledger-chain.ts';
import { until } from '../harness/wait.ts';

const skip = withoutBrowser;
let ledger: TestLedger;
let browser: Browser;
let page: Page;
const writers = new Map<string, Ledger>();
const odd: string[] = [];
const put = async ({ author, ...entry }: Wanted) => void (await writers.get(author)?.append(entry));
const scriptOf = (script: string) => someAction({ args: { script, cwd: '.', env: {}, timeout: 60 } });
const resultOf = (action: Action, output: string): Wanted => {
  const [bytes, digest] = [Buffer.byteLength(output), digestOf(action)];
  const body = { digest, exit: 0, signal: null, bytes, sha256: sha256(output), output };
  return { author: 'executor', kind: 'succeeded', action: action.id, body };
};
const hostile =
  'echo "<img src=x onerror=document.title=1>" # </script><script>document.title=2</script>\u202Egpj';
const attacker = scriptOf(hostile);
const runs = scriptOf('sleep 60');

async function open(token: string): Promise<void> {
  await page.goto('about:blank');
  await page.goto(`${ledger.url}/#token=${token}`);
}
async function look(): Promise<string> {
  const response = await fetch(`${ledger.url}/api/collections/auditor/auth-with-password?look`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ identity: 'auditor@ledger.invalid', password: ledger.passwords.auditor }),
  });
  return ((await response.json()) as { token: string }).token;
}
const says = (selector: string, text: string | RegExp) =>
  page.locator(selector).filter({ hasText: text }).first().waitFor({ timeout: 30_000 });
/** The card or place that has the focus, once it has. */
const focusIs = (id: string, of = page) => of.locator(`#${id}:focus`).waitFor({ timeout: 30_000 });
const cards = (count: number) =>
  until(`${count} cards`, async () => (await page.locator('#feed > li').count()) === count);

before(async () => {
  if (skip) return;
  ledger = await startLedger();
  browser = await startBrowser();
  for (const name of ['bot', 'executor', 'operator'] satisfies Identity[])
    writers.set(name, await ledger.connect(name));
  page = await browser.newPage({ viewport: { width: 390, height: 844 } });
  page.on('pageerror', (error) => odd.push(String(error)));
  page.on('request', (request) => {
    if (!request.url().startsWith(ledger.url)) odd.push(request.url());
  });
});
after(() => Promise.all([browser?.close(), ledger?.stop()]));

test('without a token it says how to be let in, and with one that is over', { skip }, async () => {
  await page.goto(ledger.url);
  await says('#out', './pocketcoder timeline');
  await open('aaaa.bbbb.cccc');
  await says('#out', './pocketcoder timeline');
  await says('#trouble', 'The time to look is over.');
});

test('an empty ledger says so, and what is asked then appears by itself, with its end', {
  skip,
}, async () => {
  await open(await look());
  await says('#said', 'Nothing was asked yet.');
  assert.equal(await page.evaluate('location.hash'), '', 'the token is out of the address');
  await says('#live', /^live$/);
  for (const entry of [enrol, ...wayOf(attacker).slice(0, 5)]) await put(entry);
  await says('#now', '#1 bash runs');
  await put(resultOf(attacker, '<b>out</b>\n'));
  await says('article .state', 'succeeded');
  await says('#calm', 'Nothing runs');
  await says('article dd', /approved by @owner:home · device PHONE · sealed \(chip\) · after \d/);
});

test('a hostile script and its output stand there as text, and nothing of them ran', { skip }, async () => {
  const [script, wrote] = await page.locator('article pre').allTextContents();
  assert.equal(script, hostile.replace('\u202E', '\\u{202E}'));
  assert.equal(wrote, '<b>out</b>\n');
  assert.equal(await page.locator('article img, article b, article script').count(), 0);
  assert.equal(await page.title(), 'Timeline · PocketCoder');
  const written = 'document.body.insertAdjacentHTML("beforeend", "<b>x</b>")';
  await assert.rejects(page.evaluate(written), /TrustedHTML/, 'the browser itself refuses markup');
});

test('what a file action replaces stands there as a difference, with signs and colours', {
  skip,
}, async () => {
  const args = {
    path: 'src/port.ts',
    old: 'const port = 80;\nlisten(port);',
    new: 'const port = 8080;\nlisten(port);',
  };
  const action = someAction({ kind: 'edit_file', class: 'write', args } as Partial<Action>);
  for (const entry of [...wayOf(action).slice(0, 5), resultOf(action, 'edited src/port.ts\n')])
    await put(entry);
  await says('h3', '#2 edit_file');
  const card = page.locator('article').first();
  const name = 'Difference: 1 lines added, 1 removed';
  await card.getByRole('group', { name }).waitFor();
  assert.deepEqual(await card.getByRole('deletion').allTextContents(), ['-const port = 80;\n']);
  assert.deepEqual(await card.getByRole('insertion').allTextContents(), ['+const port = 8080;\n']);
  const ground = (tag: string) => card.locator(tag).evaluate((row) => getComputedStyle(row).backgroundColor);
  assert.notEqual(await ground('ins'), await ground('del'));
});

test('older ones come as one scrolls, all of them looked at; found by text, number and state', {
  skip,
}, async () => {
  for (let i = 0; i < 20; i++) {
    const action = scriptOf(`echo "round ${i}"`);
    for (const entry of [...wayOf(action).slice(0, 5), resultOf(action, `${i}\n`)]) await put(entry);
  }
  for (const entry of wayOf(runs).slice(0, 5)) await put(entry);
  await open(await look());
  await says('#chain', /Entries \d+ to 138: each has the hash/);
  await page.evaluate('scrollTo(0, document.body.scrollHeight)'); // its end may have come into view by itself already
  await says('#chain', 'Entries 1 to 138');
  await cards(24);
  await page.fill('#text', 'echo "round 7"');
  await cards(1);
  await says('h3', '#10 bash');
  await page.fill('#text', '#1');
  await says('article pre', 'onerror');
  await page.fill('#text', '');
  await page.selectOption('#state', 'running');
  await says('article pre', 'sleep 60');
  await page.fill('#text', 'no such thing');
  await says('#said', 'Nothing was found.');
  await page.click('#clear');
  await says('h3', '#23 bash');
  await page.click('#now a');
  await focusIs('a23');
});

test('an address opens at its entry, however far down, and goes on from there; a token does not take it out', {
  skip,
}, async () => {
  await page.goto('about:blank');
  await page.goto(`${ledger.url}/#/5`);
  await focusIs('a1');
  await says('#chain', 'Entries 1 to 2');
  await says('#timeline-title', 'From entry 5 on, newest first');
  assert.equal(await page.evaluate('location.hash'), '#/5');
  await page.goto(`${ledger.url}/#3`);
  await focusIs('a3');
  await cards(4);
  await page.goto(`${ledger.url}/#/1`);
  await focusIs('e1');
  await page.goto(`${ledger.url}/#/999`);
  await says('#said', 'The ledger has no such entry.');
  await page.click('#clear');
  await says('h3', '#23 bash');
  assert.equal(await page.evaluate('location.hash'), '');
});

test('a link has no token: the page says what to do, opens at its entry once it has one, or another tab does', {
  skip,
}, async () => {
  const other = await browser.newContext();
  try {
    const tab = await other.newPage();
    await tab.goto(`${ledger.url}/#/9`);
    await tab.locator('#asked').filter({ hasText: 'holds no key to it' }).waitFor();
    await tab.locator('#out pre').filter({ hasText: './pocketcoder timeline' }).waitFor();
    await tab.goto(`${ledger.url}/#token=${await look()}`);
    await focusIs('a2', tab);
    assert.equal(await tab.evaluate('location.hash'), '#/9');
    const next = await other.newPage();
    await next.goto(`${ledger.url}/#3`);
    await focusIs('a3', next);
  } finally {
    await other.close();
  }
});

test('decisions are counted in a table of what is loaded, with bars that say nothing more', {
  skip,
}, async () => {
  await page.goto(ledger.url);
  await says('h3', '#23 bash');
  await page.click('#figures summary');
  await page.getByRole('row', { name: /^exec 2\d 0 0 0 / }).waitFor();
  await page.getByRole('row', { name: /^edit_file 1 0 0 0 / }).waitFor();
  assert.match(
    (await page.locator('#counted p').textContent()) ?? '',
    /^Of the \d+ actions that this page has loaded/,
  );
  assert.ok((await page.locator('#counted svg[aria-hidden=true]').count()) >= 3);
});

test('by keyboard alone one gets to the timeline, and everything to act on has a name', {
  skip,
}, async () => {
  await page.goto(ledger.url);
  await says('h3', '#23 bash');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await focusIs('timeline');
  const tree = await page.locator('body').ariaSnapshot();
  for (const part of ['banner', 'main', 'search', 'searchbox "Search what was asked"', 'region "Now"'])
    assert.ok(tree.includes(part), `${part} in\n${tree.slice(0, 2000)}`);
  assert.doesNotMatch(tree, /^\s*- (button|link|combobox|textbox)(:|$)/m, 'without a name');
});

test('where the ledger is gone it says so and goes on by itself; an entry that was changed is named', {
  skip,
}, async () => {
  await open(await look());
  await says('#live', /^live$/);
  const auditor = await ledger.connect('auditor');
  const all = await auditor.since(0);
  const [last] = all.slice(-1);
  assert.ok(last);
  await ledger.kill();
  await says('#live', 'trying again');
  await page.selectOption('#state', 'succeeded');
  await says('#trouble', 'The ledger does not answer.');
  await ledger.restart();
  await says('h3', '#22 bash');
  await page.locator('#trouble').waitFor({ state: 'hidden' });
  await ledger.put([{ ...last, author: 'bot' }], last.seq - 1);
  await page.click('#clear');
  await says('#chain.off', `Entry ${last.seq}: its content does not have the hash`);
});

test('it asked nobody but its ledger, and no script of it failed', { skip }, () => assert.deepEqual(odd, []));
