import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import type { Folder } from './mail.ts';
import { openMaildirMail } from './testing/maildir-mail.ts';

setFlagsFromString('--expose-gc');
/** Collects garbage, so that only what is held is measured. */
const collect = runInNewContext('gc') as () => void;

const FOLDERS = Number(process.env['MAILFARM_TEST_FOLDERS'] ?? 100);
const MESSAGES = 5;

test(
  'a small folder that is open and watched takes a few KB',
  { timeout: 30_000 + FOLDERS * 600 },
  async () => {
    const under = await openMaildirMail(
      { foldersMax: FOLDERS + 2 },
      { 'mailbox.watch.min': 3_600_000, 'mailbox.watch.max': 3_600_000 },
    );
    const { stores, account, maildir } = under;
    for (let at = 0; at < FOLDERS; at++) {
      const folder = join(maildir, `.f${at}`);
      for (const part of ['tmp', 'new', 'cur']) mkdirSync(join(folder, part), { recursive: true });
      for (let i = 0; i < MESSAGES; i++) {
        const name = `1700000000.M${i}P123Q${at}R0123456789abcdef.host,S=2,W=3`;
        writeFileSync(join(folder, 'new', name), 'x\n');
      }
    }
    const held = (): number => {
      collect();
      return process.memoryUsage().heapUsed + process.memoryUsage().external;
    };
    const open = async (at: number): Promise<Folder> => {
      const mail = await stores[0].openMail({ ...account }); // Each session has its own.
      const folder = await mail.open(`f${at}`);
      await folder.claim();
      folder.watch(() => {});
      return folder;
    };
    const warm = await open(0);
    const before = held();
    const folders: Folder[] = [warm];
    for (let at = 1; at < FOLDERS; at++) folders.push(await open(at));
    const perFolder = (held() - before) / (FOLDERS - 1);
    expect(folders.at(-1)?.state.messages).toHaveLength(MESSAGES);
    // 10,200 of a thousand; of few, what the first ones bring into memory weighs more.
    expect(perFolder).toBeLessThan(20_000);
    for (const folder of folders) folder.close();
    await under.close();
  },
);
