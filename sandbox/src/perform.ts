/** From the claim of an action to how it ended. */
import { readsOf } from '../../ledger/rules/answers.cjs';
import { reasons } from '../../ledger/rules/codes.cjs';
import { type Action, sha256 } from '../../ledger/src/action.ts';
import { LedgerError } from '../../ledger/src/client.ts';
import { messageOf } from '../../ledger/src/retry.ts';
import { isApart, placeOf, runApart } from './apart.ts';
import { atServer, isOfServer } from './calling.ts';
import type { Claimed } from './claim.ts';
import { SandboxError, type TaskName } from './container.ts';
import type { Lease } from './egress.ts';
import type { Prepared } from './prepare.ts';
import { ScriptError, scriptOf, typedOf, waitOf } from './script.ts';
import type { Snapshots } from './snapshots.ts';
import type { Context } from './step.ts';
import { type Outcome, told } from './tasks.ts';
import type { TerminalEnd } from './terminals.ts';
import { tryOut } from './trial.ts';

/**
 * The run does not wait for the entry that tells of it: the claim has already made it this executor's. But nothing is over before
 * what is written here, which could not follow it.
 */
export async function perform(
  c: Context,
  claimed: Claimed,
  prepared: Prepared,
  snapshots: Snapshots,
): Promise<Outcome> {
  const { action, id, digest } = claimed;
  const begin = async (): Promise<Outcome> => {
    const running = c.write({ kind: 'running', action: id, body: { digest } });
    return (await Promise.all([start(c, claimed, prepared, snapshots), running]))[0];
  };
  const lasts = action.kind === 'egress' || action.kind === 'terminal_open';
  const outcome = lasts ? lasting(c, claimed, action, prepared) : begin();
  return (await Promise.all([outcome, grantReads(c, claimed)]))[0];
}

/** Opens the task's way out, or a terminal. `open` tells who waits for it that it is there; what could not be opened was none. */
async function lasting(
  c: Context,
  { id, digest }: Claimed,
  action: Action<'egress' | 'terminal_open'>,
  { missing }: Prepared,
): Promise<Outcome> {
  const running = (body: object) => c.write({ kind: 'running', action: id, body: { digest, ...body } });
  let told: Promise<unknown> | undefined;
  const tell = () => {
    told = running({ open: true });
    told.catch(() => {}); // it is waited for once the lease is over
  };
  try {
    if (missing) throw new SandboxError(missing);
    const over =
      action.kind === 'egress'
        ? leaseOver(await c.tasks.lease(placeOf(action), id, action.args, tell))
        : terminalOver(await c.tasks.terminal(placeOf(action), id, action.args, tell));
    await told;
    return over;
  } catch (error) {
    if (c.signal.aborted) throw error;
    await (told ?? running({}));
    const words = error instanceof SandboxError || error instanceof ScriptError;
    return notRun(words ? error.message : `it was not opened: ${messageOf(error)}`);
  }
}

/** A lease that is over has no script and no exit status of one: what went, and why it ended, stand in their place. */
function leaseOver({ why, refused, ...bytes }: Lease): Outcome {
  const went = `${bytes.down} bytes down, ${bytes.up} bytes up; ended: ${why}`;
  const text = [went, ...refused.map((one) => `refused: ${one}`)].join('\n');
  const { status, ...rest } = notRun(text);
  const how = why === reasons.stopped ? 'stopped' : 'exit';
  return { ...rest, status: { ...status, how }, lease: { ...bytes, refused, why } };
}

/** What was on it last is its output. */
function terminalOver({ exit = 0, why, memory, text }: TerminalEnd): Outcome {
  const { status, output } = told({ exit, text });
  return why
    ? { end: 'cut', why, output }
    : { end: 'done', status: { ...status, number: exit, memory: Number(memory) }, output };
}

