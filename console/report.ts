/** What the set-up says: lines for a person, or one JSON object a line for a machine. */

export type Report = ReturnType<typeof makeReport>;

/** Control characters that JSON lets through and some terminals obey. */
const controls = /[\x7f-\x9f]/g;

/** @param json one object a line instead of text @param write takes whole lines */
export function makeReport(json: boolean, write: (line: string) => void) {
  const took: Record<string, number> = {};
  let current = '';
  const event = (object: Record<string, unknown>, text?: string): void => {
    if (json) write(JSON.stringify(object).replace(controls, (c) => `\\u00${c.charCodeAt(0).toString(16)}`));
    else if (text !== undefined) write(text);
  };
  return {
    /** One fact. Machines get the object; people get the text, or nothing without one. */
    event,
    /** A step within a phase that goes on for long. */
    progress: (text: string): void => event({ event: 'progress', phase: current, text }, `  ${text}`),
    /** Runs one phase of the set-up, says that it began and how many seconds it took. */
    async phase<T>(name: string, what: string, run: () => Promise<T>): Promise<T> {
      current = name;
      event({ event: 'phase', phase: name, state: 'started' }, `${name}: ${what}`);
      const from = performance.now();
      const result = await run();
      const seconds = Math.round((performance.now() - from) / 100) / 10;
      took[name] = seconds;
      event({ event: 'phase', phase: name, state: 'done', seconds }, `${name}: done (${seconds} s)`);
      return result;
    },
    /** Seconds of each phase so far. */
    seconds: (): Record<string, number> => took,
  };
}

/** For callers that want no words. */
export const silent: Report = makeReport(false, () => {});
