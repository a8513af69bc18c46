/** The link that opens Element X's sign-in with server and user filled in, and its QR code. It never carries the password. */
import { renderUnicodeCompact } from 'uqr';
import { ownerOf, phoneAddressOf } from '../engine/services.ts';
import type { Instance } from './instance.ts';

/** @see https://mobile.element.io, the app's universal link */
export function signInLink(instance: Instance): string {
  const host = new URL(phoneAddressOf(instance)).host;
  const user = encodeURIComponent(ownerOf(instance)).replaceAll('%40', '@').replaceAll('%3A', ':');
  return `https://mobile.element.io/element?account_provider=${host}&login_hint=mxid:${user}`;
}

/** White on black whatever the terminal's own colours are: its light squares are what is drawn. */
export const qrOf = (link: string): string =>
  renderUnicodeCompact(link, { border: 2 })
    .split('\n')
    .map((line) => `\x1b[97;40m${line}\x1b[0m`)
    .join('\n');
