import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CommandContext, usageOf } from '../../bot/src/room/commands/command.ts';
import { commands, runCommand } from '../../bot/src/room/commands/table.ts';

const help = (line: string) => runCommand(line, { role: 'owner' } as CommandContext);

test('!help fits a screen or two of a phone, names every command once, and tells more about each that is asked for', async () => {
  const list = await help('!help');
  const columns = 38;
  const rows = list.split('\n').reduce((sum, line) => sum + Math.ceil(line.length / columns), 0);
  assert.ok(rows <= 26, `${rows} rows:\n${list}`);
  for (const [name, command] of Object.entries(commands)) {
    const { summary } = command;
    const usage = usageOf(name, command);
    assert.match(list, new RegExp(`(^|[ \n])!${name}(?=[ :\n\\[])`), name);
    assert.equal(await help(`!help ${name}`), `${usage}: ${summary}`);
    assert.equal(await help(`!help !${name}`), `${usage}: ${summary}`);
  }
  assert.equal(await help('!help nothing'), list);
});
