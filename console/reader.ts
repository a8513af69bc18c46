/** What becomes of a program whose output nobody reads any more, as in `./pocketcoder doctor | head -5`. */

/** 128 + SIGPIPE, as a shell tells of a program that a closed pipe ended. Node itself ignores that signal. */
const pipeClosed = 141;

const streams = [process.stdout, process.stderr];

/** Ends this process quietly once whoever reads its output has gone. */
export function endWithReader(): void {
  for (const stream of streams)
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      process.exit(pipeClosed);
    });
}

/** For what has to take away again what it started: it goes on to its end, read or not. */
export function outliveReader(): void {
  for (const stream of streams) stream.removeAllListeners('error').on('error', () => {});
}
