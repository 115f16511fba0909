import { chmodSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'vitest';

/**
 * A directory of the test's own, which other users may pass through (Dovecot and Postfix deliver
 * as another one). It goes when the test passes; after a failure it stays and its name is shown.
 */
export function testDirectory(ctx: TestContext): string {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'mailfarm-test-')));
  chmodSync(directory, 0o711);
  ctx.onTestFinished(({ task }) => {
    if (task.result?.state !== 'fail') rmSync(directory, { recursive: true, force: true });
    else process.stderr.write(`kept for you: ${directory}\n`);
  });
  return directory;
}
