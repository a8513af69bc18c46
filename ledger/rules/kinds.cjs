// @ts-check
// The kinds of action, a line each: all that the rules go by where they ask what kind of action it is.

/**
 * `class` is what the sandbox would let it do, never what its text says. `paths` names every argument that is a path, where a lease may
 * cover the kind by a folder: all of them have to be below it. `words` marks what the signed message that asks for it may decide (it
 * reads, adds a file and replaces none, or changes a copy alone), `owner` what an owner decides on, `beside` what waits for nothing that runs in its task, `lasts` what
 * is there to be used from one moment on until it is over, `shown` what reads no file but what a program of the task has shown, or a tool server has in its own container.
 * @typedef {{class: import('../src/action.ts').RiskClass, paths?: readonly string[], words?: true, owner?: true, beside?: true, lasts?: true, shown?: true}} Traits
 */

/** The compiler names what is missing here, or too much. @type {Record<import('../src/action.ts').Kind, Traits>} */
const kinds = {
  bash: { class: 'exec' },
  read_file: { class: 'read', paths: ['path'] },
  list: { class: 'read', paths: ['path'], words: true },
  grep: { class: 'read', paths: ['path'] },
  get_file: { class: 'read', words: true },
  put_file: { class: 'write', words: true },
  diff: { class: 'read', words: true },
  export: { class: 'read', words: true },
  write_file: { class: 'write', paths: ['path'] },
  edit_file: { class: 'write', paths: ['path'] },
  push_look: { class: 'read', words: true },
  push: { class: 'network' },
  pull: { class: 'network' },
  undo_diff: { class: 'read', words: true },
  undo: { class: 'write' },
  merge_look: { class: 'read', words: true },
  merge: { class: 'write' },
  try: { class: 'exec', words: true, beside: true },
  screen: { class: 'read', words: true, beside: true },
  terminal_open: { class: 'exec', beside: true, lasts: true },
  terminal_send: { class: 'exec' },
  terminal_read: { class: 'read', shown: true },
  egress: { class: 'network', beside: true, lasts: true },
  server_look: { class: 'exec', beside: true },
  server_reach: { class: 'network', beside: true },
  mcp: { class: 'exec' },
  mcp_read: { class: 'read', shown: true },
  mcp_out: { class: 'network' },
  server_pin: { class: 'control' },
  lease: { class: 'control' },
  plan: { class: 'control' },
  policy: { class: 'control', owner: true },
  role: { class: 'control', owner: true },
  device: { class: 'control', owner: true },
  thaw: { class: 'control', owner: true },
};

/** @param {unknown} kind @returns {kind is import('../src/action.ts').Kind} */
const isKind = (kind) => typeof kind === 'string' && Object.hasOwn(kinds, kind);

/** What is known of a kind; nothing of one that does not exist. @param {unknown} kind @returns {Partial<Traits>} */
const traits = (kind) => (isKind(kind) ? kinds[kind] : {});

/** The kinds of a class. @param {string} risk */
const kindsOf = (risk) => Object.keys(kinds).filter((kind) => traits(kind).class === risk);

module.exports = { kinds, isKind, traits, kindsOf };
