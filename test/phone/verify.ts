/** The phone's side of a verification: takes the request up, starts the comparison, waits for its person. */
import type { MatrixClient } from 'matrix-js-sdk';
import {
  CryptoEvent,
  type ShowSasCallbacks,
  VerificationPhase,
  type VerificationRequest,
  VerificationRequestEvent,
  type Verifier,
  VerifierEvent,
} from 'matrix-js-sdk/lib/crypto-api/index.js';
import type { Verification } from './types.ts';

const toPerson = (sas: ShowSasCallbacks, done: Promise<void>): Verification => ({
  emoji: (sas.sas.emoji ?? []).map(([symbol]) => symbol),
  async confirm() {
    await sas.confirm();
    await done;
  },
  refuse: () => sas.mismatch(),
});

/**
 * Takes up what it is asked, as a person does who taps at once, and starts nothing: Element's engine leaves that to the side
 * that asked.
 * @param show called each time a verification has emoji to compare
 * @returns a way to begin a verification by to-device messages
 */
export function takeVerifications(
  client: MatrixClient,
  show: (v: Verification) => void,
): { begin(user: string, device: string): Promise<void> } {
  function follow(request: VerificationRequest, starts: boolean): void {
    let begun = false;
    const run = (v: Verifier): void => {
      begun = true;
      const done = v.verify();
      done.catch(() => {}); // told to whoever awaits confirm()
      const present = (sas: ShowSasCallbacks) => show(toPerson(sas, done));
      v.once(VerifierEvent.ShowSas, present);
      // On a slow machine they are there before this is asked.
      const there = v.getShowSasCallbacks();
      if (there) present(there);
    };
    request.on(VerificationRequestEvent.Change, () => {
      if (begun) return;
      if (request.verifier) run(request.verifier);
      else if (starts && request.phase === VerificationPhase.Ready) {
        begun = true;
        request.startVerification('m.sas.v1').then(run, () => {});
      }
    });
  }
  client.on(CryptoEvent.VerificationRequestReceived, (request: VerificationRequest) => {
    follow(request, false);
    request.accept().catch(() => {});
  });
  return {
    async begin(user, device) {
      const crypto = client.getCrypto();
      await crypto?.getUserDeviceInfo([user], true);
      const request = await crypto?.requestDeviceVerification(user, device);
      if (request) follow(request, true);
    },
  };
}