/** Types into a terminal of the same task, or only reads it. */
async function atTerminal(
  c: Context,
  own: string,
  action: Action<'terminal_send' | 'terminal_read'>,
): Promise<Outcome> {
  const { task, workspace, args } = action;
  const id = c.book.open().find((one) => {
    const { number, action: of } = c.book.request(one);
    return (
      number === args.number && of.kind === 'terminal_open' && of.task === task && of.workspace === workspace
    );
  });
  if (!id) return notRun(`there is no terminal #${args.number} in this task; nothing was typed`);
  const { type, screen, wait } = c.tasks.terminals;
  const wanted = waitOf(args);
  const bytes = action.kind === 'terminal_send' ? typedOf(action.args) : undefined;
  const seen = (text: string) => told({ exit: 0, text });
  try {
    if (!bytes) return seen(await wait(id, wanted));
    const before = await screen(id);
    if (c.tasks.stopped(own)) return notRun('it was stopped; nothing was typed');
    await type(id, bytes);
    // What was typed may have ended it.
    return seen(await wait(id, wanted, before).catch(() => `${ended}\n`));
  } catch (error) {
    if (error instanceof SandboxError) return notRun(error.message);
    if (c.signal.aborted) throw error;
    return { end: 'unknown', why: `${ended} (${messageOf(error)})` };
  }
}
const ended = 'the terminal ended meanwhile: its own outcome has what was on it last';

/** Starts exactly what was claimed, or nothing. */
async function start(
  c: Context,
  claimed: Claimed,
  { sent, missing }: Prepared,
  snapshots: Snapshots,
): Promise<Outcome> {
  const { id, action } = claimed;
  try {
    if (missing) return notRun(missing);
    if (action.kind === 'try') return await tryOut(c, id, action);
    if (isOfServer(action)) return await atServer(c, claimed, action);
    if (action.kind === 'screen') return await screen(c, placeOf(action));
    if (action.kind === 'terminal_send' || action.kind === 'terminal_read')
      return await atTerminal(c, id, action);
    const kept = await snapshots.carryOut(claimed);
    if (kept) return kept;
    const script = scriptOf(action, { sent, tips: c.tips.of(action) });
    if (isApart(action)) return await runApart(c, action, script, passOn(c, id));
    return await c.tasks.run(placeOf(action), id, script, passOn(c, id));
  } catch (error) {
    if (error instanceof ScriptError || error instanceof SandboxError) return notRun(error.message);
    throw error;
  }
}

async function screen({ tasks }: Context, name: TaskName): Promise<Outcome> {
  try {
    const { exit, text } = await tasks.screen(name);
    return told({ exit, text: text.trim() ? text : 'nothing is shown there\n' });
  } catch (error) {
    return notRun(`the screen could not be read: ${messageOf(error)}`);
  }
}

/** An action that was claimed and then could not even be started: the reason stands where its output would. */
function notRun(why: string): Extract<Outcome, { end: 'done' }> {
  const bytes = Buffer.from(`${why}\n`);
  const size = bytes.length;
  return {
    end: 'done',
    status: { how: 'broken', number: 0, size, left: 0, memory: 0, processes: 0 },
    output: { size, sha256: sha256(bytes), bytes, read: () => [bytes] },
  };
}

/** What the action's card leased besides, from its claim on: that is when no denial undoes the approval any more. */
async function grantReads({ book, write, log }: Context, { id, action, digest }: Claimed): Promise<void> {
  if (!action.reads) return;
  const body = readsOf(action, digest, book.story(id));
  await write({ kind: 'lease.granted', action: id, body }).catch((error: unknown) => {
    if (!(error instanceof LedgerError)) throw error;
    log.info({ action: id, code: error.code }, 'reads not leased');
  });
}

/** Passes output on as it comes; the log's time of the first byte is what the benchmark reads. */
export function passOn({ ledger, log }: Context, id: string): (bytes: Uint8Array) => void {
  let begun = false;
  return (bytes) => {
    if (!begun) log.info({ action: id, at: performance.timeOrigin + performance.now() }, 'first byte');
    begun = true;
    ledger.live.send(id, bytes);
  };
}
