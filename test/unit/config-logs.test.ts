/** What `logs` shows of a line, whoever wrote it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lineOf, moment, readable } from '../../console/care/logs.ts';
import { makeReport } from '../../console/report.ts';

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
  assert.equal(
    readable(lineOf('bot', `${at} ${line}`)),
    '2026-01-01T14:03:22Z bot        WARN not said room=!r:x n=3 err=gone',
  );
  assert.equal(
    readable(lineOf('bot', `${at} ${pino({ level: 30, msg: 'ready' })}`)),
    '2026-01-01T14:03:22Z bot        ready',
  );
  for (const text of ['{not json', 'Listening: http://0.0.0.0:8090', ''])
    assert.equal(readable(lineOf('ledger', `${at} ${text}`)), `2026-01-01T14:03:22Z ledger     ${text}`);
});

test('nothing in a line moves a terminal’s cursor or hides, in either form', () => {
  const evil = '\x1b[2K\r\x9b1A\x07\u202E\u200Bfake\ttab\nFATAL x';
  for (const raw of [pino({ msg: evil, key: evil, [evil]: 1 }), evil.replace('\n', ' ')]) {
    const shown = readable(lineOf('bot', `${at} ${raw}`));
    assert.doesNotMatch(shown, /[\p{Cc}\p{Cf}]/u, shown);
    assert.ok(shown.includes('\\u{1B}[2K\\u{D}') && shown.includes('\\u{202E}') && shown.includes('fake'));
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

test('--since takes so long ago, or a date; anything else is a usage error', () => {
  const now = Date.parse('2026-01-02T00:00:00Z');
  const day = Date.parse('2026-01-01T00:00:00Z') / 1000;
  for (const [text, seconds] of [
    ['90s', now / 1000 - 90],
    ['10m', now / 1000 - 600],
    ['24h', day],
    ['1d', day],
    ['2026-01-01T00:00:00Z', day],
  ] as const)
    assert.equal(moment(text, now), seconds, text);
  for (const text of ['', '10', '10 m', 'yesterday', '-5m'])
    assert.throws(() => moment(text, now), /--since takes/);
});
