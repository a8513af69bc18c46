/**
 * The phone as a process of its own. One JSON object a line on stdin: `{"id": 1, "do": "tap", "with": ["$event", "🦊 …"]}`,
 * first `open` with its options. Answers `{"id": 1, "is": …}` or `{"id": 1, "error": "…"}` on stdout, and every event
 * that appears as `{"shown": {…}}`.
 */
import { createInterface } from 'node:readline';
import { createPhone, type Phone, type PhoneOptions, type Verification } from './phone.ts';

type Request = { id: unknown; do: string; with?: unknown[] };

const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
let phone: Phone | undefined;
let comparing: Verification | undefined;

const opened = (): Phone => {
  if (!phone) throw new Error('open first');
  return phone;
};

function report(p: Phone): void {
  const seen = new Set<string>();
  p.until(
    'the end',
    () => {
      for (const event of p.timeline()) {
        const state = `${event.id} ${event.type} ${event.failed ?? ''}`;
        if (event.type === 'm.room.encrypted' && !event.failed) continue; // not decrypted yet
        if (!seen.has(state)) say({ shown: event });
        seen.add(state);
      }
      return false;
    },
    2_000_000,
  ).catch(() => {});
}

const more: Record<string, (...args: never[]) => unknown> = {
  async open(o: PhoneOptions) {
    phone = await createPhone(o);
    report(phone);
    return { user: phone.user, device: phone.device, token: phone.token };
  },
  async emoji() {
    comparing = await opened().verification(300);
    return comparing.emoji;
  },
  confirm: () => comparing?.confirm(),
  refuse: () => comparing?.refuse(),
  async close() {
    await opened().close();
    setImmediate(() => process.exit(0));
  },
};
const plain = [
  'room',
  'setUpCrossSigning',
  'restore',
  'timeline',
  'cards',
  'say',
  'reply',
  'tap',
  'untap',
  'vote',
];
const rest = ['edit', 'redact', 'send', 'newRoomKey', 'identityReset', 'api'];

async function carryOut({ do: name, with: args = [] }: Request): Promise<unknown> {
  const own = more[name];
  if (own) return own(...(args as never[]));
  if (![...plain, ...rest].includes(name)) throw new Error(`no command ${name}`);
  const method = opened()[name as keyof Phone] as (...args: unknown[]) => unknown;
  return method(...args);
}

const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const asked = JSON.parse(line) as Request;
  carryOut(asked).then(
    (is) => say({ id: asked.id, is: is ?? null }),
    (error: unknown) => say({ id: asked.id, error: error instanceof Error ? error.message : String(error) }),
  );
});
lines.on('close', () => process.exit(0));
