/** The small worlds that are walked: who is there, what is asked for, what the policy says, and what may come in between. */
import {
  type Action,
  anew,
  ann,
  annsTablet,
  asked,
  bash,
  byOwner,
  changed,
  control,
  ended,
  enrolled,
  file,
  freeze,
  type Person,
  phone,
  plain,
  policyOf,
  policySet,
  reset,
  revoked,
  stranger,
  tablet,
  thaw,
} from './cast.ts';
import type { Said } from './position.ts';
import { type Policy, withReads } from './rules.ts';

export type World = {
  /** The attack whose test walks it, if it is one's. */
  attack?: number;
  name: string;
  policy: Policy;
  /** What stands in the chain before anything happens. */
  begins: readonly Said[];
  /** Who may answer, enrolled or not. */
  answer: readonly Person[];
  /** What is asked for; of some, what else a lying bot says in its place. */
  actions: readonly (readonly [honest: Action, ...lies: object[]])[];
  /** What is asked for without ever showing a card: it may begin by a lease alone. */
  covered: readonly Action[];
  /** What comes in between, each at any moment. */
  between: readonly Said[];
  /** Seconds by which the ledger's clock may be moved. */
  waits: readonly number[];
  /** In how many ways an answer is said to be one of several: of no use where one suffices. */
  endorse: number;
  /** What the executor says of an action after its claim. */
  onward: readonly string[];
  /** The events that a command's message may be said to be. */
  events: readonly string[];
  /** How many of those two, of denials and of ends stand in one chain at most. */
  most: number;
  /** How many positions are walked in the time of a test. */
  enough: number;
  /** What no walk of it may lack. */
  reaches: readonly string[];
};

const everybody = [enrolled(phone, 'owner'), enrolled(tablet), enrolled(ann, 'approves')];
const under = (policy: Policy) => ({ policy, begins: [policySet(policy), ...everybody] });
const base = {
  ...{
    ...under(plain),
    answer: [phone, ann],
    waits: [5, 6, -5],
    events: [],
    onward: [],
    endorse: 1,
    covered: [],
  },
  ...{ between: [freeze, thaw, revoked(phone), enrolled(phone)], most: 2, enough: 60_000 },
};

const script = asked('script', bash('make'));
const other = asked('other', bash('make all'));
const acts = [bash('make')];
const lease = control('lease', 'lease', { acts, uses: 1, seconds: 10 });
const paths = control('paths', 'lease', { of: 'read_file', path: 'src', uses: 2, seconds: 10 });
const plan = asked('plan', { kind: 'plan', args: { steps: [bash('make'), file('src/a')], seconds: 10 } });
const wish = (path: string) => asked(path, file(path));
const reading = policyOf({ read: { reads: { uses: 1, seconds: 10 } } });
const first = withReads(asked('first', bash('make'), {}, reading), reading);
const quorum = policyOf({ exec: { grade: 'signed', approvers: 2 } });
const graced = policyOf({ exec: { grade: 'signed', devices: 2, grace: 5 } });
const stricter = policyOf({ exec: { grade: 'signed', grace: 5, execute_within: 6, decide_within: 5 } });
const closed = policyOf({ exec: { mode: 'never' } });
const reach = {
  kind: 'egress',
  args: { rules: [{ host: 'example.org', port: 443, class: 'read', path: '/' }], up: 9, down: 9, seconds: 9 },
};
const way = asked('way', reach);
const lax = policyOf({ network: { grade: 'sealed' } });
const change = (name: string, to: Policy): readonly [Action] => [control(name, 'policy', { policy: to })];

