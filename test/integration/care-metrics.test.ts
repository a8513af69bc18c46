/** Figures, alerts and logs of real parts: what an action leaves there, and which alert fires when a part is stopped. */
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { parse, stringify } from 'yaml';
import { checkout } from '../../console/instance/paths.ts';
import { approve, askAndSee, endsWith, numberOf } from '../harness/answers.ts';
import { promtool, rulesFile, startPrometheus, withoutPrometheus } from '../harness/prometheus.ts';
import { type Rig, startRig } from '../harness/rig.ts';
import { until } from '../harness/wait.ts';

let rig: Rig;
before(async () => {
  rig = await startRig({ metrics: true });
});
after(() => rig?.stop());

/** What the ledger answers there to a program, or to whatever else says these headers. */
function ask(headers: Record<string, string> = {}): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const asking = request(`${rig.ledger.url}/metrics`, { headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
    asking.on('error', reject).end();
  });
}

/** The value of a series, by its name and labels as they stand there. */
async function value(series: string): Promise<number | undefined> {
  const { text } = await ask();
  const line = text.split('\n').find((one) => one.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length));
}

test('an action is followed by one id from its tap to its result, in the logs of bot and executor', async () => {
  const { phone, bot, executor } = rig;
  const card = await askAndSee(phone, '!run echo "a $((6 * 7)) of its own"');
  const tap = await approve(phone, card);
  await endsWith(phone, card, ' · ⛓ ', 30);
  const told = await bot.said('outcome shown');
  const of = ({ log }: Pick<Rig['bot'], 'log'>) => log.filter((line) => line['action'] === told['action']);
  const lines = of(bot);
  const said = lines.map(({ msg, kind }) => [msg, kind].filter(Boolean).join(' '));
  assert.deepEqual(
    said.filter((line) => !line.startsWith('entry')),
    ['decision approved', 'outcome shown'],
  );
  const entries = ['requested', 'named', 'posted', 'approved', 'claimed', 'running', 'succeeded'];
  assert.deepEqual(
    said.filter((line) => line.startsWith('entry')),
    entries.map((kind) => `entry ${kind}`),
  );
  assert.deepEqual(
    of(executor).map(({ msg }) => msg),
    ['claimed', 'first byte', 'over'],
  );
  const decision = lines.find(({ msg }) => msg === 'decision');
  assert.deepEqual([decision?.['event'], decision?.['number']], [tap, numberOf(card)]);
  const all = JSON.stringify([...bot.log, ...executor.log]);
  assert.ok(!all.includes('of its own'), 'no text of an action, nor what it wrote, is in a log');
});

test('a denial names its action and the tap that it was', async () => {
  const { phone, bot } = rig;
  const card = await askAndSee(phone, '!run echo never');
  const tap = await phone.tap(card.id, '❌');
  const denial = await bot.said('denial');
  assert.deepEqual([denial['number'], denial['event']], [numberOf(card), tap]);
});

