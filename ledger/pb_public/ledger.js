/** The ledger as this page asks it: reads alone, by a token that was lent for hours and that this tab alone keeps. */

const kept = 'token';

/** `out`: the token counts no more. `gone`: nobody answers, or not with what was asked for. */
export class NoAnswer extends Error {
  constructor(how, message) {
    super(message);
    this.how = how;
  }
}

/** The browser's tabs lend each other the token: a link in the room opens one of its own. */
const tabs = new BroadcastChannel(kept);

/**
 * Takes a token out of the page's address, at once: a fragment reaches no server and no log. What the address named before
 * stands there again. Returns whether there is a token now; else other tabs are asked, and `lent` is called once one has it.
 */
export function takeToken(before, lent) {
  const token = /^#token=([\w.-]+)$/.exec(location.hash)?.[1];
  if (token) {
    sessionStorage.setItem(kept, token);
    history.replaceState(null, '', location.pathname + before);
  }
  const has = sessionStorage.getItem(kept);
  tabs.onmessage = ({ data }) => {
    const mine = sessionStorage.getItem(kept);
    if (mine && !data) tabs.postMessage(mine);
    if (mine || !data) return;
    sessionStorage.setItem(kept, data);
    lent();
  };
  if (token || !has) tabs.postMessage(token ?? '');
  return has !== null;
}

async function ask(path, { body, headers } = {}) {
  let response;
  try {
    response = await fetch(path, {
      ...(body && { method: 'POST', body: JSON.stringify(body) }),
      headers: {
        authorization: sessionStorage.getItem(kept) ?? '',
        ...(body && { 'content-type': 'application/json' }),
        ...headers,
      },
      cache: 'no-store',
      signal: AbortSignal.timeout(20_000),
    });
  } catch {
    throw new NoAnswer('gone', 'The ledger does not answer.');
  }
  if (response.status === 401) {
    sessionStorage.removeItem(kept);
    throw new NoAnswer('out', 'The time to look is over.');
  }
  if (!response.ok) throw new NoAnswer('gone', `The ledger answered ${response.status}.`);
  return response;
}

const list = async (query) => {
  const response = await ask(`/api/collections/entries/records?${new URLSearchParams(query)}`);
  return response.json();
};

/** A text of somebody's in a filter. */
export const quoted = (text) => `'${text.replaceAll("'", "\\'")}'`;

/** Entries that a filter finds: newest first, or as `sort` says. */
export const entries = async (filter, { sort = '-seq', most = 100, page = 1 } = {}) =>
  (await list({ filter, sort, perPage: most, page, skipTotal: 1 })).items;

/** How many there are. */
export const count = async (filter) => (await list({ filter, perPage: 1, fields: 'id' })).totalItems;

/** All entries of these actions, in order. */
export async function stories(actions) {
  const found = [];
  for (let at = 0; at < actions.length; at += 20) {
    const filter = actions
      .slice(at, at + 20)
      .map((action) => `action=${quoted(action)}`)
      .join('||');
    for (let page = 1, full = true; full; page++) {
      const some = await entries(filter, { sort: 'seq', most: 500, page });
      found.push(...some);
      full = some.length === 500;
    }
  }
  return found;
}

/** The first bytes of the file beside an entry, and no more than these. */
export async function bytes({ id, transcript }, most) {
  const { token } = await (await ask('/api/files/token', { body: {} })).json();
  const file = `/api/files/entries/${encodeURIComponent(id)}/${encodeURIComponent(transcript)}`;
  const range = { range: `bytes=0-${most - 1}` };
  return new Uint8Array(await (await ask(`${file}?token=${token}`, { headers: range })).arrayBuffer());
}

/**
 * Rings whenever there is a new entry, and once it is connected, also again.
 * @param {{ring: () => void, lost: () => void}} on `lost`: it tries again by itself
 */
export function listen({ ring, lost }) {
  const topic = `entries/*?options=${encodeURIComponent(JSON.stringify({ query: { fields: 'seq' } }))}`;
  const source = new EventSource('/api/realtime');
  source.addEventListener('PB_CONNECT', async ({ lastEventId: clientId }) => {
    try {
      await ask('/api/realtime', { body: { clientId, subscriptions: [topic] } });
    } catch {
      // The ring's own request says what is wrong.
    }
    ring();
  });
  source.addEventListener(topic, ring);
  source.addEventListener('error', lost);
  return () => source.close();
}
