/** Plays rounds on one world: tells their stories, kills at their moments, and counts at the end what the sandbox has. */
import { cpus, loadavg } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { auditLedger } from '../../ledger/audit/audit.ts';
import { type Kind, type Moment, type Round, random, volleysOf } from './plan.ts';
import { type Told, tell } from './story.ts';
import { leased, startWorld, type World } from './world.ts';

/** A round as it went. `up`: seconds until what was killed was there again; undefined where nothing was killed. */
export type Played = { plan: Round; stories: Told[]; up?: number | undefined };
export type Outcome = {
  rounds: Played[];
  /** Each with its round's number. */
  lost: string[];
  twice: string[];
  /** Parts that were not there again in 10 s, or ended by themselves. */
  late: string[];
  /** What the audit found off, '' for nothing. */
  audit: string;
};

const atOnce = 5;
/** Seconds; on a machine with more to do than it has cores, as many times that. */
const longestAway = (): number => 10 * Math.max(1, (loadavg()[0] ?? 0) / cpus().length);

/** Resolves when the story is at that moment; with false where it ended without. */
async function reached(world: World, moment: Moment, story: Progress): Promise<boolean> {
  const { chain, waits, rig } = world;
  const kinds: Partial<Record<Moment, string[]>> = {
    requested: ['requested'],
    posted: ['posted'],
    approved: ['approved', 'leased'],
    claimed: ['claimed'],
    running: ['running'],
  };
  const isThere = (): boolean => {
    const { id } = story;
    if (moment === 'said') return story.said;
    if (!id) return false;
    if (moment === 'result') return chain.end(id) !== undefined;
    if (moment === 'output')
      return rig.executor.log.some((l) => l.msg === 'first byte' && l['action'] === id);
    if (moment === 'snapshot')
      return chain.has(id, 'approved', 'leased') === true && chain.writersAhead(id).length === 0;
    return chain.has(id, ...(kinds[moment] ?? [])) === true;
  };
  const looking = moment === 'output' ? setInterval(waits.happened, 5) : undefined;
  const got = await waits.until(() => isThere() || (story.over ? false : undefined), 90);
  clearInterval(looking);
  return got === true;
}
type Progress = { said: boolean; id: string; over: boolean };

async function play(world: World, plan: Round, next: () => number): Promise<Played> {
  const { waits } = world;
  const target: Progress = { said: false, id: '', over: false };
  const markOf = (n: number) => `r${plan.round}n${n}`;
  const started = async (kind: Kind, n: number) => {
    const mine: Progress = n === 0 ? target : { said: false, id: '', over: false };
    await pause(next() * 100);
    const told = await tell(world, kind, markOf(n), {
      said() {
        mine.said = true;
        waits.happened();
      },
      action(id) {
        mine.id = id;
        waits.happened();
      },
    }).catch(
      (error: unknown): Told => ({
        ...{ mark: markOf(n), kind, action: mine.id, kinds: [], room: '', again: 0 },
        lost: `the story itself: ${error instanceof Error ? error.message : error}`,
      }),
    );
    mine.over = true;
    waits.happened();
    return told;
  };
  const killed = async (): Promise<number | undefined> => {
    if (!(await reached(world, plan.moment, target))) return undefined;
    await pause(plan.delay);
    return world.kill(plan.part);
  };
  const [up, ...stories] = await Promise.all([killed(), ...[plan.target, ...plan.beside].map(started)]);
  return { plan, stories, up };
}

/** What is wrong with how often a story's mark stands in the sandbox, and how often it was asked for. */
function counted({ chain }: World, story: Told, found: Map<string, number>): { lost: string; twice: string } {
  const { kind, mark, kinds, action, again } = story;
  const well = kinds.at(-1) === 'succeeded';
  if (kind === 'undo') {
    const stands = chain.isUndo(action) && well && found.has(`${mark}.undone`);
    return { lost: stands ? 'it succeeded, and undid nothing' : '', twice: '' };
  }
  if (kind !== 'tap' && kind !== 'file') return { lost: '', twice: '' };
  const lines = found.get(mark) ?? 0;
  const asked = kind === 'tap' ? chain.withMark(mark).length : 1;
  const twice = [
    lines > 1 && `it ran ${lines} times`,
    lines > 0 && !kinds.includes('claimed') && 'it ran, and nobody claimed it',
    asked > 1 + again && `it was said ${1 + again} times and asked for ${asked} times`,
  ];
  const lost = well && lines === 0 ? 'it succeeded, and did nothing' : '';
  return { lost, twice: twice.filter(Boolean).join('; ') };
}

