/**
 * The name of a position: equal for two whose future is the same. The rules compare the numbers of entries and never count with
 * them, and what a state remembers (an enrolment, a freeze, a loss) they compare with what was asked, answered or given alone; so
 * a number is replaced by how many turns between the two come before it. Moments are told from the latest one, and what
 * lies longer ago than any limit lies just as long ago. What else there is, now or later, is part of the name as it is.
 */
import type { Position } from './position.ts';
import { type Entry, isFrozen, stateOf } from './rules.ts';

/** Longer than any limit of the worlds, in seconds. */
const longAgo = -40;
const counted = ['seq', 'frozenAt', 'lostAt', 'lost'];
/**
 * Not written: the last entry's number and hash, which nothing is judged by; of a thaw more than that it came after the freeze; of
 * the facts what is told of an action, which follows from its story.
 */
const passed = ['seq', 'hash', 'thawedAt', 'deeds'];

type Mark = { part: number; seq: number; remembered: boolean };
type Name = { parts: (string | number)[]; marks: Mark[]; base: number };

const texts = new Map<string, number>();
function numberOf(text: string): number {
  const known = texts.get(text) ?? texts.size;
  texts.set(text, known);
  return known;
}

const moments = new Map<string, number>();
function msOf(at: string): number {
  const known = moments.get(at) ?? Date.parse(at);
  moments.set(at, known);
  return known;
}

/** What an object says without any number of an entry or moment, as one number, and the fields that have such. */
type Shape = { label: number; rest: readonly (readonly [name: string, value: unknown])[] };
const shapes = new WeakMap<object, Shape>();

const byName = ([a]: [string, unknown], [b]: [string, unknown]): number => (a < b ? -1 : 1);
const fieldsOf = (value: object): [string, unknown][] =>
  value instanceof Map ? [...value].sort(byName) : Object.entries(value);

/** Nothing changes after it was folded, so it is looked at once. */
function shapeOf(value: object): Shape {
  const known = shapes.get(value);
  if (known) return known;
  let text = Array.isArray(value) ? '[' : '{';
  const rest: [string, unknown][] = [];
  for (const [name, field] of fieldsOf(value)) {
    if (typeof field === 'object' && field !== null) {
      const inner = shapeOf(field);
      if (inner.rest.length > 0) rest.push([name, field]);
      else text += `${name}#${inner.label} `;
    } else if (name === 'at' || counted.includes(name)) rest.push([name, field]);
    else text += `${name}:${field} `;
  }
  const shape = { label: numberOf(text), rest };
  shapes.set(value, shape);
  return shape;
}

const labelOf = (value: unknown): number => (value ? shapeOf(value).label : 0);

function write(name: Name, field: string, value: unknown, remembered: boolean): void {
  const { parts, marks, base } = name;
  if (typeof value === 'object' && value !== null) {
    const { label, rest } = shapeOf(value);
    parts.push(label);
    // The order in which devices were enrolled is nobody's business but for their numbers.
    const fields = field === 'devices' ? [...rest].sort(([, a], [, b]) => labelOf(a) - labelOf(b)) : rest;
    for (const [inner, one] of fields) write(name, inner, one, remembered);
  } else if (counted.includes(field)) {
    marks.push({ part: parts.length, seq: Number(value), remembered });
    parts.push(0);
  } else if (field === 'at' || field === 'clock') {
    const ms = typeof value === 'string' ? msOf(value) : Number(value);
    parts.push(Math.max(longAgo, (ms - base) / 1000));
  } else parts.push(String(value));
}

/** Numbers the marks by the turns before them, in place. */
function rank({ parts, marks }: Name): void {
  marks.sort((a, b) => a.seq - b.seq);
  let turn = 0;
  let last: boolean | undefined;
  for (const { part, seq, remembered } of marks) {
    if (!(seq > 0)) continue;
    if (last !== remembered) turn++;
    last = remembered;
    parts[part] = turn;
  }
}

/** @param of the state that the rules keep, or the facts */
function writeAll(name: Name, of: object): void {
  for (const field in of)
    if (!passed.includes(field)) write(name, field, of[field as keyof typeof of], field !== 'grants');
}

const labels = new WeakMap<Entry, number>();
function writeStory(name: Name, story: readonly Entry[]): void {
  for (const entry of story) {
    const { kind, author, body, seq, at } = entry;
    const label = labels.get(entry) ?? numberOf(`${author} ${kind} ${body}`);
    labels.set(entry, label);
    name.parts.push(label);
    write(name, 'seq', seq, false);
    write(name, 'at', at, false);
  }
}

export function keyOf({ state, stories, facts, now }: Position): string {
  const name: Name = { parts: [], marks: [], base: msOf(facts.clock) };
  name.parts.push(Math.max(longAgo, (now - name.base) / 1000), String(isFrozen(state)));
  writeAll(name, state);
  for (const [action, story] of [...stories].sort(byName)) {
    name.parts.push(action);
    const { stage, request } = facts.deeds.get(action) ?? {};
    // Of what is over, or was claimed and gives no reads, nothing is judged any more but how far it is.
    if (stage === 'over' || (stage === 'claimed' && !request?.reads)) name.parts.push(stateOf(story));
    else writeStory(name, story);
  }
  writeAll(name, facts);
  rank(name);
  return name.parts.join(' ');
}
