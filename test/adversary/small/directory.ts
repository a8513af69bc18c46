/** The part of a homeserver that cryptography meets, in memory: devices, identities, one-time keys, mailboxes. */

export type Signed = { keys: Record<string, string>; signatures?: Record<string, Record<string, string>> };
type OneTimeKeys = Record<string, unknown>;
type ToDevice = { type: string; sender: string; content: unknown };
export type KeysAnswer = {
  device_keys: Record<string, Record<string, Signed>>;
  master_keys: Record<string, Signed>;
  self_signing_keys: Record<string, Signed>;
  user_signing_keys: Record<string, Signed>;
  failures: object;
};
export type Who = { user: string; device: string };

const identityKeys = ['master_key', 'self_signing_key', 'user_signing_key'] as const;
type Identity = Partial<Record<(typeof identityKeys)[number], Signed>>;

export type Directory = ReturnType<typeof keyDirectory>;

/** Answers as the specification says, and as `tamper` makes of it. */
export function keyDirectory() {
  const devices = new Map<string, Map<string, Signed>>();
  const identities = new Map<string, Identity>();
  const oneTime = new Map<string, OneTimeKeys>();
  const mail = new Map<string, ToDevice[]>();
  const lies = new Set<(answer: KeysAnswer) => void>();
  let changed = new Set<string>();
  const at = ({ user, device }: Who): string => `${user} ${device}`;
  const count = (who: Who) => ({ signed_curve25519: Object.keys(oneTime.get(at(who)) ?? {}).length });

  function upload(who: Who, body: { device_keys?: Signed; one_time_keys?: OneTimeKeys }) {
    const known = devices.get(who.user) ?? new Map<string, Signed>();
    devices.set(who.user, known);
    if (body.device_keys) known.set(who.device, body.device_keys);
    if (body.device_keys) changed.add(who.user);
    oneTime.set(at(who), { ...oneTime.get(at(who)), ...body.one_time_keys });
    return { one_time_key_counts: count(who) };
  }

  function query(who: Who, body: { device_keys: Record<string, unknown> }): KeysAnswer {
    const answer: KeysAnswer = {
      device_keys: {},
      master_keys: {},
      self_signing_keys: {},
      user_signing_keys: {},
      failures: {},
    };
    for (const user of Object.keys(body.device_keys)) {
      answer.device_keys[user] = Object.fromEntries(devices.get(user) ?? []);
      const { master_key, self_signing_key, user_signing_key } = identities.get(user) ?? {};
      if (master_key) answer.master_keys[user] = master_key;
      if (self_signing_key) answer.self_signing_keys[user] = self_signing_key;
      if (user_signing_key && user === who.user) answer.user_signing_keys[user] = user_signing_key;
    }
    const copy = structuredClone(answer);
    for (const lie of lies) lie(copy);
    return copy;
  }

  function claim(body: { one_time_keys: Record<string, Record<string, string>> }) {
    const taken: Record<string, Record<string, OneTimeKeys>> = {};
    for (const [user, wanted] of Object.entries(body.one_time_keys))
      for (const device of Object.keys(wanted)) {
        const [first] = Object.entries(oneTime.get(at({ user, device })) ?? {});
        if (!first) continue;
        delete oneTime.get(at({ user, device }))?.[first[0]];
        taken[user] = { ...taken[user], [device]: { [first[0]]: first[1] } };
      }
    return { one_time_keys: taken, failures: {} };
  }

  /** Signatures are added to whatever they sign: a device, or a master key by its public value. */
  function addSignatures(body: Record<string, Record<string, Signed>>) {
    for (const [user, objects] of Object.entries(body))
      for (const [id, signed] of Object.entries(objects)) {
        const master = identities.get(user)?.master_key;
        const target = devices.get(user)?.get(id) ?? (master?.keys[`ed25519:${id}`] ? master : undefined);
        if (!target) continue;
        changed.add(user);
        target.signatures ??= {};
        for (const [signer, by] of Object.entries(signed.signatures ?? {}))
          target.signatures[signer] = { ...target.signatures[signer], ...by };
      }
    return { failures: {} };
  }

  return {
    /** One request below /_matrix/client/v3 of this device's. */
    request(who: Who, path: string, body: unknown): unknown {
      const [, , what = '', more = ''] = path.split('/');
      if (what === 'upload') return upload(who, body as Parameters<typeof upload>[1]);
      if (what === 'query') return query(who, body as Parameters<typeof query>[1]);
      if (what === 'claim') return claim(body as Parameters<typeof claim>[0]);
      if (what === 'signatures') return addSignatures(body as Parameters<typeof addSignatures>[0]);
      if (what === 'device_signing' && more === 'upload') {
        identities.set(who.user, structuredClone(body) as Identity);
        changed.add(who.user);
        return {};
      }
      throw new Error(`the directory has no ${path}`);
    },
    sendToDevice(who: Who, type: string, messages: object): void {
      for (const [user, to] of Object.entries(messages as Record<string, Record<string, unknown>>))
        for (const [device, content] of Object.entries(to)) {
          const box = mail.get(at({ user, device })) ?? [];
          mail.set(at({ user, device }), [...box, { type, sender: who.user, content }]);
        }
    },
    /** Empties the mailbox. */
    take(who: Who): ToDevice[] {
      const box = mail.get(at(who)) ?? [];
      mail.delete(at(who));
      return box;
    },
    /** Puts back into a mailbox what was taken out of it. */
    put(who: Who, letters: readonly ToDevice[]): void {
      mail.set(at(who), [...(mail.get(at(who)) ?? []), ...letters]);
    },
    count,
    /** Rewrites every answer about keys, until taken back. */
    tamper(lie: (answer: KeysAnswer) => void): () => void {
      lies.add(lie);
      return () => void lies.delete(lie);
    },
    /** What `sign out` does on the server. */
    remove(who: Who): void {
      devices.get(who.user)?.delete(who.device);
      oneTime.delete(at(who));
      changed.add(who.user);
    },
    /** Whose keys changed since this was last asked: the one follower is the bot. */
    takeChanged(): string[] {
      const users = [...changed];
      changed = new Set();
      return users;
    },
  };
}
