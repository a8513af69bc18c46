/** `doctor model`: has each configured model call a tool once, through all that stands between, and says what it cannot do. */
import type { Probed } from '../../bot/src/brain/probe.ts';
import { findEngine } from '../engine/engine.ts';
import { fault } from '../fault.ts';
import { askBot } from '../instance/bot-console.ts';
import type { Instance } from '../instance/instance.ts';
import { modelsOf, settingOf } from '../instance/settings-file.ts';
import { fail, ok, warn } from './doctor.ts';
import type { Found, Row } from './doctor-scene.ts';

const correct = 'correct that in pocketcoder.yaml, then ./pocketcoder start -d';
const count = (tokens: number): string => tokens.toLocaleString('en');

/** What a look at a model says of it; `setting` is where it stands in the settings. */
export function findings(
  setting: string,
  { called, said, trouble, tokens, context, seconds }: Probed,
): Found[] {
  const took = `${count(tokens)} tokens, ${seconds} s`;
  if (trouble && trouble.code !== 'cut') return [fail(`${setting}: ${trouble.message}`, correct)];
  const words = said ? `it said “${said.replaceAll(/\s+/g, ' ').slice(0, 120)}”` : 'it said nothing';
  if (!called)
    return [
      fail(
        `${setting}: it answers, but calls no tool: ${words} (${took})`,
        'give it a model that takes tools: without them it can only talk',
      ),
    ];
  // Both requests carry the instructions and the tools.
  const each = Math.round(tokens / 2);
  const small = warn(
    `${setting}: of the ${count(context)} tokens that it takes at once, instructions and tools alone are ${count(each)}`,
    `set ${setting}.context higher if it takes more, or choose another model`,
  );
  const well =
    called === 'todowrite'
      ? ok(`${setting}: it calls tools, and goes on by their outcome (${took})`)
      : warn(
          `${setting}: it calls tools, but ${called} where it was to call todowrite (${took})`,
          'expect it to do other things than it was asked for, or choose another model',
        );
  return each > context / 4 ? [well, small] : [well];
}

/** One row or two for each model, as soon as it has answered. Throws a Fault where there is none. */
export async function* askModels({ settings, state }: Instance): AsyncGenerator<Row> {
  const models = modelsOf(settings);
  if (!models) throw fault.unavailable('No model is configured: docs/models.md says how. Nothing was asked.');
  for (const name of Object.keys(models)) {
    const said = await askBot(findEngine(), state.project, { cmd: 'probe', name });
    const setting = settingOf(settings, name);
    for (const found of findings(setting, said as unknown as Probed)) yield { check: 'model', ...found };
  }
}
