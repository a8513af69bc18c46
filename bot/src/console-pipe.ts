/** Joins standard input and output to the bot's console socket: what `docker exec` runs for the launcher. */
import { connect } from 'node:net';

const socket = connect(process.env['CONSOLE'] ?? '/var/lib/pocketcoder/console.sock');
socket.on('error', (error) => {
  process.stdout.write(
    `${JSON.stringify({ event: 'error', message: `the bot is not up: ${error.message}` })}\n`,
  );
  process.exitCode = 69;
});
socket.on('close', () => process.stdin.destroy());
process.stdin.pipe(socket);
socket.pipe(process.stdout);
