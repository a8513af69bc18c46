/** What `logs` shows of a line, whoever wrote it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lineOf, linesAbout, readable } from '../../console/care/logs.ts';
import { makeReport } from '../../console/report.ts';

/** A line of a part's, for a person. */
const shown = (part: string, text: string): string => {
  const line = lineOf(`${part}-1  | ${at} ${text}`);
  return line ? readable(line) : assert.fail(text);
};
const at = '2026-01-01T14:03:22.123456789Z';
const pino = (more: object) =>
  JSON.stringify({ level: 40, time: 1, pid: 7, hostname: 'h', name: 'bot', ...more });

test('a line of pino’s is a sentence with its facts; any other stands as it is', () => {
  const line = pino({
    msg: 'not said',
    room: '!r:x',
    n: 3,
    err: { type: 'Error', message: 'gone', stack: 'at x' },
  });
  assert.equal(shown('bot', line), '2026-01-01T14:03:22Z bot        WARN not said room=!r:x n=3 err=gone');
  assert.equal(shown('bot', pino({ level: 30, msg: 'ready' })), '2026-01-01T14:03:22Z bot        ready');
  for (const text of ['{not json', 'Listening: http://0.0.0.0:8090', ''])
    assert.equal(shown('ledger', text), `2026-01-01T14:03:22Z ledger     ${text}`);
});

test('nothing in a line moves a terminal’s cursor or hides, in either form', () => {
  const evil = '\x1b[2K\r\x9b1A\x07\u202E\u200Bfake\ttab\nFATAL x';
  for (const raw of [pino({ msg: evil, key: evil, [evil]: 1 }), evil.replace('\n', ' ')]) {
    const line = shown('bot', raw);
    assert.doesNotMatch(line, /[\p{Cc}\p{Cf}]/u, line);
    assert.ok(line.includes('\\u{1B}[2K\\u{D}') && line.includes('\\u{202E}') && line.includes('fake'));
    const lines: string[] = [];
    makeReport(true, (text) => lines.push(text)).event({ event: 'log', line: raw });
    assert.doesNotMatch(lines.join(''), /\p{Cc}/u);
    assert.equal(
      (JSON.parse(lines.join('')) as { line: string }).line,
      raw,
      'and a machine gets it to the letter',
    );
  }
});

test('a line that looks like another part’s is its own part’s; what compose says itself is none', () => {
  for (const text of [`ledger-1  | ${at} FATAL`, ` ledger-1  | ${at} x`, '\u2028ledger-1  | x'])
    assert.deepEqual(lineOf(`bot-1       | ${at} ${text}`), { part: 'bot', at, text });
  assert.equal(lineOf(`homeserver-proxy-1  | ${at} x`)?.part, 'homeserver-proxy');
  assert.equal(lineOf('\x1b[Kexecutor-1 exited with code 0'), undefined);
});

test('of an action all lines are shown that have its id, by the number that one of them has', () => {
  const lines = [
    ['bot', { action: 'a1', number: 1, msg: 'decision' }],
    ['executor', { action: 'a1', msg: 'first byte' }],
    ['bot', { action: 'a2', number: 2, msg: 'decision' }],
    ['bot', { number: 1, msg: 'of something else' }],
    ['bot', { msg: 'ready' }],
  ].flatMap(([part, said]) => lineOf(`${part}-1  | ${at} ${JSON.stringify(said)}`) ?? []);
  lines.push(lineOf(`ledger-1  | ${at} a1`) ?? assert.fail());
  const shownOf = (number?: string) => linesAbout(lines, number).map(({ pino }) => pino?.['msg']);
  assert.deepEqual(shownOf('1'), ['decision', 'first byte']);
  assert.deepEqual(shownOf('3'), []);
  assert.equal(shownOf().length, lines.length);
});
