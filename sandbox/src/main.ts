/** The executor as a service: `node sandbox/src/main.ts [configuration file]`. Exits 1 when it cannot do its work. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Docker from 'dockerode';
import { type Logger, pino } from 'pino';
import { openPin } from '../../ledger/src/pin.ts';
import { pinned } from '../../ledger/src/pinned.ts';
import { reachLedger } from '../../ledger/src/reach.ts';
import { messageOf } from '../../ledger/src/retry.ts';
import { readSettings, SettingsError } from './configuration.ts';
import { type EngineInfo, limitsAt, strongestRuntime } from './container.ts';
import { startExecutor } from './executor.ts';
import { makeTasks } from './tasks.ts';

/** Is there while the service can do its work: the container's health check looks for it. */
const readyFile = join(tmpdir(), 'ready');

/** Survives this process: what it has seen of the ledger. */
const stateDir = process.env['EXECUTOR_STATE'] ?? '/var/lib/pocketcoder';

/** Milliseconds between two signs to the bot that somebody is there to run what is approved. */
const beatEvery = 10_000;

/** The engine behind the socket (or DOCKER_HOST). Its id names this executor: claims outlive its process. */
async function engine(): Promise<{ docker: Docker; info: EngineInfo }> {
  const docker = new Docker();
  try {
    return { docker, info: (await docker.info()) as EngineInfo };
  } catch (error) {
    const why = messageOf(error);
    throw new SettingsError(`Docker does not answer (${why}); start it and give this service its socket`);
  }
}

/** The ids of these images, which are what is claimed and what runs, wherever a tag points later. */
async function idsOf(
  docker: Docker,
  images: Readonly<Record<string, string>>,
): Promise<Record<string, string>> {
  const ids: Record<string, string> = {};
  for (const [workspace, name] of Object.entries(images))
    ids[workspace] = await docker
      .getImage(name)
      .inspect()
      .then(
        ({ Id }) => Id,
        (error: unknown) => {
          throw new SettingsError(
            `the image ${name} cannot be had (${messageOf(error)}); run the set-up again`,
          );
        },
      );
  return ids;
}

async function main(log: Logger): Promise<void> {
  rmSync(readyFile, { force: true });
  const settings = readSettings(process.argv[2] ?? '/run/pocketcoder/executor.json');
  const { docker, info } = await engine();
  const runtime = strongestRuntime(info);
  const { project, git, egress } = settings;
  const images = await idsOf(docker, settings.task_images);
  const limits = limitsAt(info, settings.limits);
  const tasks = makeTasks(docker, {
    project,
    images,
    limits,
    git,
    ...(egress && { egress }),
    ...(runtime ? { runtime } : {}),
  });
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const pin = openPin(join(stateDir, 'ledger.pin'));
  await tasks.sweep();
  const found = await reachLedger({ ...settings.ledger, identity: 'executor' }, () =>
    log.warn({ url: settings.ledger.url }, 'ledger does not answer; trying again'),
  );
  const ledger = pinned(found, pin);
  let caughtUp = false;
  let working = false;
  const beat = () => working && ledger.live.send('', new Uint8Array());
  const tell = (up: boolean) => {
    working = up;
    if (up) writeFileSync(readyFile, '');
    else rmSync(readyFile, { force: true });
    beat();
  };
  const executor = startExecutor({
    ledger,
    tasks,
    name: `${project}@${info.ID}`,
    log,
    onLedger: (state) => tell(caughtUp && state === 'up'),
  });
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.once(signal, () => {
      log.info({ signal }, 'stopping; what runs in the sandbox runs on');
      executor.stop().then(
        () => process.exit(0),
        () => process.exit(1),
      );
    });
  await executor.ready;
  caughtUp = true;
  tell(true);
  setInterval(beat, beatEvery).unref();
  log.info({ runtime: runtime ?? 'default', images }, 'ready');
}

const log = pino({ name: 'executor', redact: ['password', '*.password'] });
main(log).catch((error: unknown) => {
  if (error instanceof SettingsError) log.fatal(error.message);
  else log.fatal({ err: error }, 'the executor cannot go on');
  process.exit(1);
});