export const worlds: readonly World[] = [
  {
    ...base,
    name: 'a tap, and all that may come in between',
    answer: [phone, ann, stranger],
    actions: [
      [script, { ...script, grade: 'plain' }, { ...script, class: 'read' }, { ...script, decide_within: 11 }],
    ],
    between: [
      ...base.between,
      ...[changed(phone), enrolled(anew), enrolled(reset), enrolled(tablet), revoked(ann)],
      ...[enrolled(annsTablet, 'asks'), enrolled(annsTablet, 'approves'), policySet(quorum)],
    ],
    most: 3,
    reaches: ['approved', 'endorsed', 'claimed', 'denied', 'void', 'expired', 'stop'],
  },
  {
    ...base,
    ...under(quorum),
    name: 'two people, one of whom asked',
    answer: [phone, tablet, ann],
    actions: [
      [asked('hers', bash('make'), { requester: ann.user }, quorum)],
      [asked('its', bash('make'), {}, quorum)],
    ],
    between: [...base.between, revoked(ann), enrolled(ann)],
    endorse: 9,
    reaches: ['approved', 'endorsed', 'claimed'],
  },
  {
    ...base,
    ...under(graced),
    name: 'two devices and a grace',
    answer: [phone, tablet],
    actions: [[asked('script', bash('make'), {}, graced)]],
    endorse: 9,
    most: 3,
    reaches: ['approved', 'endorsed', 'claimed'],
  },
  {
    ...base,
    name: 'another policy',
    answer: [phone],
    actions: [[script], change('stricter', stricter), change('closed', closed)],
    between: [freeze, thaw],
    most: 1,
    reaches: ['applied', 'claimed'],
  },
  {
    ...base,
    name: 'control: a thaw, a role, a device',
    actions: [
      [control('thaw', 'thaw', {})],
      [control('role', 'role', { user: ann.user, role: 'owner' })],
      [control('less', 'role', { user: phone.user, role: 'asks' })],
      [control('device', 'device', annsTablet)],
    ],
    answer: [phone, ann, annsTablet],
    between: [freeze, revoked(phone)],
    waits: [11],
    most: 1,
    reaches: ['applied'],
  },
  {
    ...base,
    attack: 34,
    name: 'a lease of one act',
    actions: [[lease, { ...lease, requester: 'brain' }, { ...lease, args: { ...lease.args, uses: 2000 } }]],
    covered: [
      script,
      asked('again', bash('make')),
      other,
      asked('shop', bash('make'), { workspace: 'shop' }),
    ],
    between: [...base.between, ended(lease)],
    waits: [11, -5],
    reaches: ['leased', 'claimed', 'lease.ended'],
  },
  {
    ...base,
    attack: 34,
    name: 'a lease of a path',
    answer: [phone],
    actions: [
      [
        paths,
        { ...paths, args: { ...paths.args, of: 'bash' } },
        { ...paths, args: { ...paths.args, path: '/' } },
      ],
    ],
    covered: [
      ...['src/a', 'src/b', 'srcs/a', 'src/../b'].map(wish),
      asked('its shop', file('src/a'), { workspace: 'shop' }),
      asked('list', { kind: 'list', args: { path: 'src' } }),
    ],
    between: [ended(paths), freeze],
    waits: [11],
    reaches: ['leased', 'claimed'],
  },
  {
    ...base,
    attack: 34,
    name: 'a plan of two steps',
    answer: [phone],
    actions: [[plan]],
    covered: [script, wish('src/a'), asked('two', bash('make'), { task: 'two' })],
    between: [freeze, thaw, revoked(phone), enrolled(phone), ended(plan)],
    waits: [11, -5],
    reaches: ['leased', 'claimed'],
  },
  {
    ...base,
    ...under(reading),
    attack: 34,
    name: 'reads that a card leased',
    answer: [phone],
    actions: [[first, { ...first, reads: { uses: 9, seconds: 10 } }]],
    covered: [
      wish('src/a'),
      wish('../a'),
      asked('two', file('src/a'), { task: 'two' }),
      asked('mine', file('src/a'), byOwner),
    ],
    between: [...base.between, ended(first)],
    onward: ['running', 'unknown'],
    enough: 370_000,
    reaches: ['lease.granted', 'leased', 'claimed', 'stop'],
  },
  {
    ...base,
    ...under(reading),
    attack: 34,
    name: 'two actions, a lease and a plan',
    answer: [phone, ann],
    actions: [[lease], [plan], [script], [wish('src/a')]],
    between: [freeze, thaw, revoked(phone)],
    waits: [6, -5],
    most: 1,
    reaches: ['leased', 'claimed', 'approved'],
  },
  {
    ...base,
    attack: 38,
    name: 'a way out',
    answer: [phone, ann],
    actions: [
      [way, { ...way, class: 'exec' }],
      // The rules take none of these: what comes of them is tried all the same.
      [asked('weak', reach, {}, lax)],
      [asked('hidden', { kind: 'plan', args: { steps: [reach], seconds: 10 } })],
      change('lax', lax),
    ],
    covered: [asked('through', reach)],
    most: 3,
    reaches: ['approved', 'claimed', 'denied', 'stop'],
  },
  {
    ...base,
    attack: 45,
    name: 'commands that decide themselves',
    answer: [phone],
    actions: [
      [asked('$list', { kind: 'list', args: { path: 'src' } }, byOwner)],
      [asked('$bash', bash('make'), byOwner)],
      [asked('$two', { kind: 'list', args: { path: '' } }, byOwner)],
    ],
    events: ['$list', '$bash'],
    enough: 370_000,
    reaches: ['approved', 'claimed'],
  },
];
