/** A chain as a person reads it: an entry a line, with the moment it states and what tells it from others. */
import type { Entry } from './rules.ts';
import type { Walk } from './walk.ts';
import type { World } from './worlds.ts';

/** What a body says besides what every one does; a policy by what is not usual in it would be longer than its name. */
function gist(body: string, names: ReadonlyMap<string, string>): string {
  const { digest: _, id: __, policy, args, ...rest } = JSON.parse(body);
  const said = {
    ...rest,
    ...(args && { args: args.policy ? { policy: '…' } : args }),
    ...(policy && { policy: '…' }),
  };
  const text = JSON.stringify(said).slice(1, -1).replaceAll('"', '');
  return [...names].reduce((line, [id, name]) => line.replaceAll(id, name), text);
}

/** @param names of the actions, by their ids */
export function lineOf(
  { seq, at, author, kind, action, body }: Entry,
  names: ReadonlyMap<string, string>,
): string {
  const of = names.get(action) ?? action;
  return `${String(seq).padStart(3)} ${at.slice(11, 19)} ${author.padEnd(8)} ${kind} ${of} ${gist(body, names)}`;
}

/** The chain that the rules took and the promise does not allow, or ''. */
export function counterexample(world: World, { broken }: Walk): string {
  if (!broken) return '';
  const asked = [...world.actions.map(([of]) => of), ...world.covered];
  const names = new Map(asked.map((of, i) => [of.id, `#${i + 1}`]));
  return `${world.name}: ${broken.why}\n${broken.chain.map((entry) => lineOf(entry, names)).join('\n')}`;
}
