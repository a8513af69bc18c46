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

/** @param show called each time a verification has emoji to compare */
export function takeVerifications(client: MatrixClient, show: (v: Verification) => void): void {
  client.on(CryptoEvent.VerificationRequestReceived, (request: VerificationRequest) => {
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
      if (request.phase === VerificationPhase.Ready)
        request.startVerification('m.sas.v1').then(run, () => {});
      else if (begun && request.verifier) run(request.verifier);
    });
    request.accept().catch(() => {});
  });
}
