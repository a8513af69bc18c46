/** The bot's one login: a device id chosen once, kept with its token. */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MatrixError } from 'matrix-bot-sdk';
import { writeWhole } from '../database.ts';
import type { DeviceId, UserId } from '../types.ts';
import type { Client } from './client.ts';
import type { Http } from './http.ts';

type Saved = { device: DeviceId; user?: UserId; token?: string };
export type Session = { user: UserId; device: DeviceId; token: string };
export type LoginOptions = {
  http: Http;
  user: string;
  password: string;
  serverName: string;
  stateDir: string;
  /** The identity that a new device is to be signed with; undefined where the account must not have one yet. */
  saved: object | undefined;
};

const v3 = '/_matrix/client/v3';

const save = (path: string, saved: Saved): void => writeWhole(path, JSON.stringify(saved));

async function logIn(o: LoginOptions, device: DeviceId): Promise<{ user: UserId; token: string }> {
  const answer = await o.http('POST', `${v3}/login`, {
    body: {
      type: 'm.login.password',
      identifier: { type: 'm.id.user', user: o.user },
      password: o.password,
      device_id: device,
      initial_device_display_name: 'PocketCoder',
    },
  });
  const { user_id: user, access_token: token } = JSON.parse(answer.bytes.toString('utf8')) as {
    user_id: UserId;
    access_token: string;
  };
  return { user, token };
}

/** Ends a device of the account, by its own hand: that asks for the password alone, on every homeserver. */
async function endDevice(o: LoginOptions, device: DeviceId): Promise<void> {
  const { token } = await logIn(o, device);
  await o.http('POST', `${v3}/logout`, { body: {}, token });
}

/** Ends every other device of the bot's account: each belonged to a key store that is gone or must be. */
export async function endOtherDevices(
  o: LoginOptions,
  client: Pick<Client, 'api'>,
  own: DeviceId,
): Promise<void> {
  const { devices } = await client.api<{ devices: { device_id: DeviceId }[] }>('GET', '/devices');
  for (const { device_id } of devices) if (device_id !== own) await endDevice(o, device_id);
}

/** A new device of an account that has an identity already could never be signed: it would only break strict phones. */
async function refuseSecondDevice(o: LoginOptions, user: UserId, token: string): Promise<void> {
  const query = { body: { device_keys: { [user]: [] } }, token };
  const answer = await o.http('POST', `${v3}/keys/query`, query);
  const keys = JSON.parse(answer.bytes.toString('utf8')) as { master_keys?: Record<string, unknown> };
  if (!keys.master_keys?.[user]) return;
  await o.http('POST', `${v3}/logout`, { body: {}, token });
  throw new Error(
    `${user} already has a cross-signing identity, but ${o.stateDir} does not hold its keys. ` +
      'Nothing was changed and no device was left behind: restore that state directory, or give the bot a new account.',
  );
}

/** Whether the server ended the session but kept its device, as one that gives its tokens a lifetime does (`soft_logout`). */
async function hasExpired(http: Http, token: string): Promise<boolean> {
  try {
    await http('GET', `${v3}/account/whoami`, { token });
    return false;
  } catch (error) {
    return error instanceof MatrixError && 'soft_logout' in error.body && error.body.soft_logout === true;
  }
}

/**
 * The session of this state directory, made by password the first time and when it has expired. The device id is kept before it is used, so a
 * login that was cut off is repeated for the same device and none is left over.
 * @throws MatrixError M_FORBIDDEN for a wrong password; Error where the account belongs to another state directory
 */
export async function openSession(o: LoginOptions): Promise<Session> {
  const path = join(o.stateDir, 'session.json');
  if (!existsSync(path)) {
    const device = `PC${randomBytes(5).toString('hex').toUpperCase()}` as DeviceId;
    save(path, { device });
  }
  const saved = JSON.parse(readFileSync(path, 'utf8')) as Saved;
  let { user, token } = saved;
  if (!user || !token || (await hasExpired(o.http, token))) {
    ({ user, token } = await logIn(o, saved.device));
    if (!user.endsWith(`:${o.serverName}`))
      throw new Error(
        `the homeserver calls itself ${user.slice(user.indexOf(':') + 1)}, not ${o.serverName}`,
      );
    if (!saved.user && !o.saved) await refuseSecondDevice(o, user, token);
    save(path, { ...saved, user, token });
  }
  return { user, device: saved.device, token };
}
