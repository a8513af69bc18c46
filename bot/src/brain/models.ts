/** The models that tasks think with: which one each task has, and what their refusals said of their limits. Kept over restarts. */
import type { Database } from '../database.ts';
import type { Limit } from './brain.ts';

/** A model by its limits in tokens, as the brain knows it by `id`. */
export type Rung = { id: string; context: number; output: number };
/** A model that the settings name; its rungs go down from the limits that are set there. */
export type Model = {
  name: string;
  provider: string;
  /** The provider's name of it. */
  model: string;
  /** It sees pictures. */
  pictures: boolean;
  rungs: readonly [Rung, ...Rung[]];
};
export type Models = {
  /** The model of a task: the one chosen for it, else the first. */
  of(task: string): Model;
  /** What a task's next prompt is asked of. */
  rung(task: string): { model: Model; rung: Rung };
  /** From its next prompt on a task has this model. Returns what to say. */
  choose(task: string, name: string): string;
  /** All of them, the task's own marked. */
  list(task: string): string;
  /** Notes what a refusal said that a task's model takes. Returns what to say; '' where that was known. */
  learn(task: string, limit: Limit): string;
};

/** Said where there is none. */
export const noModel =
  'No model is configured, so nobody can answer this. !run COMMAND works without one; docs/models.md says how to add a model.';

const count = (tokens: number): string => tokens.toLocaleString('en');

/** @param all at least one */
export function createModels(db: Database, all: readonly Model[]): Models {
  db.exec(`
    CREATE TABLE IF NOT EXISTS task_model(task TEXT PRIMARY KEY, name TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS model_limit(model TEXT, what TEXT, tokens INTEGER NOT NULL, PRIMARY KEY(model, what)) STRICT;`);
  const chosen = db.prepare('SELECT name FROM task_model WHERE task = ?');
  const limit = db.prepare('SELECT tokens FROM model_limit WHERE model = ? AND what = ?');

  function of(task: string): Model {
    const { name } = (chosen.get(task) ?? {}) as { name?: string };
    const model = all.find((one) => one.name === name) ?? all[0];
    if (!model) throw new Error('no model is configured');
    return model;
  }
  /** What was learned counts for these very settings: whoever changes one of them says what is true from then on. */
  const keyOf = ({ provider, model, rungs: [set] }: Model): string =>
    `${provider} ${model} ${set.context} ${set.output}`;
  function rungOf(model: Model): Rung {
    const most = (what: Limit['what']) =>
      (limit.get(keyOf(model), what) as { tokens: number } | undefined)?.tokens ?? Number.POSITIVE_INFINITY;
    const [context, output] = [most('context'), most('output')];
    const fits = model.rungs.find((rung) => rung.context <= context && rung.output <= output);
    return fits ?? model.rungs.at(-1) ?? model.rungs[0];
  }
  const line = (model: Model): string => {
    const more = model.name === 'model' ? '' : `${model.name}: `;
    return `${more}${model.provider} ${model.model} · ${count(rungOf(model).context)} tokens`;
  };
  const settingOf = ({ name }: Model): string => (name === 'model' ? name : `models.${name}`);

  return {
    of,
    rung(task) {
      const model = of(task);
      return { model, rung: rungOf(model) };
    },
    choose(task, name) {
      if (all.length === 0) return noModel;
      const model = all.find((one) => one.name === name);
      if (!model) return `There is no model "${name}", and nothing was changed.\n${this.list(task)}`;
      db.prepare('INSERT OR REPLACE INTO task_model VALUES(?, ?)').run(task, name);
      return `From its next turn on this task thinks with ${line(model)}.`;
    },
    list(task) {
      if (all.length === 0) return noModel;
      const lines = all.map((model) => `${model === of(task) ? '▶' : '▷'} ${line(model)}`);
      const how =
        all.length > 1
          ? '!model NAME changes it for this task.'
          : 'docs/models.md says how to have several to choose from.';
      return [...lines, how].join('\n');
    },
    learn(task, { what, tokens }) {
      const { model, rung } = this.rung(task);
      if (tokens >= rung[what]) return '';
      db.prepare('INSERT OR REPLACE INTO model_limit VALUES(?, ?, ?)').run(keyOf(model), what, tokens);
      const does = what === 'context' ? 'takes no more than' : 'writes no more than';
      return (
        `📏 ${model.model} says that it ${does} ${count(tokens)} tokens at once. That is kept to from now on, and the agent goes on; ` +
        `${settingOf(model)}.${what}: ${tokens} in pocketcoder.yaml says it from the start.`
      );
    },
  };
}
