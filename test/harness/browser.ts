import { chromium, type Browser } from 'playwright-core';

/** Debian's; playwright-core brings none of its own. */
export const CHROMIUM = '/usr/bin/chromium';

/**
 * Chromium without a window, for tests of the webmail. `args`: more switches, such as
 * `--host-resolver-rules`. It asks nothing of the world by itself; whoever starts it closes it.
 */
export const openBrowser = (args: readonly string[] = []): Promise<Browser> =>
  chromium.launch({
    executablePath: CHROMIUM,
    // Without a locale of UTF-8 a file whose name is not ASCII is saved as "download".
    env: { ...process.env, LC_ALL: 'C.UTF-8' },
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-background-networking', ...args],
  });