test('the ledger gives out what the bot told, and nothing that names anybody or anything', async () => {
  await until(
    'what was denied',
    async () => (await value('pocketcoder_actions_total{outcome="denied"}')) === 1,
  );
  const { text, status } = await ask();
  assert.equal(status, 200);
  for (const [series, expected] of [
    ['pocketcoder_part_up{part="executor"}', 1],
    ['pocketcoder_answers_total{answer="approved",grade="sealed"}', 1],
    ['pocketcoder_decision_seconds_count', 2],
    ['pocketcoder_action_seconds_count{outcome="succeeded"}', 1],
    ['pocketcoder_actions_open{state="posted"}', 0],
    ['pocketcoder_card_oldest_seconds', 0],
    ['pocketcoder_backup_timestamp_seconds', 0],
  ] as const)
    assert.equal(await value(series), expected, series);
  const [newest] = await rig.audit.last(1);
  assert.equal(await value('pocketcoder_ledger_entries'), newest?.seq);
  assert.ok(((await value('pocketcoder_disk_free_bytes')) ?? 0) > 1e6);
  for (const secret of [rig.room, rig.botUser, rig.owner.user, rig.project, 'echo', rig.phone.device])
    assert.ok(!text.includes(secret), secret);
  const labels = new Set([...text.matchAll(/[{,](\w+)="([^"]*)"/g)].map(([, name]) => name));
  assert.deepEqual([...labels].sort(), ['answer', 'grade', 'le', 'outcome', 'part', 'state']);
});

test('no page in a browser reads them, nor who reached the ledger by another name; only the bot tells any', async () => {
  const { host } = new URL(rig.ledger.url);
  assert.equal(
    (await ask({ host, accept: 'text/plain' })).status,
    200,
    'the twin: a program of this machine',
  );
  const others: Record<string, string>[] = [
    { origin: 'https://evil.test' },
    { host: 'evil.test:8090' },
    { host: 'ledger:8090' },
    { 'x-forwarded-for': '203.0.113.7' },
    { forwarded: 'for=203.0.113.7' },
  ];
  for (const headers of others) {
    const { status, text } = await ask(headers);
    assert.deepEqual([status, text.includes('pocketcoder_')], [404, false], JSON.stringify(headers));
  }
  for (const who of ['executor', 'auditor', 'operator'] as const) {
    const ledger = await rig.ledger.connect(who);
    await assert.rejects(ledger.live.tell('pocketcoder_part_up{part="executor"} 1\n'), {
      code: 'not_allowed',
    });
  }
});

/** The names of series in what people are given to look with. */
const namesIn = (text: string): string[] => [...new Set(text.match(/pocketcoder_[a-z_]+/g))];

test('dashboard and alerts ask for nothing that is not there', async () => {
  const { text } = await ask();
  for (const file of ['dashboard.json', 'alerts.yaml']) {
    const names = namesIn(readFileSync(join(checkout, 'config/metrics', file), 'utf8'));
    assert.ok(names.length > 5);
    assert.deepEqual(
      names.filter((name) => !new RegExp(`^${name}[ {]`, 'm').test(text)),
      [],
      file,
    );
  }
});

test('each alert fires by its figure, and not before', { skip: withoutPrometheus }, () => {
  assert.match(promtool('check', 'rules', rulesFile), /SUCCESS: \d+ rules found/);
  const day = 86_400;
  /** At one minute the figure is as it should be, from the second on it is not. */
  const cases: Record<string, [series: string, well: number, off: number, labels?: Record<string, string>]> =
    {
      PocketCoderAway: ['up{job="pocketcoder"}', 1, 0, { job: 'pocketcoder' }],
      PocketCoderBotAway: ['pocketcoder_bot_silent_seconds', 9, 61],
      PocketCoderPartAway: ['pocketcoder_part_up{part="brain"}', 1, 0, { part: 'brain' }],
      PocketCoderLedgerTurnedBack: ['pocketcoder_part_up{part="history"}', 1, 0, { part: 'history' }],
      PocketCoderAlarm: ['pocketcoder_alarms_total', 1, 2],
      PocketCoderCardWaits: ['pocketcoder_card_oldest_seconds', 1799, 1801],
      PocketCoderDiskLow: ['pocketcoder_disk_free_bytes', 2 ** 30, 2 ** 30 - 1],
      // The clock of these begins at 0.
      PocketCoderBackupOld: ['pocketcoder_backup_timestamp_seconds', -8 * day + 300, -8 * day - 300],
    };
  const { groups } = parse(readFileSync(rulesFile, 'utf8')) as {
    groups: { rules: { alert: string; annotations: { summary: string } }[] }[];
  };
  const rules = groups.flatMap((group) => group.rules);
  assert.deepEqual(
    rules.map(({ alert }) => alert),
    Object.keys(cases),
  );
  const tests = rules.map(({ alert, annotations }) => {
    const [series, well, off, labels = {}] = cases[alert] ?? assert.fail(alert);
    const summary = annotations.summary.replace(/\{\{ \$labels\.(\w+) \}\}/, (_, name) => labels[name] ?? '');
    const fires = [{ exp_labels: labels, exp_annotations: { summary } }];
    return {
      ...{ interval: '1m', input_series: [{ series, values: `${well} ${well} ${off}x5` }] },
      alert_rule_test: [
        { eval_time: '1m', alertname: alert, exp_alerts: [] },
        { eval_time: '4m', alertname: alert, exp_alerts: fires },
      ],
    };
  });
  const file = join(tmpdir(), `alerts-${process.pid}.yaml`);
  try {
    writeFileSync(file, stringify({ rule_files: [rulesFile], tests }));
    assert.match(promtool('test', 'rules', file), /SUCCESS/);
  } finally {
    rmSync(file, { force: true });
  }
});

test('alerts of parts that are stopped fire in a real Prometheus', { skip: withoutPrometheus }, async () => {
  const prometheus = await startPrometheus(new URL(rig.ledger.url).host);
  try {
    await prometheus.fires('PocketCoderBackupOld');
    assert.deepEqual(await prometheus.alerts(), ['PocketCoderBackupOld'], 'all else is as it should be');
    await rig.executor.kill();
    await rig.homeserver.halt();
    await prometheus.fires('PocketCoderPartAway', { part: 'homeserver' });
    await prometheus.fires('PocketCoderPartAway', { part: 'executor' });
    await rig.bot.kill();
    const told = async () => (await value('pocketcoder_part_up{part="executor"}')) !== undefined;
    assert.ok(await told(), 'what it told last stands for a while');
    await until('what it told to be too old', async () => !(await told()), { every: 200 });
    assert.ok(((await value('pocketcoder_bot_silent_seconds')) ?? 0) >= 30);
    await rig.ledger.kill();
    await prometheus.fires('PocketCoderAway');
  } finally {
    await prometheus.stop();
  }
});
