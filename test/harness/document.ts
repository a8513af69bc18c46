/** A document as far as the timeline's page builds one: where a text is read as markup, what stands in it becomes elements, as in a browser. */
import { Parser } from 'htmlparser2';

type Part = string | Node;
export type Node = {
  tag: string;
  parts: Part[];
  append(...parts: Part[]): void;
  replaceChildren(...parts: Part[]): void;
  insertAdjacentHTML(where: string, markup: string): void;
  addEventListener(): void;
};

function node(tag: string): Node {
  const made: Node = {
    tag,
    parts: [],
    append: (...parts) => void made.parts.push(...parts),
    replaceChildren: (...parts) => void made.parts.splice(0, Infinity, ...parts),
    insertAdjacentHTML(_where, markup) {
      const open = [made];
      const parser = new Parser({
        onopentag: (name) => {
          const inner = node(name);
          open.at(-1)?.append(inner);
          open.push(inner);
        },
        ontext: (text) => open.at(-1)?.append(text),
        onclosetag: () => void open.pop(),
      });
      parser.end(markup);
    },
    addEventListener: () => {},
  };
  return made;
}

/** In place of the browser's, for as long as this process lives. */
export const putDocument = (): void => void Object.assign(globalThis, { document: { createElement: node } });

/** All text in it, as people read it. */
export const textOf = (part: Part): string =>
  typeof part === 'string' ? part : part.parts.map(textOf).join('');

/** The names of all elements in it, each once. */
export const tagsIn = (part: Part): Set<string> =>
  new Set(typeof part === 'string' ? [] : [part.tag, ...part.parts.flatMap((inner) => [...tagsIn(inner)])]);

/** The texts of its elements of that name, in order. */
export const textsOf = (part: Part, tag: string): string[] =>
  typeof part === 'string'
    ? []
    : [...(part.tag === tag ? [textOf(part)] : []), ...part.parts.flatMap((inner) => textsOf(inner, tag))];