/** @returns how often each mark was left, by the name that it was left under */
async function marks(world: World): Promise<Map<string, number>> {
  const list = 'cd /workspace; cat runs leased; ls -1 uploads; ls -1 | grep undone$; true';
  const found = new Map<string, number>();
  for (const line of (await world.beside('sh', '-c', list)).split('\n').filter(Boolean)) {
    // A second copy of the same file would be called x-2.txt.
    const mark = line.replace(/(-\d+)?\.txt$/, '');
    found.set(mark, (found.get(mark) ?? 0) + 1);
  }
  return found;
}

/**
 * Plays these rounds, some at once, on a world of their own.
 */
export async function playRounds(
  seed: number,
  rounds: readonly Round[],
  note: (played: Played) => void,
): Promise<Outcome> {
  const world = await startWorld();
  const next = random(seed ^ 0x5eed);
  const outcome: Outcome = { rounds: [], lost: [], twice: [], late: [], audit: '' };
  try {
    for (const [i, volley] of volleysOf(rounds, atOnce).entries()) {
      if (i % 5 === 4) await world.rig.phone.say('!new');
      const played = await Promise.all(volley.map((plan) => play(world, plan, next)));
      await world.up();
      for (const one of played) note(one);
      outcome.rounds.push(...played);
    }
    const found = await marks(world);
    for (const { plan, stories, up = 0 } of outcome.rounds) {
      if (up > longestAway()) outcome.late.push(`round ${plan.round}: ${plan.part} took ${up.toFixed(1)} s`);
      for (const story of stories) {
        const { mark, kind } = story;
        if (story.lost) outcome.lost.push(`round ${plan.round}: ${kind} ${mark}: ${story.lost}`);
        const { lost, twice } = counted(world, story, found);
        if (lost) outcome.lost.push(`round ${plan.round}: ${kind} ${mark}: ${lost}`);
        if (twice) outcome.twice.push(`round ${plan.round}: ${kind} ${mark}: ${twice}`);
      }
    }
    outcome.lost.push(...unended(world));
    judgeLease(world, found.get('leased') ?? 0, outcome);
    if (world.ownEnds() > 0) outcome.late.push(`${world.ownEnds()} processes ended by themselves`);
    const report = await auditLedger(world.rig.audit);
    if (!report.ok) outcome.audit = JSON.stringify(report.off);
  } finally {
    await world.stop();
  }
  return outcome;
}

/** Whatever was approved has an end, also where no story knows it: what a command that was heard twice asked for. */
function unended({ chain }: World): string[] {
  const ids = chain.requests().map(({ action }) => action);
  const open = ids.filter((id) => chain.has(id, 'approved', 'leased') && !chain.end(id));
  return open.map(
    (id) => `#${chain.numberOf(id)} was approved, and has no end: ${chain.kinds(id).join(' ')}`,
  );
}

/** What the lease covers leaves the same line each time: as many as succeeded, and no more than were claimed. */
function judgeLease({ chain }: World, lines: number, { lost, twice }: Outcome): void {
  const all = chain.withMark(leased).filter((id) => chain.storyOf(id)[0]?.body.includes('"kind":"bash"'));
  const claimed = all.filter((id) => chain.has(id, 'claimed')).length;
  const well = all.filter((id) => chain.has(id, 'succeeded')).length;
  if (lines < well) lost.push(`by the lease: ${lines} lines of ${well} that succeeded`);
  if (lines > claimed) twice.push(`by the lease: ${lines} lines of ${claimed} that were claimed`);
}
