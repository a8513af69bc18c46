/**
 * A real model behind the OpenAI-compatible interface, as llama.cpp's own server has it: node-llama-cpp of the folder in
 * LLAMA_MODULES, and the GGUF in LLAMA_MODEL. It renders the model's ChatML template, streams what the model says, and refuses
 * what is longer than its window in llama.cpp's words. Prints its port.
 */
import http from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const from = createRequire(`${process.env.LLAMA_MODULES}/package.json`);
const { getLlama, LlamaCompletion } = await import(pathToFileURL(from.resolve('node-llama-cpp')).href);
const llama = await getLlama({ gpu: false, build: 'never', logLevel: 'error' });
const model = await llama.loadModel({ modelPath: process.env.LLAMA_MODEL });
const size = Number(process.env.LLAMA_CONTEXT ?? 8192);
const context = await model.createContext({ contextSize: size, threads: 1 });
const completion = new LlamaCompletion({ contextSequence: context.getSequence() });
const textOf = ({ content }) =>
  typeof content === 'string' ? content : (content ?? []).map(({ text }) => text ?? '').join('\n');

function promptOf({ messages, tools = [] }) {
  const turns = messages.map((m) => {
    const calls = (m.tool_calls ?? []).map((c) => `<tool_call>${JSON.stringify(c.function)}</tool_call>`);
    const more = m.role === 'system' && tools.length > 0 ? `\nTools:\n${JSON.stringify(tools)}` : '';
    return `<|im_start|>${m.role}\n${textOf(m)}${calls.join('\n')}${more}<|im_end|>\n`;
  });
  return `${turns.join('')}<|im_start|>assistant\n`;
}

let line = Promise.resolve();
const server = http.createServer((req, res) => {
  line = line.then(() => answer(req, res)).catch((error) => res.destroy(error));
});
async function answer(req, res) {
  let text = '';
  for await (const chunk of req) text += chunk;
  if (req.url.endsWith('/models')) return res.end('{"data":[{"id":"smollm2"}]}');
  const asked = JSON.parse(text);
  const tokens = model.tokenize(promptOf(asked), true);
  const began = Date.now();
  if (tokens.length + 64 > size) {
    console.error(`refused ${tokens.length} tokens`);
    res.writeHead(400, { 'content-type': 'application/json' });
    const message = 'the request exceeds the available context size, try increasing it';
    const error = {
      code: 400,
      message,
      type: 'exceed_context_size_error',
      n_prompt_tokens: tokens.length,
      n_ctx: size,
    };
    return res.end(JSON.stringify({ error }));
  }
  res.writeHead(200, { 'content-type': 'text/event-stream' });
  const chunk = (delta, finish_reason = null, more = {}) =>
    res.write(
      `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: asked.model, choices: [{ index: 0, delta, finish_reason }], ...more })}\n\n`,
    );
  chunk({ role: 'assistant', content: '' });
  const gone = new AbortController();
  res.on('close', () => gone.abort());
  let first = 0;
  let out = 0;
  const most = Math.min(asked.max_tokens ?? 256, Number(process.env.LLAMA_MOST ?? 96));
  const { metadata } = await completion.generateCompletionWithMeta(tokens, {
    maxTokens: most,
    temperature: 0,
    customStopTriggers: ['<|im_end|>'],
    signal: gone.signal,
    onTextChunk(content) {
      first ||= Date.now() - began;
      out++;
      chunk({ content });
    },
  });
  console.error(
    `${tokens.length} tokens in, first word after ${first} ms, ${out} pieces in ${Date.now() - began} ms, ${metadata.stopReason}`,
  );
  const usage = { prompt_tokens: tokens.length, completion_tokens: out, total_tokens: tokens.length + out };
  chunk({}, metadata.stopReason === 'maxTokens' ? 'length' : 'stop', { usage });
  res.end('data: [DONE]\n\n');
}
server.listen(0, process.env.LLAMA_HOST ?? '127.0.0.1', () => console.log(server.address().port));
