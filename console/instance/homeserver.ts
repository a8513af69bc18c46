/**
 * A homeserver that is there already: asked from here, before anything is written or started, so that a fault leaves
 * nothing behind. The bot itself reaches it by the proxy alone.
 */
import { type Fault, fault } from '../fault.ts';
import type { Existing } from './settings-file.ts';

type Answer = { ok: boolean; body: Record<string, unknown> };

async function ask(url: string, path: string, body?: object, token?: string): Promise<Answer> {
  let response: Response;
  try {
    response = await fetch(`${url.replace(/\/+$/, '')}/_matrix/client${path}`, {
      ...(body && { method: 'POST', body: JSON.stringify(body) }),
      headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
      redirect: 'manual', // it would take the password along
      signal: AbortSignal.timeout(20_000),
    });
  } catch (error) {
    const { cause = error } = error as Error;
    throw fault.unavailable(
      `The homeserver at ${url} cannot be reached: ${cause instanceof Error ? cause.message || cause.name : cause}. Nothing was ` +
        'started: start it, or correct homeserver.url in pocketcoder.yaml.',
    );
  }
  const parsed: unknown = await response.json().catch(() => undefined);
  return { ok: response.ok, body: typeof parsed === 'object' && parsed ? { ...parsed } : {} };
}

const wrong = (what: string): Fault =>
  fault.config(`${what} Nothing was started: correct homeserver in pocketcoder.yaml and start again.`);

/**
 * Throws a Fault unless a Matrix homeserver answers there and, where the password is new, takes it for the bot's id. The
 * session made for that is ended again; a device without keys, as it was, disturbs nobody.
 * @param known the bot's password as it is kept; absent before the first start
 */
export async function checkHomeserver({ url, bot, password }: Existing, known?: string): Promise<void> {
  const { ok, body } = await ask(url, '/versions');
  if (!ok || !Array.isArray(body['versions']))
    throw wrong(
      `What answers at ${url} is no Matrix homeserver. Where yours has a /.well-known/matrix/client, the address that stands ` +
        'in it is the one to give.',
    );
  if (password === undefined && known === undefined)
    throw wrong('homeserver.password is missing, which the bot needs to sign in for the first time.');
  if (password === undefined || password === known) return;
  const user = bot.slice(1, bot.indexOf(':'));
  const login = await ask(url, '/v3/login', {
    type: 'm.login.password',
    identifier: { type: 'm.id.user', user },
    password,
    initial_device_display_name: 'PocketCoder set-up',
  });
  // The code alone: a server's own words might repeat what it was sent.
  const code = String(login.body['errcode']).replace(/[^A-Z_]/g, '');
  if (!login.ok)
    throw wrong(
      `The homeserver at ${url} refuses the sign-in of ${bot} (${code}): look at its name and password.`,
    );
  const token = String(login.body['access_token']);
  const keys = await ask(url, '/v3/keys/query', { device_keys: { [bot]: [] } }, token);
  await ask(url, '/v3/logout', {}, token);
  const found = login.body['user_id'];
  if (found !== bot)
    throw wrong(
      `The homeserver at ${url} is another one: its ${user} is ${JSON.stringify(found)}, not ${bot}.`,
    );
  const masters = keys.body['master_keys'] as Record<string, unknown> | undefined;
  if (known === undefined && masters?.[bot])
    throw wrong(
      `${bot} has a cross-signing identity already, made by another client: the bot needs an account that nobody ever signed ` +
        'in to.',
    );
}
