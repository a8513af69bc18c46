/** The part of tar-stream that the set-up uses; the package has no types of its own. */
declare module 'tar-stream' {
  import type { Readable, Writable } from 'node:stream';
  export type Header = {
    name: string;
    mode?: number;
    mtime?: Date;
    uid?: number;
    gid?: number;
    size?: number;
    type?: 'file' | 'directory' | 'symlink';
    linkname?: string;
  };
  export function pack(): Readable & {
    entry(header: Header, content: Uint8Array | string, done?: (error?: Error | null) => void): void;
    /** The content is written to the stream: exactly `size` bytes. */
    entry(header: Header, done?: (error?: Error | null) => void): Writable;
    finalize(): void;
  };
  export function extract(): Writable &
    AsyncIterable<
      Readable & {
        header: { name: string; mode: number; mtime: Date; type: string; linkname: string | null };
      }
    >;
}
