/**
 * Whose helper a task is stands in its id, and so in each of its actions in the ledger: the id of the task that handed on to it, a
 * dot, and its own number. Ids that nobody handed on to have no dot.
 */

/** The task that this one is a helper of, or ''. */
export const parentOf = (task: string): string => task.slice(0, Math.max(0, task.lastIndexOf('.')));
/** The task that somebody speaks to, at the top. */
export const rootOf = (task: string): string => task.split('.')[0] ?? task;
/** How often it was handed on until it came to this task. */
export const depthOf = (task: string): number => task.split('.').length - 1;
/** Whether it is that task, or a helper below it. */
export const isWithin = (task: string, of: string): boolean => task === of || task.startsWith(`${of}.`);

/** From the task at the top to the helper at the end. */
export const between = ' › ';
