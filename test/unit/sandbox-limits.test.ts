/** The limits of a task's container on a kernel that does not have them all. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import Docker from 'dockerode';
import { containerOptions, limitsAt } from '../../sandbox/src/container.ts';
import { docker, standIn } from '../harness/engine.ts';

for (const [CpuCfsQuota, nano] of [
  [true, 1.5e9],
  [undefined, 1.5e9],
  [false, 0],
] as const)
  test(`where the engine says of its quota of processors: ${CpuCfsQuota}, it is asked for ${nano}`, async () => {
    const dir = mkdtempSync(join(tmpdir(), 'limits-'));
    const socketPath = join(dir, 'd.sock');
    const end = await standIn(socketPath, docker, { CpuCfsQuota });
    try {
      const limits = limitsAt(await new Docker({ socketPath }).info(), {
        memory_mb: 64,
        pids: 32,
        cpus: 1.5,
      });
      const place = { project: 'p', images: { '': 'i' }, limits, git: { name: 'n', email: 'e' } };
      const { HostConfig } = containerOptions(place, { task: 't', workspace: 'w' });
      assert.deepEqual(
        [HostConfig?.NanoCpus, HostConfig?.Memory, HostConfig?.PidsLimit],
        [nano, 2 ** 26, 32],
      );
    } finally {
      await end();
      rmSync(dir, { recursive: true, force: true });
    }
  });
