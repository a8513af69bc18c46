/** `pocketcoder repin`: whoever put another ledger in place on purpose says so, and bot and executor take it as it is. */
import { findEngine, requireEngine } from '../engine/engine.ts';
import { alone } from '../instance/alone.ts';
import { type Instance, withState } from '../instance/instance.ts';
import { forgetPins, requireStopped } from '../instance/pins.ts';
import type { Report } from '../report.ts';

/** Has them forget what they saw of the other one; the next start ends what is open in this one, and freezes, as after a restore. */
export async function repin(instance: Instance, report: Report): Promise<void> {
  const { docker } = await requireEngine(findEngine());
  await alone(instance.home, async () => {
    // In this order: where the rest fails, what is open is ended all the same.
    await requireStopped(docker, instance.state.project);
    withState(instance, { ...instance.state, restored: new Date().toISOString() });
    await forgetPins(docker, instance.state.project);
  });
  report.event(
    { event: 'repinned' },
    'Bot and executor take the ledger as they find it at the next ./pocketcoder start, which ends what is open in it and ' +
      'freezes. What came after it is not known: look at ./pocketcoder device list, then ./pocketcoder thaw.',
  );
}
