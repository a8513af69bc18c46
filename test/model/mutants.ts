/** Mutants of the rules: each takes one of them out, and the model has to find a chain that breaks the promise. */

export type RuleMutant = {
  takesOut: string;
  /** A module in `ledger/rules`. */
  module: string;
  /** Stands in it exactly once. */
  find: string;
  replace: string;
};

type Row = readonly [takesOut: string, find: string, replace: string];
const rows: Record<string, readonly Row[]> = {
  answers: [
    [
      'nothing is decided while frozen',
      "  if (isFrozen(c.state) && request.kind !== 'thaw') return 'frozen';\n  const term",
      '  const term',
    ],
    [
      'an answer counts until its decide-by',
      "  if (Date.parse(c.now) > deadline(requested, term.decide_within)) return 'late';\n",
      '',
    ],
    [
      'what was decided begins in time',
      "  if (Date.parse(now) > deadline(decided, term.execute_within)) return 'late';\n",
      '',
    ],
    ['a grace is waited for', "  if (Date.parse(now) < deadline(decided, term.grace)) return 'grace';\n", ''],
    [
      'a stricter policy holds at once, its grace too',
      'deadline(decided, term.grace)',
      'deadline(decided, request.grace)',
    ],
    [
      'an endorsement from before a freeze counts no more',
      "  if (state.frozenAt > a.seq) return 'frozen';\n",
      '',
    ],
    [
      'as many people and devices as the policy asks for',
      "  if (people + devices > 0) return 'quorum';\n",
      '',
    ],
    [
      'nobody approves what they asked for',
      "  return term.approvers > 1 && a.evidence.user === request.requester ? 'own_request' : '';",
      "  return '';",
    ],
    [
      'a device answers once',
      "  if (count(all).devices === count(before).devices) return 'counted_already';\n",
      '',
    ],
    [
      'what only an owner decides, an owner decided',
      "  return may ? '' : 'not_owner';",
      "  return may || state.seq > 0 ? '' : 'not_owner';",
    ],
    [
      'who answered may still approve when it begins',
      "  if (!mayApprove(a, state, a.seq)) return 'revoked';\n",
      '',
    ],
    [
      'an answer has the grade that the policy asks for',
      "  if (rank(a.grade) < rank(term.grade)) return 'grade';\n",
      '',
    ],
    ['a policy asks as soon as it is in force', 'stricter(termsOf(request), now)', 'termsOf(request)'],
    ['a closed class is closed', "now && now.mode !== 'never' ? stricter", 'now ? stricter'],
    [
      'what ended a lease ends what it covered and has not begun',
      '    return overSince(grant, state, decided.at);',
      "    return '';",
    ],
  ],
  judge: [
    [
      'by a clock that went back nothing is decided',
      "  if (Date.parse(c.now) < c.state.clock) return 'clock_back';\n",
      '',
    ],
    [
      'nothing follows where its kind has no place',
      "  if (!mayFollow(c.story, e.kind)) return 'lifecycle';\n",
      '',
    ],
    [
      'an answer names the text that was shown',
      "  if (body.digest !== c.sha256(requested.body)) return 'digest';\n",
      '',
    ],
    ['each kind is written by who may', '!rights[e.author]?.includes(e.kind)', "e.author === 'auditor'"],
    [
      'what takes effect is what was approved',
      "    if (canonical(body) !== canonical(effectOf(request, String(body.digest), c.story))) return 'body_invalid';\n",
      '',
    ],
    ['each use is counted', "    if (use !== grant.used + 1) return 'count';\n", ''],
    [
      'the agent grants itself no lease',
      "  if (requester === 'brain' && body.class === 'control' && kind !== 'plan') return 'not_allowed';\n",
      '',
    ],
    ['reads are given once, and not after a stop', "last(c.story, 'lease.granted', 'stop') || ", ''],
  ],
  effects: [
    [
      'a policy is set at the console while nobody is enrolled',
      "enrolled(state.people).length > 0 ? 'needs_approval' : ''",
      "''",
    ],
  ],
  identities: [
    ['an enrolment that came later brings no answer back', '      d.seq < seq &&\n', ''],
    [
      'taps count for nothing while somebody reads who may not approve',
      'isWatched(enrolled(people)) || people.lostAt > since',
      'people.lostAt > since',
    ],
    [
      'taps count for no card from before a loss',
      'isWatched(enrolled(people)) || people.lostAt > since',
      'isWatched(enrolled(people))',
    ],
    [
      'a signed answer is of that device',
      "(decision.grade !== 'signed' || d.device === device)",
      "(decision.grade !== 'signed' || device !== '')",
    ],
    ['who may only ask does not approve', "      atLeast(d.role, 'approves') &&\n", ''],
  ],
  state: [
    [
      'other keys under a device’s name take the device back',
      'lostAt: replaced ? seq : people.lostAt',
      'lostAt: people.lostAt',
    ],
    [
      'a role that is taken back takes the answers along',
      "  const may = atLeast(role, 'approves');",
      '  const may = true;',
    ],
    ['a revocation takes a device away', '(device && d.device !== device)', 'true'],
    ['uses are counted in the state', 'if (grant) grant.used++;', 'if (grant) grant.used += 0;'],
  ],
  lifecycle: [
    ['a denial ends an action that was approved', '  denied: [],', "  denied: ['claimed'],"],
    [
      'what is begun is not begun again',
      "  claimed: ['running', 'unknown'],",
      "  claimed: ['claimed', 'running', 'unknown'],",
    ],
  ],
  policy: [
    [
      'no policy lets the network open by less than a signed answer',
      "  if (rank(t.grade) < rank(floor[risk] || 'signed')) return",
      "  if (rank(t.grade) < rank(floor[risk] || (risk === 'network' ? 'sealed' : 'signed'))) return",
    ],
  ],
  grants: [
    [
      'no plan holds a way out',
      "!['control', 'network'].includes(traits(kind).class ?? '')",
      "traits(kind).class !== 'control'",
    ],
    [
      'a lease counts for its time',
      "  if (Date.parse(now) > Date.parse(grant.at) + grant.args.seconds * 1000) return 'lease_over';\n",
      '',
    ],
    ['a freeze ends every lease', "  if (state.frozenAt > grant.seq) return 'frozen';\n", ''],
    [
      'a lease ends with who gave it',
      "  if (!grant.by.every((evidence) => mayApprove({ evidence, grade }, state, grant.seq))) return 'revoked';\n",
      '',
    ],
    [
      'reads that a tap gave end with any loss',
      "  if (grade !== 'signed' && tapsAreSpoilt(state, grant.seq)) return 'revoked';\n",
      '',
    ],
    [
      'a plan’s steps are taken in their order',
      'const step = args.steps?.[used];',
      'const step = args.steps?.find((one) => actText(one, grant.workspace) === text);',
    ],
    ['a plan is for its own task', 'return asked.task === grant.task && actText(step', 'return actText(step'],
    ['a lease is used up', "  if (used >= Number(args.uses)) return 'lease_over';\n", ''],
    [
      'a lease is for its own workspace',
      "  if (treeOf(asked) !== treeOf(grant)) return 'not_covered';\n",
      '',
    ],
    ['a path does not climb', "  return parts.indexOf('..') < 0 ? parts : undefined;", '  return parts;'],
  ],
};

export const ruleMutants: readonly RuleMutant[] = Object.entries(rows).flatMap(([module, all]) =>
  all.map(([takesOut, find, replace]) => ({ takesOut, module, find, replace })),
);
