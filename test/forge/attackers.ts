/**
 * Who forges, and with what: somebody with the owner's access token, the homeserver's administrator with a token in the
 * owner's name, somebody with the password. Each is told what only the owner's screen shows, but for the sealed key
 * itself: who has that has read the card.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { ensureAccount } from '../../console/instance/accounts.ts';
import type { Instance } from '../harness/instance.ts';
import { request } from '../phone/login.ts';
import type { Content, Phone } from '../phone/types.ts';

/** What was sent: words for a person, the request as curl would make it, and what the homeserver said. */
export type Attempt = { what: string; sent: string; status: string };
/** The card under attack: its event, what it says to tap, its poll with the answer that approves. */
export type Target = { event: string; emoji: string; poll: string; ok: string };
type Step = { what: string; type: string; content: Content };

const pollResponse = 'org.matrix.msc3381.poll.response';
const reaction = (event: string, key: string): Content => ({
  'm.relates_to': { rel_type: 'm.annotation', event_id: event, key },
});

/** Everything that approves elsewhere, or would here if it came from the right device. */
const steps = (t: Target): Step[] => [
  { what: 'a plain ✅ on the card', type: 'm.reaction', content: reaction(t.event, '✅') },
  { what: 'the emoji that the card names', type: 'm.reaction', content: reaction(t.event, t.emoji) },
  {
    what: 'a vote with the poll’s own answer',
    type: pollResponse,
    content: {
      'm.relates_to': { rel_type: 'm.reference', event_id: t.poll },
      [pollResponse]: { answers: [t.ok] },
    },
  },
  {
    what: 'a command of its own',
    type: 'm.room.message',
    content: { msgtype: 'm.text', body: '!run touch forged' },
  },
];

/** A key of the right form, guessed. On a card of its own, since it costs its card the taps. */
const guess = (t: Target): Step => ({
  what: 'a sealed key, guessed',
  type: 'm.reaction',
  content: reaction(t.event, `${t.emoji} ${randomBytes(4).toString('hex').toUpperCase()}`),
});

/** Sends all of it with this token and nothing else, as `curl` would. */
export async function withToken(
  { address, room }: Instance,
  token: string,
  target: Target,
  other: Target,
  tell: (attempt: Attempt) => void,
): Promise<void> {
  for (const { what, type, content } of [...steps(target), guess(other)]) {
    const path = `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/send/${type}/${randomUUID()}`;
    const body = JSON.stringify(content);
    const headers = { authorization: `Bearer ${token}` };
    const { status } = await fetch(address + path, { method: 'PUT', headers, body });
    const short = `…/rooms/ROOM/send/${type}/TXN`;
    tell({
      what,
      sent: `curl -X PUT -H "Authorization: Bearer $TOKEN" ${short} -d '${body}'`,
      status: `HTTP ${status}`,
    });
  }
}

/** What an administrator of Synapse gets: a token that is the owner to the server. No keys come with it. */
export async function puppetToken({ address, secrets, owner }: Instance): Promise<string> {
  const password = randomBytes(12).toString('hex');
  await ensureAccount(address, secrets.homeserver.registration, { user: 'forger', password, admin: true });
  const identifier = { type: 'm.id.user', user: 'forger' };
  const login = await request(address, '', 'POST', '/login', {
    type: 'm.login.password',
    identifier,
    password,
  });
  const answer = await fetch(`${address}/_synapse/admin/v1/users/${encodeURIComponent(owner.user)}/login`, {
    method: 'POST',
    headers: { authorization: `Bearer ${String(login['access_token'])}` },
    body: '{}',
  });
  const { access_token } = (await answer.json()) as { access_token?: string };
  if (!access_token) throw new Error(`the administrator got no token: HTTP ${answer.status}`);
  return access_token;
}

/** Sends all of it as Element does on a device that signed in with the password: encrypted, but for the reactions. */
export async function withSecondLogin(
  thief: Phone,
  target: Target,
  other: Target,
  tell: (attempt: Attempt) => void,
): Promise<void> {
  for (const { what, type, content } of [...steps(target), guess(other)]) {
    await thief.send(type, content);
    const how = type === 'm.reaction' ? 'as Element sends it, in the clear' : 'encrypted';
    tell({ what: `${what}, ${how}`, sent: `${type} from device ${thief.device}`, status: 'sent' });
  }
}
