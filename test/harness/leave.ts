/** An instance of a program's own that leaves nothing behind, however the program ends. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { projectOf } from '../../console/instance/state.ts';
import { removeProject } from './instance.ts';

/**
 * A fresh state directory, and the way to remove it with all that an instance in it made: once, whoever asks, and also
 * when a person is impatient or closes the terminal.
 * @param onClean called as that begins
 */
export function ownHome(
  name: string,
  onClean: () => void,
): { home: string; clean(): Promise<void>; cleaning(): boolean } {
  const home = mkdtempSync(join(tmpdir(), `pocketcoder-${name}-`));
  let under: Promise<void> | undefined;
  const clean = (): Promise<void> => {
    under ??= (async () => {
      onClean();
      mkdirSync(home, { recursive: true }); // its path names the project
      const project = projectOf(home);
      // Compose may still have been creating something when it was interrupted.
      await removeProject(project).catch(() => {});
      await removeProject(project);
      rmSync(home, { recursive: true, force: true });
    })();
    return under;
  };
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)
    process.on(signal, () => {
      clean().finally(() => process.exit(code));
    });
  return { home, clean, cleaning: () => under !== undefined };
}
