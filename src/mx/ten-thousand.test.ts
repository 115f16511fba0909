import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { systemClock } from '../base/clock.ts';
import { openDelivery } from '../delivery/delivery.ts';
import { memoryAccount, memoryDirectory, memoryList } from '../directory/memory.ts';
import { resolveAddress } from '../directory/resolve.ts';
import type { Account } from '../directory/types.ts';
import { silentLogger } from '../log/types.ts';
import { MaildirStore } from '../mailbox/store.ts';
import { StrictClient } from '../smtp/testing/client.ts';
import { MemoryOutbound } from '../spool/testing/memory-outbound.ts';
import { openTestVolumes, strikingFs, temporaryVolumes } from '../volumes/testing/volumes.ts';
import { openFarm } from './testing.ts';

const MEMBERS = 10_000;
const VOLUMES = ['v1', 'v2'];
const SECONDS_MAX = 150; // Here it takes two or three; the machine may be busy.

test(
  '[S3-05] a list of 10,000: one file for each volume, a link for each member, in seconds',
  { timeout: 300_000 },
  async () => {
    const disk = await temporaryVolumes(...VOLUMES);
    const accounts = Array.from({ length: MEMBERS }, (_, n) =>
      memoryAccount({ login: `u${n}@farm.test`, volume: VOLUMES[n % 2] }),
    );
    const elsewhere = Array.from({ length: 300 }, (_, n) => `m${n}@d${n % 3}.test`);
    const directory = memoryDirectory({
      accounts,
      volumes: disk.entries,
      lists: [
        memoryList({
          address: 'everybody@farm.test',
          owner: 'u0@farm.test',
          members: [...accounts.map(({ login }) => login), ...elsewhere],
        }),
      ],
    });
    const limits = { destinations: 2 * MEMBERS };
    directory.resolve = (address, context) =>
      resolveAddress(address, directory.lookups, { context, limits });
    const fs = strikingFs(() => undefined);
    const volumes = openTestVolumes<Account>(directory, {
      fs,
      limits: { 'volume.deadline': 120_000, 'volume.probe.deadline': 60_000 },
    });
    await volumes.table.loaded();
    for (const account of accounts) {
      const located = await volumes.table.locate(account);
      for (const part of ['tmp', 'new', 'cur']) {
        mkdirSync(join(located?.maildir ?? '', part), { recursive: true });
      }
    }
    const { mailboxes } = volumes;
    const store = new MaildirStore({ mailboxes, clock: systemClock, log: silentLogger });
    const outbound = new MemoryOutbound(systemClock);
    const through = openDelivery({ mailboxes, store, log: silentLogger, outbound });
    const farm = await openFarm({ directory, through, outbound: through.outbound });

    const client = await StrictClient.open(farm.port);
    await client.reply();
    const started = performance.now();
    for (const line of ['EHLO c.example', 'MAIL FROM:<x@else.test>']) await client.command(line);
    expect((await client.command('RCPT TO:<everybody@farm.test>')).code).toBe(250);
    const resolved = performance.now();
    const calls = new Map(fs.calls);
    await client.command('DATA');
    await client.send(`Subject: x\r\n\r\n${'body\r\n'.repeat(1000)}.\r\n`);
    expect(await client.reply(200_000)).toMatchObject({ code: 250, enhanced: '2.6.0' });
    const ended = performance.now();
    const made = (call: 'create' | 'link' | 'rename' | 'fsync'): number =>
      (fs.calls.get(call) ?? 0) - (calls.get(call) ?? 0);
    const counts = { create: made('create'), link: made('link'), rename: made('rename') };
    client.close();
    await farm.close();
    volumes.close();
    disk.remove();

    const seconds = (from: number, to: number): string => ((to - from) / 1000).toFixed(2);
    process.stderr.write(
      `${MEMBERS} members: RCPT ${seconds(started, resolved)} s, ` +
        `DATA ${seconds(resolved, ended)} s; ${JSON.stringify(counts)}\n`,
    );
    // The last of each volume has it by the rename.
    expect(counts).toEqual({ create: 2, link: MEMBERS - 2, rename: 2 });
    expect(outbound.letters.map(({ envelope }) => envelope.recipients.length)).toEqual([
      100, 100, 100,
    ]);
    expect((ended - started) / 1000).toBeLessThan(SECONDS_MAX);
  },
);
