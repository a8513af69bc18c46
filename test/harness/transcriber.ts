/**
 * A transcription endpoint, as strict as OpenAI's is documented to be (createTranscription: multipart, `file` by a name that
 * ends in a known form, `model`, `response_format`). What it hears is what the recording's bytes say.
 */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

/** Of each request: the key that was shown, and the recording by its name. */
export type Came = { key: string; file: string; model: string; bytes: string };
export type Transcriber = {
  port: number;
  came: Came[];
  /** How the next ones are answered; undefined writes down what their bytes say. */
  answer: ((res: http.ServerResponse) => void) | undefined;
  stop(): Promise<void>;
};

/** The settings that name it, by where it listens for containers. */
export const writerSettings = ({ port }: Transcriber) => ({
  ...{ url: `http://host.docker.internal:${port}/v1`, name: 'heard-1', key: 'voice-key' },
});

const forms = /\.(flac|m4a|mp3|mp4|mpeg|mpga|oga|ogg|wav|webm)$/;

async function take(req: http.IncomingMessage, key: string): Promise<Came | [number, string]> {
  const shown = String(req.headers.authorization ?? '').replace(/^Bearer /, '');
  if (req.method !== 'POST' || req.url !== '/v1/audio/transcriptions')
    return [404, `Invalid URL (${req.method} ${req.url})`];
  if (shown !== key) return [401, 'Incorrect API key provided.'];
  const type = String(req.headers['content-type']);
  const body = await new Response(await buffer(req), { headers: { 'content-type': type } })
    .formData()
    .catch(() => undefined);
  const [file, model, form] = ['file', 'model', 'response_format'].map((name) => body?.get(name));
  if (!(file instanceof File)) return [400, 'file: field required'];
  if (!forms.test(file.name)) return [400, `Unrecognized file format: ${file.name}`];
  if (typeof model !== 'string' || model !== 'heard-1') return [404, `The model \`${model}\` does not exist`];
  if (form !== 'json') return [400, `response_format '${form}' is not compatible with model`];
  return { key: shown, file: file.name, model, bytes: await file.text() };
}

/** @param host where it listens @param key the one that it takes */
export async function startTranscriber({ host = '127.0.0.1', key = 'voice-key' } = {}): Promise<Transcriber> {
  const server = http.createServer((req, res) => {
    const say = (status: number, what: object) =>
      res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(what));
    take(req, key).then(
      (came) => {
        if (Array.isArray(came)) return say(came[0], { error: { message: came[1] } });
        transcriber.came.push(came);
        return transcriber.answer ? transcriber.answer(res) : say(200, { text: came.bytes });
      },
      () => res.destroy(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const transcriber: Transcriber = {
    port: (server.address() as AddressInfo).port,
    came: [],
    answer: undefined,
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return transcriber;
}
