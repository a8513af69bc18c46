/** The bot's Matrix part as a process of its own, to be killed: logs what it takes in, one line an event. */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import pino from 'pino';
import { openMatrix } from '../../bot/src/connect.ts';
import { openDatabase } from '../../bot/src/database.ts';
import type { RoomId, UserId } from '../../bot/src/types.ts';

const { HOMESERVER: homeserver = '', SERVER_NAME: serverName = '', BOT_USER: user = '' } = process.env;
const {
  BOT_PASSWORD: password = '',
  BOT_STATE: stateDir = '',
  OWNER = '',
  HOLD = '',
  SAY = '',
} = process.env;
const log = pino();
mkdirSync(stateDir, { recursive: true });

const matrix = await openMatrix({
  homeserver,
  serverName,
  user,
  password,
  stateDir,
  db: openDatabase(join(stateDir, 'bot.sqlite')),
  deciding: openDatabase(join(stateDir, 'deciding.sqlite')),
  log,
  recipients: () => [],
  leak: () => '',
});
for (const [of, said] of matrix.saidSince)
  log.info({ room: of, said: said.map((content) => content['body']) }, 'restored');
await matrix.run({
  async intake(t) {
    const line = { event: t.wire.event_id, body: t.content['body'], failed: t.failed };
    if (HOLD && t.content['body'] === HOLD) {
      log.info(line, 'held');
      await new Promise(() => {});
    }
    if (t.encrypted) log.info(line, 'taken');
  },
  isDown: () => false,
  async setAside(room, wire) {
    log.info({ room, event: wire.event_id }, 'set aside');
  },
  async onGap(room) {
    log.info({ room }, 'gap');
    if (HOLD) await new Promise(() => {});
  },
  onTrouble: () => {},
  onKeys: () => {},
});
if (OWNER)
  log.info({ room: await matrix.createWorkspaceRoom({ name: 'main', invite: [OWNER as UserId] }) }, 'room');
if (SAY) {
  const [room = '', body] = SAY.split(' ');
  await matrix.post(room as RoomId, 'm.room.message', { msgtype: 'm.notice', body });
}
log.info({ device: matrix.device }, 'ready');
setInterval(() => {}, 1000);
