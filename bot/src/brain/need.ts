/** What OpenCode's server answered, or an error for people. */

/** What an answer carries, or an error that says what was asked for. */
export function need<T>(
  what: string,
  answer: { data?: T; error?: unknown; response?: Response },
  empty = false,
): NonNullable<T> {
  if (answer.error === undefined && (answer.data || (empty && answer.response?.ok)))
    return answer.data as NonNullable<T>;
  const status = answer.response ? `HTTP ${answer.response.status}` : 'no answer';
  throw new Error(`The brain did not take ${what} (${status}). Nothing was done; try again.`);
}
