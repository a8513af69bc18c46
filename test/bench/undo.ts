/**
 * What undo costs: 1 GB in 20,000 files, 300 of them changed each time. A snapshot, what changed, the difference for a card, and the
 * way back, each as the executor asks for it; beside them the floor, in the same container and in turns: a plain walk that looks at
 * every name, and a copy of the tree by hard links (`cp -al`). ROUNDS: how often. One JSON object a figure.
 */
import { sha256 } from '../../ledger/src/action.ts';
import { runIn } from '../../sandbox/src/exec.ts';
import { startSandbox } from '../harness/sandbox.ts';
import { figure } from './figures.ts';

const rounds = Number(process.env['ROUNDS'] ?? 10);
const json = process.argv.includes('--json');
const note = (text: string): void => void process.stderr.write(`bench undo: ${text}\n`);
const times: Record<string, number[]> = {};
async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const from = performance.now();
  const value = await work();
  times[what] ??= [];
  times[what].push(performance.now() - from);
  return value;
}

const box = await startSandbox({ memory_mb: 1024, pids: 256, cpus: 2 });
try {
  note('writing 1 GB in 20,000 files');
  const fill = `perl -e 'for my $d (0 .. 199) { mkdir "d$d"; for my $f (0 .. 99) { open my $o, ">", "d$d/f$f"; print $o chr(65 + $f % 26) x 52428, "\\n$d $f\\n" } }'; sync`;
  await box.bash(fill, { timeout: 300 });
  const keep = async (...args: string[]) => {
    const { exit, text } = await box.tasks.keep(box.name.workspace, ...args);
    if (exit !== 0) throw new Error(text);
    return text;
  };
  await timed('first snapshot', () => keep('take', '1'));
  const keeper = box.docker.getContainer(`${box.place.project}-keep-${box.name.workspace}`);
  const inKeeper = (script: string) => runIn(keeper, ['bash', '-c', script]);
  await inKeeper('cp -a /workspace /snapshots/floor');
  for (let n = 2; n < rounds + 2; n++) {
    await timed('floor: walk', () => inKeeper('find /workspace -printf "%s %T@ %C@ %i\\n" > /dev/null'));
    await timed('floor: cp -al', () => inKeeper('cp -al /snapshots/floor /snapshots/linked'));
    await inKeeper('rm -r /snapshots/linked');
    await timed('snapshot', () => keep('take', String(n)));
    await box.bash(`for d in {0..99}; do for f in 1 2 3; do echo ${n} >> d$d/f$f; done; done`);
    await timed('what changed', () => keep('changes', String(n)));
    await timed('snapshot of 300 changed', () => keep('take', String(n + 1)));
    const text = await timed('difference', () => keep('difference', String(n)));
    await timed('restore', () => keep('restore', String(n), sha256(text)));
  }
  for (const [what, all] of Object.entries(times))
    for (const name of ['walk', 'cp -al'].filter(() => !what.startsWith('floor'))) {
      const f = figure(`undo.${what}`, all, times[`floor: ${name}`] ?? []);
      const text = `${what}: p50 ${f.p50} ms, p99 ${f.p99} ms; ${name} ${f.floor.p50} ms, ratio ${f.ratio} (n=${f.n})`;
      console.log(json ? JSON.stringify({ ...f, floor: { of: name, ...f.floor } }) : text);
    }
} finally {
  await box.stop();
}
