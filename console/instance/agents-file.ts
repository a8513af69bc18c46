/** Helpers of the owner's: `agents/*.md` in the state directory, checked before anything is touched. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parse } from 'yaml';
import { type Agent, type ToolName, toolNames, usualTools } from '../../bot/src/agents.ts';
import { fault } from '../fault.ts';

/** Of files, of bytes in one, and of characters in a description. */
const most = { files: 12, bytes: 16_384, description: 300 };
const isBudget = (v: unknown): v is number => Number.isSafeInteger(v) && Number(v) >= 1000;
const isText = (v: unknown): v is string => typeof v === 'string' && v.trim() !== '';

/** @param models by the names of the settings. @throws Error that says what is wrong */
function agentIn(name: string, text: string, models: readonly string[]): Agent {
  const [, front, words = ''] = /^---\r?\n([\s\S]*?)^---\s*?\n([\s\S]*)$/m.exec(text) ?? [];
  if (!/^[a-z][a-z0-9-]{0,15}$/.test(name))
    throw new Error('its name must be small letters, digits and dashes, 16 at most');
  if (front === undefined || !text.startsWith('---'))
    throw new Error('it must begin with front matter: a line ---, then description: …, then a line ---');
  if (Buffer.byteLength(text) > most.bytes) throw new Error(`it has more than ${most.bytes} bytes`);
  const known = (parse(front) ?? {}) as Record<string, unknown>;
  const { description, model, budget, tools = usualTools, ...more } = known;
  const [unknown] = Object.keys(more);
  if (unknown !== undefined)
    throw new Error(`there is no "${unknown}": description, model, budget and tools are all`);
  if (!isText(description) || /\n/.test(description.trim()) || description.length > most.description)
    throw new Error(`description must be one line of at most ${most.description} characters`);
  if (model !== undefined && !models.some((one) => one === model))
    throw new Error(`there is no model ${JSON.stringify(model)}: there is ${models.join(', ') || 'none'}`);
  if (budget !== undefined && !isBudget(budget))
    throw new Error('budget must be a whole number of tokens, 1000 or more');
  const isTool = (tool: unknown): tool is ToolName => toolNames.some((one) => one === tool);
  if (!Array.isArray(tools) || !tools.every(isTool))
    throw new Error(`tools must be a list of some of ${toolNames.join(', ')}`);
  if (!isText(words)) throw new Error('below its front matter it must say what the helper is told');
  return {
    name,
    description: description.trim(),
    ...(isText(model) && { model }),
    ...(isBudget(budget) && { budget }),
    tools,
    words: words.trim(),
  };
}

/** The helpers in `home`, by their names. @param models by the names of the settings. Throws a Fault (`config`) that names the file. */
export function readAgents(home: string, models: readonly string[]): Agent[] {
  const folder = join(home, 'agents');
  const fail = (path: string, what: string): never => {
    throw fault.config(
      `${path}: ${what}. Nothing was started or changed: correct the file, or take it out of ${folder}, and start again.`,
    );
  };
  const files = existsSync(folder) ? readdirSync(folder).filter((file) => file.endsWith('.md')) : [];
  if (files.length > most.files) fail(folder, `there are ${files.length} helpers, at most ${most.files}`);
  return files.sort().map((file) => {
    const path = join(folder, file);
    try {
      return agentIn(basename(file, '.md'), readFileSync(path, 'utf8'), models);
    } catch (error) {
      const [what = ''] = (error as Error).message.split('\n');
      return fail(path, what.replace(/[.:]$/, ''));
    }
  });
}
