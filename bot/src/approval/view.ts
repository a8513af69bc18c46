/** What the bot knows of the ledger: the chain read once, in order, and kept as far as anything open needs it. */

import { answerRefusal, answers, beginRefusal, lacking } from '@pocketcoder/ledger/rules/answers.cjs';
import { overSince, uncovered } from '@pocketcoder/ledger/rules/grants.cjs';
import { atLeast, enrolled } from '@pocketcoder/ledger/rules/identities.cjs';
import { bodyOf, isFrozen, isOver, stateOf } from '@pocketcoder/ledger/rules/lifecycle.cjs';
import { type Policy, readsTerm } from '@pocketcoder/ledger/rules/policy.cjs';
import type { Grant, Server } from '@pocketcoder/ledger/rules/state.cjs';
import type { Action, Asked, Role } from '@pocketcoder/ledger/src/action.ts';
import type { Evidence } from '@pocketcoder/ledger/src/bodies.ts';
import { createChain } from '@pocketcoder/ledger/src/chain.ts';
import type { Entry } from '@pocketcoder/ledger/src/client.ts';
import type { Enrolled } from '../types.ts';

/** An enrolled device and what its user may do. */
export type Person = Enrolled & { role: Role };
/** The users among these whose role is that or a greater one, each once. */
export const usersWho = (people: readonly Person[], role: Role): string[] => [
  ...new Set(people.flatMap((one) => (atLeast(one.role, role) ? [one.user] : []))),
];
/** A lease or plan that still stands. */
export type Standing = Grant & { number: number };
export type Page = { action: Action; digest: string; number: number; requestedAt: number; story: Entry[] };
export type Book = {
  /** Takes the next entry of the chain. @throws Error where the ledger had to refuse it; then nothing after it is taken either */
  read(entry: Entry): void;
  /** Resolves when the entry with this seq has been read. */
  reached(seq: number): Promise<void>;
  /** Resolves when the next entry of this action has been read. */
  moved(action: string): Promise<void>;
  /** Undefined for an action nobody asked, or one that was over long ago. */
  page(action: string): Page | undefined;
  /** An action's number; a control action's also once its page was dropped. */
  number(action: string): number | undefined;
  byNumber(number: number): Page | undefined;
  state(action: string): string;
  /** Pages of actions that can still change, oldest first. */
  unfinished(): Page[];
  /** The last pages of actions that are over, oldest first. */
  over(): Page[];
  enrolled(): Person[];
  frozen(): boolean;
  policy(): Policy;
  /** The people and devices that an action still needs, when this one answers too where it is given. */
  lacking(action: string, evidence?: { user: string; device?: string }): { people: number; devices: number };
  /** Why an approved action may not begin now, as the ledger's code for it, or ''. */
  held(page: Page): string;
  /** Whether a message may be the decision on what it asked for. The ledger judges it again. */
  decides(page: Page, evidence: Evidence): boolean;
  /** The action that is not over and that this event helped to approve. */
  answeredBy(event: string): string | undefined;
  /** The leases and plans that stand now, oldest first. */
  standing(): Standing[];
  /** One of them that covers this. The ledger judges it again. */
  cover(asked: Asked): Standing | undefined;
  /** Whether this wish's card is the one to offer its task's reads: the policy gives them, none else does, nobody said no. */
  offersReads(asked: Asked): boolean;
  rooms(): ReadonlyMap<string, string>;
  /** The tool servers that are pinned in a workspace. */
  servers(workspace: string): Server[];
  /** The repository that a workspace came from, as it was named then. */
  origin(workspace: string): string | undefined;
};

const placeOf = ({ workspace, task }: { workspace: string; task: string }): string => `${workspace} ${task}`;

/** Pages kept of actions that are over: whoever still reports on one has it at hand. */
const keptOver = 100;

/**
 * @param digest of a requested entry's body
 * @param told whether all was shown of an action that is over, so that its page can be dropped
 */
