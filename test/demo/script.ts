/** What the demo's model does: the only part of the demo that is not real. */
import type { Scripts } from '../harness/model.ts';

export const wish = 'Write hello.sh, which greets whom it is told to, and try it.';
export const reason = 'Keep the file. Just show me what is in it.';

/** What the model says, in order; the story waits for each whole sentence. */
export const says = {
  write: 'I write the script first.',
  run: 'Now I try it.',
  remove: 'It works. I clean up.',
  denied: 'That was denied, so nothing was deleted. What should I do instead?',
  read: 'I only read it, then.',
  done: 'Done: hello.sh greets whom it is told to, was tried twice, and is still there.',
};

const script = ['#!/bin/sh', 'name="$1"', 'echo "Hello, $name!"', ''].join('\n');
const plan = ['write hello.sh', 'try it', 'clean up'];
const list = (done: number) => ({
  tool: 'todowrite',
  args: {
    todos: plan.map((content, i) => ({
      content,
      status: i < done ? 'completed' : i === done ? 'in_progress' : 'pending',
      priority: 'medium',
    })),
  },
});

export const scripts: Scripts = {
  [wish]: [
    { call: list(0) },
    {
      say: says.write,
      call: { tool: 'write_file', args: { path: 'hello.sh', content: script } },
    },
    { call: list(1) },
    { say: says.run, call: { tool: 'bash', args: { script: 'sh hello.sh Ada; sh hello.sh Grace' } } },
    { call: list(2) },
    { say: says.remove, call: { tool: 'bash', args: { script: 'rm -rf ./*' } } },
    { say: says.denied },
    { say: says.read, call: { tool: 'read_file', args: { path: 'hello.sh' } } },
    { say: says.done },
  ],
};
