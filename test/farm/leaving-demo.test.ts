/** The demo as somebody tries it at night: a key is made, and the next letter is signed. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dkimVerify } from 'mailauth/lib/dkim/verify.js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Farm } from '../harness/farm.ts';
import { needs } from '../harness/needs.ts';
import { startSendingFarm, startWorld, submit, until, type World } from './leaving-farm.ts';

const isRoot = process.getuid?.() === 0;
const DOMAIN = 'example.test';
const BOB = `bob@${DOMAIN}`;
let directory: string;
let world: World;
let farm: Farm;

beforeAll(async () => {
  if (!isRoot) return;
  directory = mkdtempSync(join(tmpdir(), 'mailfarm-leaving-demo-'));
  world = await startWorld();
  farm = await startSendingFarm(join(directory, 'farm'), world);
}, 300_000);
afterAll(async () => {
  await farm?.stop();
  await world?.stop();
  if (isRoot) rmSync(directory, { recursive: true, force: true });
}, 120_000);

async function command<T>(...words: string[]): Promise<T> {
  const { code, stdout, stderr } = await farm.command([...words, '--json']);
  if (code !== 0) throw new Error(`${words.join(' ')}: ${code} ${stderr}`);
  return JSON.parse(stdout.toString()) as T;
}

test('the demo’s node may read keys: after domain dkim --new a letter is signed, and verifies', async (ctx) => {
  needs(ctx, 'root');
  // It joins the group once it has a key of its own, a moment after it serves.
  await expect
    .poll(() => command('node', 'list'), { timeout: 120_000, interval: 300 })
    .toMatchObject([{ name: 'demo', sends: true }]);
  const host = await world.host('signed.test');
  const { submission } = farm.ports;
  const mail = { from: BOB, to: ['eve@signed.test'] };
  expect((await submit(farm.ports.submissions ?? submission, mail)).code).toBe(250);
  await until('a letter without a key', () => host.letters.length === 1, 120_000);
  expect(host.letters[0]?.content.toString()).not.toMatch(/^DKIM-Signature:/im);

  const [key] = await command<{ name: string; record: string }[]>(
    'domain',
    'dkim',
    DOMAIN,
    '--new',
  );
  // A worker that has just asked for keys knows of the new one a few seconds later.
  const last = (): Buffer => host.letters.at(-1)?.content ?? Buffer.alloc(0);
  const end = performance.now() + 120_000;
  for (let sent = 2; !/^DKIM-Signature:/im.test(last().toString()); sent++) {
    expect(performance.now(), 'no letter was signed').toBeLessThan(end);
    expect((await submit(farm.ports.submissions ?? submission, mail)).code).toBe(250);
    await until('the letter after', () => host.letters.length === sent, 120_000);
  }
  const content = last();
  const resolver = async (name: string): Promise<string[][]> => {
    if (name !== key?.name) throw Object.assign(new Error(name), { code: 'ENOTFOUND' });
    return [[key.record]];
  };
  const verify = (message: Buffer) => dkimVerify(message, { resolver });
  const { results } = await verify(content);
  expect(results).toMatchObject([{ signingDomain: DOMAIN, status: { result: 'pass' } }]);
  const forged = Buffer.from(content.toString().replace(/^Subject: .*$/m, 'Subject: else'));
  expect((await verify(forged)).results).toMatchObject([{ status: { result: 'fail' } }]);
}, 400_000);
