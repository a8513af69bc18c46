/** Who attacks: the homeserver's administrator, a thief with the password or the recovery key, a member nobody expects. */
import { sees } from '../harness/answers.ts';
import type { Rig } from '../harness/rig.ts';
import { request } from '../phone/login.ts';
import { createPhone, type Phone } from '../phone/phone.ts';
import { tamperKeys } from './kit/keys.ts';
import { hideMember } from './kit/state.ts';

type Keys = { keys: Record<string, string> };
const phones = new Set<Phone>();

/** Signs everybody off, so that a test that failed half-way ends too. */
export async function allLeave(): Promise<void> {
  for (const phone of phones) await phone.close().catch(() => {});
  phones.clear();
}

/** A token of any account, as the server's administrator gets one. No keys come with it. */
export async function puppet(rig: Rig, user: string): Promise<string> {
  const admin = await rig.homeserver.register(`admin${Date.now()}`, { admin: true });
  const login = { type: 'm.login.password', identifier: { type: 'm.id.user', user: admin.user } };
  const { access_token: token } = await request(rig.homeserver.url, '', 'POST', '/login', {
    ...login,
    password: admin.password,
  });
  const response = await fetch(
    `${rig.homeserver.url}/_synapse/admin/v1/users/${encodeURIComponent(user)}/login`,
    { method: 'POST', headers: { authorization: `Bearer ${token}` }, body: '{}' },
  );
  const answer = (await response.json()) as { access_token?: string };
  if (!answer.access_token) throw new Error(`no token of ${user}: ${JSON.stringify(answer)}`);
  return answer.access_token;
}

/** Another login of the owner's account, in the room; signed with the recovery key where `signed`. */
export async function otherDevice(rig: Rig, o: { signed: boolean; homeserver?: string }): Promise<Phone> {
  const phone = await createPhone({ homeserver: o.homeserver ?? rig.homeserver.url, ...rig.owner });
  phones.add(phone);
  await phone.until('the room', (p) => p.rooms().includes(rig.room));
  if (o.signed) await phone.restore(rig.recoveryKey);
  return phone;
}

/** A login of the owner's, signed with the stolen recovery key, of which the server tells the bot nothing. */
export async function hidden(rig: Rig): Promise<Phone> {
  const known = new Set([rig.phone, ...phones].map((phone) => phone.device));
  tamperKeys(rig.hostile, ({ device_keys }) => {
    const owners = device_keys[rig.owner.user] ?? {};
    for (const device of Object.keys(owners)) if (!known.has(device)) delete owners[device];
  });
  return otherDevice(rig, { signed: true });
}

/** Enrols a device by its keys, as the operator does at the console once it was compared; the bot has read it when this resolves. */
export async function enrol(rig: Rig, phone: Phone): Promise<void> {
  const answer = await phone.api('POST', '/keys/query', { device_keys: { [phone.user]: [] } });
  const { device_keys, master_keys } = answer as {
    device_keys: Record<string, Record<string, Keys>>;
    master_keys: Record<string, Keys>;
  };
  const { keys } = device_keys[phone.user]?.[phone.device] ?? { keys: {} };
  const operator = await rig.ledger.connect('operator');
  await operator.append({
    kind: 'identity.enrolled',
    body: {
      user: phone.user,
      master: Object.values(master_keys[phone.user]?.keys ?? {})[0] ?? '',
      device: phone.device,
      ed25519: keys[`ed25519:${phone.device}`] ?? '',
      curve25519: keys[`curve25519:${phone.device}`] ?? '',
    },
  });
  await sees(rig.phone, `device ${phone.device} is enrolled`);
}

/** Somebody whom the server brings into the room behind the bot's back: a member with an identity of their own. */
export async function intruder(rig: Rig): Promise<Phone> {
  const account = await rig.homeserver.register(`mallory${Date.now()}`);
  hideMember(rig.hostile, rig.room, account.user);
  const asBot = await puppet(rig, rig.botUser);
  const path = `/rooms/${encodeURIComponent(rig.room)}/invite`;
  await request(rig.homeserver.url, asBot, 'POST', path, { user_id: account.user });
  const phone = await createPhone({ homeserver: rig.homeserver.url, ...account });
  phones.add(phone);
  await phone.until('the room', (p) => p.rooms().includes(rig.room));
  await phone.setUpCrossSigning();
  return phone;
}
