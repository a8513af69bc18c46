/** What the server serves may be anything: what of it is an event. */
import { isObject, type WireEvent } from '../types.ts';

/** Whether it can be written down: what is nested too deep for that is nothing that a client sends. */
export const isShallow = (v: unknown, left = 500): boolean =>
  typeof v !== 'object' || v === null || (left > 0 && Object.values(v).every((e) => isShallow(e, left - 1)));

/** What is no event is dropped. */
export const wellFormed = (v: unknown): v is WireEvent =>
  isObject(v) &&
  typeof v['event_id'] === 'string' &&
  typeof v['type'] === 'string' &&
  typeof v['sender'] === 'string' &&
  (v['state_key'] === undefined || typeof v['state_key'] === 'string') &&
  isObject(v['content']) &&
  isShallow(v);
