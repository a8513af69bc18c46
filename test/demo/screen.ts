/** The demo's terminal: a title a step, the phone's room as a chat, and notes on what happens behind it. Plain lines only. */

export type Screen = {
  /** Begins a step. */
  title(text: string): void;
  /** What the demo says about what is seen. */
  note(text: string): void;
  /** A command at the console, and what it says. */
  command(text: string): void;
  answer(text: string): void;
  /** A message in the room, with the chips that hang below it. */
  message(from: string, text: string, chips?: readonly string[]): void;
  /** What the owner does or says on the phone: on the right, as in any chat. */
  mine(text: string): void;
  /** One line that is replaced by the next one of its kind. */
  progress(text: string): void;
};

const colours = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const;
const wide = /\p{Emoji_Presentation}|\uFE0F|[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uff00-\uff60]/u;
const segments = new Intl.Segmenter();

/** Columns that a terminal gives this text. */
export const widthOf = (text: string): number =>
  [...segments.segment(text)].reduce((sum, { segment }) => sum + (wide.test(segment) ? 2 : 1), 0);

/** Breaks lines at spaces so that none is wider than that; what has no space is cut. */
export function wrap(text: string, columns: number): string[] {
  return text.split('\n').flatMap((line) => {
    const lines: string[] = [];
    let now = '';
    for (const word of line.split(/(?<= )/)) {
      if (now && widthOf((now + word).trimEnd()) > columns) {
        lines.push(now.trimEnd());
        now = '';
      }
      now += word;
      while (widthOf(now.trimEnd()) > columns) {
        lines.push(now.slice(0, columns));
        now = now.slice(columns);
      }
    }
    return [...lines, now.trimEnd()];
  });
}

/** @param write takes text as it is to be shown @param o.columns of the terminal; more than 80 are not used */
export function makeScreen(
  write: (text: string) => void,
  o: { columns: number; colour: boolean; live: boolean },
): Screen {
  const columns = Math.max(40, Math.min(80, o.columns));
  let step = 0;
  let open = false;
  const paint = (colour: keyof typeof colours, text: string): string =>
    o.colour ? `\x1b[${colours[colour]}m${text}\x1b[0m` : text;
  const line = (text = ''): void => {
    if (open) write('\r\x1b[K');
    open = false;
    write(`${text}\n`);
  };
  const block = (text: string, indent: string, bar: string, shown: (text: string) => string) => {
    for (const one of wrap(text, columns - indent.length - 2))
      line(`${indent}${bar} ${shown(one)}`.trimEnd());
  };
  /** Fenced text as a client shows it: set apart, without the fences. */
  function body(text: string): void {
    const bar = paint('cyan', '┃');
    let fence = '';
    for (const one of text.split('\n')) {
      if (!fence && /^`{3,}$/.test(one)) fence = one;
      else if (one === fence) fence = '';
      else if (fence) block(`  ${one}`, '  ', bar, (t) => paint('bold', t));
      else block(one, '  ', bar, (t) => t);
    }
  }
  return {
    title(text) {
      step++;
      line();
      const head = ` ${step}. ${text} `;
      line(paint('bold', `──${head}${'─'.repeat(Math.max(2, columns - 2 - widthOf(head)))}`));
    },
    note(text) {
      for (const one of wrap(text, columns - 2)) line(`  ${paint('dim', one)}`);
    },
    command(text) {
      const [first = '', ...rest] = wrap(text, columns - 4);
      line(`  ${paint('yellow', '$')} ${paint('bold', first)}`);
      for (const one of rest) line(`    ${paint('bold', one)}`);
    },
    answer: (text) => block(text, '  ', ' ', (t) => t),
    message(from, text, chips = []) {
      line();
      line(`  ${paint('cyan', '┃')} ${paint('green', from)}`);
      body(text);
      if (chips.length > 0) line(`  ${paint('cyan', '┃')} ${chips.map((c) => `[ ${c} ]`).join(' ')}`);
    },
    mine(text) {
      line();
      const lines = wrap(text, Math.floor(columns * 0.6));
      const indent = ' '.repeat(columns - Math.max(...lines.map(widthOf)) - 2);
      for (const one of lines)
        line(
          `${indent}${one}${' '.repeat(columns - 2 - indent.length - widthOf(one))} ${paint('yellow', '┃')}`,
        );
    },
    progress(text) {
      if (!o.live) return;
      const [first = ''] = wrap(text, columns - 4);
      write(`\r\x1b[K  ${paint('dim', first)}`);
      open = true;
    },
  };
}
