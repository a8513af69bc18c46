/** Checks of single tool arguments: the JSON schema a model reads and the test its value must pass, side by side. */

export type Check = {
  schema: Readonly<Record<string, unknown>> & { type: string };
  /** What an absent argument stands for; an argument without one is required. */
  fallback?: string | number;
  /** What is wrong with a value, to follow the argument's name in a sentence; '' when nothing is. */
  fault(value: unknown): string;
};

/** Text of at most so many UTF-8 bytes. Half a surrogate pair has no bytes that could be approved, so it is refused. */
export const text = (description: string, o: { most: number; empty?: boolean }): Check => ({
  schema: { type: 'string', description },
  fault(value) {
    if (typeof value !== 'string') return 'must be a string';
    if (value === '' && !o.empty) return 'is empty';
    if (!value.isWellFormed()) return 'is not valid Unicode';
    if (value.includes('\0')) return 'contains a NUL character';
    const bytes = Buffer.byteLength(value);
    return bytes > o.most ? `is ${bytes} bytes long, at most ${o.most} are taken` : '';
  },
});

/** A whole number within bounds. */
export const integer = (
  description: string,
  o: { least: number; most: number; fallback: number },
): Check => ({
  schema: { type: 'integer', description, minimum: o.least, maximum: o.most, default: o.fallback },
  fallback: o.fallback,
  fault: (value) =>
    typeof value === 'number' && Number.isInteger(value) && value >= o.least && value <= o.most
      ? ''
      : `must be a whole number from ${o.least} to ${o.most}`,
});

/** A path below the workspace. The sandbox is what holds it there; this keeps nonsense off the owner's phone. */
export const path = (description: string, o: { fallback?: string } = {}): Check => {
  const name = text(description, { most: 1024 });
  return {
    schema: { ...name.schema, ...(o.fallback === undefined ? {} : { default: o.fallback }) },
    ...(o.fallback === undefined ? {} : { fallback: o.fallback }),
    fault(value) {
      const fault = name.fault(value);
      if (fault || typeof value !== 'string') return fault;
      if (value.startsWith('/') || value.startsWith('~')) return 'must be relative to the workspace';
      if (value.split('/').includes('..')) return 'must not leave the workspace (no "..")';
      return /\p{Cc}/u.test(value) ? 'contains a control character' : '';
    },
  };
};
