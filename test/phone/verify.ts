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
 * @param show called each time a verification has emoji to compare
 * @param ready called each time one could be scanned; where it takes it, no comparison is started
 * @returns a way to begin a verification by to-device messages
 */
export function takeVerifications(
  client: MatrixClient,
  show: (v: Verification) => void,
  ready: (request: VerificationRequest) => boolean,
): { begin(user: string, device: string): Promise<void> } {
  function follow(request: VerificationRequest): void {
    let begun = false;
    const run = (v: Verifier): void => {
      const done = v.verify();
      done.catch(() => {}); // told to whoever awaits confirm()
      const present = (sas: ShowSasCallbacks) => show(toPerson(sas, done));
      v.once(VerifierEvent.ShowSas, present);
      // On a slow machine they are there before the sending of our own start is answered, which brings us here.
      const there = v.getShowSasCallbacks();
      if (there) present(there);
    };
    request.on(VerificationRequestEvent.Change, () => {
      if (begun) return;
      begun = request.phase === VerificationPhase.Ready || request.phase === VerificationPhase.Started;
      if (begun && ready(request)) return;
      if (request.phase === VerificationPhase.Ready)
        request.startVerification('m.sas.v1').then(run, () => {});
      else if (begun && request.verifier) run(request.verifier);
    });
  }
  client.on(CryptoEvent.VerificationRequestReceived, (request: VerificationRequest) => {
    follow(request);
    // Who has just come into the room may not know the other side's devices yet; a person's Element has had time for that.
    const known = client.getCrypto()?.getUserDeviceInfo([request.otherUserId], true);
    Promise.resolve(known)
      .then(() => request.accept())
      .catch(() => {});
  });
  return {
    async begin(user, device) {
      const crypto = client.getCrypto();
      await crypto?.getUserDeviceInfo([user], true);
      const request = await crypto?.requestDeviceVerification(user, device);
      if (request) follow(request);
    },
  };
}