export function createBook(
  digest: (body: string) => string,
  told: (action: string) => boolean = () => false,
): Book {
  const pages = new Map<string, Page>();
  const open = new Set<string>();
  /** Actions that are over and have a page, oldest first. */
  const over = new Set<string>();
  const chain = createChain();
  const state = chain.state();
  const rooms = new Map<string, string>();
  const waiting: { seq: number; resolve: () => void }[] = [];
  const moving = new Map<string, () => void>();
  /** Tasks whose reads somebody said no to, or took back. */
  const refused = new Set<string>();
  /** Of actions whose effects outlive their pages. */
  const numbers = new Map<string, number>();
  let requests = 0;

  function readAction(entry: Entry): void {
    if (entry.kind === 'requested') {
      const page: Page = {
        action: bodyOf(entry, entry.kind),
        digest: digest(entry.body),
        number: ++requests,
        requestedAt: Date.parse(entry.at),
        story: [],
      };
      pages.set(entry.action, page);
      open.add(entry.action);
    }
    const page = pages.get(entry.action);
    page?.story.push(entry);
    moving.get(entry.action)?.();
    moving.delete(entry.action);
    if (entry.kind === 'denied' && page?.action.reads) refused.add(placeOf(page.action));
    if (!isOver(entry.kind)) return;
    open.delete(entry.action);
    over.add(entry.action);
    for (const action of over) {
      if (over.size <= keptOver) return;
      if (told(action) && over.delete(action)) pages.delete(action);
    }
  }

  const unfinished = (): Page[] => [...open].flatMap((id) => pages.get(id) ?? []);
  const now = (): string => new Date().toISOString();
  const judging = (story: Entry[]) => ({ state, now: now(), story, sha256: digest });
  const isUsedUp = ({ used, args }: Grant): boolean => used >= (args.uses ?? args.steps?.length ?? 0);
  const standing = (): Standing[] =>
    [...state.grants.values()]
      .filter((g) => !isUsedUp(g) && !overSince(g, state, now()))
      .map((g) => ({ ...g, number: numbers.get(g.id) ?? 0 }));

  return {
    read(entry) {
      if (entry.seq <= state.seq) return;
      const ended = entry.kind === 'lease.ended' && state.grants.get(bodyOf(entry, 'lease.ended').lease);
      const why = chain.take(entry);
      if (why) throw new Error(`the ledger took entry ${entry.seq}, which it had to refuse: ${why}`);
      if (entry.action) readAction(entry);
      if (entry.kind === 'applied' || entry.kind === 'lease.granted')
        numbers.set(entry.action, pages.get(entry.action)?.number ?? 0);
      if (ended && ended.kind === 'reads') refused.add(placeOf(ended));
      if (entry.kind === 'workspace.created') {
        const { workspace, room } = bodyOf(entry, entry.kind);
        rooms.set(workspace, room);
      }
      for (let i = waiting.length - 1; i >= 0; i--)
        if ((waiting[i]?.seq ?? 0) <= entry.seq) waiting.splice(i, 1)[0]?.resolve();
    },
    reached: (seq) =>
      seq <= state.seq ? Promise.resolve() : new Promise((resolve) => waiting.push({ seq, resolve })),
    moved: (action) => new Promise((resolve) => moving.set(action, resolve)),
    page: (action) => pages.get(action),
    number: (action) => pages.get(action)?.number ?? numbers.get(action),
    byNumber: (number) => [...pages.values()].find((p) => p.number === number),
    state: (action) => stateOf(pages.get(action)?.story ?? []),
    unfinished,
    over: () => [...over].flatMap((id) => pages.get(id) ?? []),
    enrolled: () => enrolled(state.people) as unknown as Person[], // branded here: the ledger's rules know no Matrix
    frozen: () => isFrozen(state),
    policy: () => state.policy,
    lacking(action, evidence) {
      const page = pages.get(action);
      return page
        ? lacking(page.action, [...answers(page.story), ...(evidence ? [{ evidence }] : [])], state)
        : { people: 0, devices: 0 };
    },
    held: ({ action, story }) => beginRefusal(action, judging(story)),
    decides({ action, story }, evidence) {
      const [requested] = story;
      const c = judging(story);
      return !!requested && !answerRefusal('approved', { grade: 'signed', evidence }, action, requested, c);
    },
    standing,
    cover(asked) {
      const covering = standing().filter((grant) => !uncovered(grant, asked, state, now()));
      // A plan first: its steps are counted by it, whatever else would cover them.
      return covering.find((grant) => grant.kind === 'plan') ?? covering[0];
    },
    offersReads(asked) {
      const here = (of: { workspace: string; task: string }) => placeOf(of) === placeOf(asked);
      const given = asked.requester === 'brain' && readsTerm(state.policy);
      if (!given || refused.has(placeOf(asked))) return false;
      const offered = unfinished().some(({ action }) => action.reads && here(action));
      return !offered && !standing().some((g) => g.kind === 'reads' && here(g));
    },
    answeredBy: (event) =>
      [...open].find((action) =>
        answers(pages.get(action)?.story ?? []).some(({ evidence }) => evidence.event === event),
      ),
    rooms: () => rooms,
    servers: (workspace) => [...state.servers.values()].filter((pin) => pin.workspace === workspace),
    origin(workspace) {
      const { form, source } = state.workspaces.get(workspace)?.imported ?? {};
      return form === 'git' ? source : undefined;
    },
  };
}
