import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

// Run in the network of the laboratory only: one file after the other, all with the same hosts.
class ByName extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return files.toSorted((a, b) => a.moduleId.localeCompare(b.moduleId));
  }
}

export default defineConfig({
  test: {
    watch: false,
    reporters: ['default', 'json'],
    outputFile: { json: `${process.env['MAILFARM_LAB_FARM'] ?? '/tmp'}/results.json` },
    include: ['test/lab/farm/*.farm.ts'],
    sequence: { sequencer: ByName },
    isolate: false,
    pool: 'forks',
    maxWorkers: 1,
    fileParallelism: false,
    bail: 0,
    // A limit ends what hangs; the hosts are slow and the machine may be busy.
    expect: { poll: { timeout: 120_000, interval: 500 } },
    testTimeout: 1_800_000,
    hookTimeout: 1_800_000,
  },
});
