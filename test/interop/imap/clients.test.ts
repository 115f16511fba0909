/** IMAP clients that we did not write, each before Dovecot and before our farm. */
import { afterAll, beforeAll, describe, test, type TestContext } from 'vitest';
import { type Need, needs } from '../../harness/needs.ts';
import { MUTT } from '../mutt.ts';
import { PYTHON } from '../python.ts';
import { CURL, curlAsks } from './curl.ts';
import { imapflowDoes } from './imapflow.ts';
import { imaplibDoesAll } from './imaplib.ts';
import { INTERIMAP, interimapBothWays } from './interimap.ts';
import { MBSYNC, mbsyncBothWays } from './mbsync.ts';
import { muttReads } from './mutt-imap.ts';
import { type ImapServer, SERVERS } from './servers.ts';

interface Client {
  readonly does: string;
  readonly need: readonly Need[];
  readonly run: (ctx: TestContext, server: ImapServer) => Promise<void>;
}

const CLIENTS: readonly Client[] = [
  { does: 'mbsync both ways until both sides are equal', need: [MBSYNC], run: mbsyncBothWays },
  {
    does: 'interimap both ways by QRESYNC until both sides are equal',
    need: [INTERIMAP, 'dovecot'],
    run: interimapBothWays,
  },
  { does: 'curl fetches, appends and searches', need: [CURL], run: curlAsks },
  { does: 'mutt reads, flags, deletes and saves', need: [MUTT], run: muttReads },
  { does: "Python's imaplib does all it can", need: [PYTHON], run: imaplibDoesAll },
  { does: 'imapflow appends, downloads, searches and idles', need: [], run: imapflowDoes },
];

for (const [name, start] of Object.entries(SERVERS)) {
  describe(`IMAP of ${name}`, { timeout: 300_000 }, () => {
    let server: ImapServer | undefined;
    beforeAll(async () => {
      server = await start();
    });
    afterAll(async () => {
      await server?.stop();
    });
    for (const client of CLIENTS) {
      test(`[P-03] ${client.does}`, async (ctx) => {
        needs(ctx, ...client.need, ...(name === 'Dovecot' ? (['dovecot'] as const) : []));
        if (server === undefined) throw new Error('no server');
        await client.run(ctx, server);
      });
    }
  });
}
