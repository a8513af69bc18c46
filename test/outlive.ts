/** Programs that have to take away again what they started go on to their end, whether anybody still reads their output or not. */
export function outliveReader(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
}
