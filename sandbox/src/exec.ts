/** The streams that are opened into a container: a feeder's, a keeper's, and one that reads an output again. */
import { type Duplex, PassThrough } from 'node:stream';
import type Docker from 'dockerode';

const outputs = { AttachStdout: true, AttachStderr: true, Tty: false };

/** A container that is not started yet, the stream that it is held by, and what it will print: that ends with it. */
export type Held = { container: Docker.Container; wire: NodeJS.ReadWriteStream; out: PassThrough };

/** Makes a container. What it says beside, on its stderr, goes nowhere. */
export async function heldBy(docker: Docker, options: Docker.ContainerCreateOptions): Promise<Held> {
  const container = await docker.createContainer(options);
  const all = { stdin: options.OpenStdin === true, stdout: true, stderr: true };
  const wire = await container.attach({ stream: true, hijack: true, ...all });
  const out = new PassThrough();
  docker.modem.demuxStream(wire, out, new PassThrough().resume());
  for (const event of ['end', 'close', 'error']) wire.on(event, () => out.end());
  return { container, wire, out };
}

/** An open conversation with a command in the container: bytes either way. */
export async function conversation(
  docker: Docker,
  container: Docker.Container,
  Cmd: string[],
  onBytes: (bytes: Uint8Array) => void,
): Promise<Duplex> {
  const exec = await container.exec({ Cmd, AttachStdin: true, ...outputs });
  const stream = await exec.start({ hijack: true, stdin: true });
  const sink = { write: onBytes } as unknown as NodeJS.WritableStream;
  docker.modem.demuxStream(stream, sink, process.stderr);
  return stream;
}

/** What the action has written so far, read no faster than it is taken. Ends early where there is less of it, and throws without the engine. */
export async function* readOutput(container: Docker.Container, id: string): AsyncGenerator<Uint8Array> {
  const exec = await container.exec({ Cmd: ['cat', `/var/lib/task/${id}/out`], ...outputs });
  yield* stdoutOf((await exec.start({})) as AsyncIterable<Buffer>);
  await exec.inspect();
}

/** Runs a command to its end. Returns its exit status and what it wrote to its standard output, which is little. */
export async function runIn(
  container: Docker.Container,
  Cmd: string[],
): Promise<{ exit: number; text: string }> {
  const exec = await container.exec({ Cmd, ...outputs });
  const parts = await Array.fromAsync(stdoutOf((await exec.start({})) as AsyncIterable<Buffer>));
  const { ExitCode } = await exec.inspect();
  return { exit: ExitCode ?? -1, text: Buffer.concat(parts).toString('utf8') };
}

/** The first of the two streams that the engine sends as one: pieces behind u8 stream, 3 bytes of zero, u32 length. */
export async function* stdoutOf(stream: AsyncIterable<Buffer>): AsyncGenerator<Uint8Array> {
  let held = Buffer.alloc(0);
  for await (const part of stream) {
    held = Buffer.concat([held, part]);
    for (let end: number; held.length >= 8; held = held.subarray(end)) {
      end = 8 + held.readUInt32BE(4);
      if (held.length < end) break;
      if (held[0] === 1) yield held.subarray(8, end);
    }
  }
}
