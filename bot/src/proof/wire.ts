/** What the server serves may be anything: what of it is an event. */
import { isObject, type WireEvent } from '../types.ts';

/** Whether it can be written down: what is nested too deep for that is nothing that a client sends. */
export const isShallow = (v: unknown, left = 500): boolean =>
  typeof v !== 'object' || v === null || (left > 0 && Object.values(v).every((e) => isShallow(e, left - 1)));

/** The sizes that Matrix allows (client-server API, "Size limits"), in bytes: no server takes a larger event, so none has sent it. */
const most = { content: 65_536, name: 255, event: 1 << 18 };
const isName = (v: unknown): boolean => typeof v === 'string' && Buffer.byteLength(v) <= most.name;

/** What is no event is dropped. */
export const wellFormed = (v: unknown): v is WireEvent =>
  isObject(v) &&
  isName(v['event_id']) &&
  isName(v['type']) &&
  isName(v['sender']) &&
  (v['state_key'] === undefined || isName(v['state_key'])) &&
  isObject(v['content']) &&
  isShallow(v) &&
  Buffer.byteLength(JSON.stringify(v['content'])) <= most.content &&
  JSON.stringify(v).length <= most.event; // a server adds to it what relates to it
