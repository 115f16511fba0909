/**
 * Loads all that nodes and commands run, and ends, so that what was compiled is kept
 * (NODE_COMPILE_CACHE) for those who are killed before they could keep theirs: to compile is most
 * of what a start costs in these kernels.
 */
await import('../../src/roles/supervisor.ts');
await import('../../src/roles/worker.ts');
await import('../../src/cli/command/serve.ts');
await import('../../src/cli/run.ts');
process.exit(0); // A worker that nobody started would wait for its plan.
