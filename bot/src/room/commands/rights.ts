/** Commands about who may do what, and about stopping everything. None widens anything by itself: a card asks. */
import { roles } from '@pocketcoder/ledger/rules/identities.cjs';
import { kindsOf } from '@pocketcoder/ledger/rules/kinds.cjs';
import type { Role } from '@pocketcoder/ledger/src/action.ts';
import { fingerprint, policyText } from '../../show/control.ts';
import { ask, type CommandContext, type Commands, oneOf, person, way, word } from './command.ts';

function policy({ book }: CommandContext): string {
  const kinds = ['read', 'write', 'exec'].map((risk) => `${risk}: ${kindsOf(risk).join(', ')}`).join(' · ');
  const where = 'It is changed in pocketcoder.yaml at the console, and takes your approval here.';
  return `${policyText(book.policy())}\n(${kinds})\n${where}`;
}

async function people({ book, devices }: CommandContext): Promise<string> {
  const lines: string[] = [];
  for (const [user, mine] of Map.groupBy(book.enrolled(), (d) => d.user)) {
    lines.push(`${user}: ${mine[0]?.role} · enrolled ${mine.map((d) => d.device).join(', ')}`);
    for (const d of await devices(user))
      if (d.crossSigned && !mine.some((m) => m.ed25519 === d.ed25519))
        lines.push(
          `  not enrolled: ${d.device}, fingerprint ${fingerprint(d.ed25519)} · !device ${d.device} asks for it`,
        );
  }
  return lines.join('\n');
}

async function device(c: CommandContext, name: string): Promise<string> {
  for (const { user, master } of c.book.enrolled()) {
    const found = (await c.devices(user)).find((d) => d.device === name && d.crossSigned);
    if (!found) continue;
    const { ed25519, curve25519 } = found;
    return ask(c, { kind: 'device', args: { user, master, device: name, ed25519, curve25519 } });
  }
  return `Nobody enrolled here has a device ${name} that they signed themselves. !people lists them.`;
}

async function freeze({ desk, book, conversation, user }: CommandContext): Promise<string> {
  await desk.freeze(user);
  for (const workspace of book.rooms().keys()) {
    void conversation.interrupt(workspace);
    await desk.stop(workspace, user);
  }
  return '🧊 Frozen: nothing is approved or begun, and leases are over. !thaw, or ./pocketcoder thaw at the console.';
}

export const rights: Commands = {
  policy: { summary: 'what each class of action needs', ways: [way([], policy)] },
  people: { summary: 'who is here, with which role and devices', ways: [way([], people)] },
  device: {
    summary: 'ask to enrol a further device',
    least: 'approves',
    ways: [way([word('DEVICE')], device)],
  },
  role: {
    summary: 'ask to change what somebody may do',
    least: 'owner',
    ways: [
      way([person, oneOf(...(roles as readonly Role[]))], (c, user, to) =>
        c.book.enrolled().some((d) => d.user === user)
          ? ask(c, { kind: 'role', args: { user, role: to } })
          : `${user} is not here. !people lists who is.`,
      ),
    ],
  },
  freeze: {
    summary: 'nothing is approved or begun until an owner thaws it',
    least: 'approves',
    control: true,
    ways: [way([], freeze)],
  },
  thaw: {
    summary: 'ask to thaw what was frozen',
    least: 'owner',
    ways: [way([], (c) => ask(c, { kind: 'thaw', args: {} }))],
  },
  attention: {
    summary: 'how carefully cards were answered lately',
    ways: [way([], (c) => c.attention.describe())],
  },
};
