/** What a tool server answered, from its whole result as the ledger has it: its text, and the pictures and files that go along. All of it is data. */
import { mimeOf } from '../brain/pictures.ts';
import type { Held } from '../gateway/outcome.ts';

/** Pictures and files of one result: more of them are named and not passed on. */
const mostHeld = 8;

/** Whatever a server put there. */
const named = (v: unknown): string => JSON.stringify(typeof v === 'string' ? v.slice(0, 200) : 'unknown');

/** What stands of one part of a result: its text, or a line of ours. @param held takes what goes along by itself */
function partText(part: Record<string, unknown>, held: Held[]): string {
  const { type, text, mimeType, data, uri } = part;
  if (type === 'text' && typeof text === 'string') return text;
  if (type === 'resource') {
    const { text: inner, ...rest } = (part['resource'] ?? {}) as Record<string, unknown>;
    return typeof inner === 'string' ? inner : partText({ ...rest, type: 'file', data: rest['blob'] }, held);
  }
  const bytes = typeof data === 'string' ? Buffer.from(data, 'base64') : undefined;
  const goes = bytes && bytes.length > 0 && (type === 'image' || type === 'file') && held.length < mostHeld;
  const how = goes ? `number ${held.push({ bytes, picture: mimeOf(bytes) })} in the room` : 'not passed on';
  const size = bytes ? `, ${bytes.length} bytes` : '';
  return `[${named(type)}${mimeType ? ` of type ${named(mimeType)}` : ''}${uri ? ` at ${named(uri)}` : ''}${size}: ${how}]`;
}

/** What was read as a resource, as the parts of a call's result. */
const inParts = (contents: unknown) =>
  Array.isArray(contents) ? contents.map((resource) => ({ type: 'resource', resource })) : undefined;

/** Reads a result, whatever it is: the call was made. @param json what the executor recorded, which is words of ours where nothing was answered, and in an older entry the text alone */
export function answeredBy(json: string): { text: string; held: Held[] } {
  const held: Held[] = [];
  try {
    const {
      contents,
      content = inParts(contents),
      structuredContent,
    } = JSON.parse(json) as Record<string, unknown>;
    if (content === undefined && structuredContent === undefined) return { text: json, held };
    const parts = Array.isArray(content) ? content : [];
    const text = parts.map((part) => partText((part ?? {}) as Record<string, unknown>, held)).join('\n');
    const structured = parts.length === 0 && structuredContent !== undefined;
    return { text: structured ? JSON.stringify(structuredContent) : text, held };
  } catch {
    return { text: json, held };
  }
}
