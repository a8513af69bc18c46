/** The two accounts of the homeserver, made by Synapse's shared-secret registration. */
import { createHmac } from 'node:crypto';
import { fault } from '../fault.ts';

export type Account = { user: string; password: string; admin: boolean };

/**
 * Makes an account unless it is there.
 * @see https://element-hq.github.io/synapse/latest/admin_api/register_api.html
 * @returns whether it was made now
 */
export async function ensureAccount(address: string, secret: string, account: Account): Promise<boolean> {
  const url = `${address}/_synapse/admin/v1/register`;
  const { nonce } = (await (await fetch(url)).json()) as { nonce: string };
  const parts = [nonce, account.user, account.password, account.admin ? 'admin' : 'notadmin'];
  const mac = createHmac('sha1', secret).update(parts.join('\0')).digest('hex');
  const body = { nonce, username: account.user, password: account.password, admin: account.admin, mac };
  const answer = await fetch(url, { method: 'POST', body: JSON.stringify(body) });
  if (answer.ok) return true;
  const error = (await answer.json().catch(() => ({}))) as { errcode?: string; error?: string };
  if (error.errcode === 'M_USER_IN_USE') return false;
  throw fault.temporary(
    `The homeserver did not make the account ${account.user}: ${error.error ?? answer.status}. The services are up; run the ` +
      'same command again to go on.',
  );
}
