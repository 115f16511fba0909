import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { plainDomain } from '../directory/lookups.ts';
import { DirectoryUnavailable } from '../directory/types.ts';
import { silentLogger } from '../log/types.ts';
import { DkimKeys } from './dkim-keys.ts';

const root = mkdtempSync(join(tmpdir(), 'mailfarm-dkim-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const pem = (): string =>
  generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

let folders = 0;
function keysOf(given: {
  readonly selectors?: readonly string[];
  readonly secrets?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, readonly [text: string, mode: number]>>;
}) {
  const state = {
    now: 0,
    away: false,
    asked: 0,
    secrets: { ...given.secrets },
    lines: [] as object[],
  };
  const path = join(root, String(folders++));
  for (const [name, [text, mode]] of Object.entries(given.files ?? {})) {
    mkdirSync(join(path, 'example.test'), { recursive: true });
    writeFileSync(join(path, 'example.test', name), text);
    chmodSync(join(path, 'example.test', name), mode);
  }
  const answer = <T>(value: T): Promise<T> =>
    state.away ? Promise.reject(new DirectoryUnavailable('away')) : Promise.resolve(value);
  const keys = new DkimKeys({
    directory: {
      domain: (name) => {
        state.asked += 1;
        const entry = { ...plainDomain(name), dkim: given.selectors ?? [] };
        return answer(name === 'example.test' ? entry : undefined);
      },
      secret: (kind, name) => answer(kind === 'dkim' ? state.secrets[name] : undefined),
    },
    clock: { now: () => state.now, sleep: () => Promise.resolve() },
    logger: { ...silentLogger, warn: (fields) => state.lines.push(fields) },
    path: given.files ? path : '',
    refreshMs: 300_000,
  });
  return { keys, state, path };
}

test('keys of all selectors of a domain come from the directory, once in five minutes', async () => {
  const secrets = { 'a._domainkey.example.test': pem(), 'b._domainkey.example.test': pem() };
  const { keys, state } = keysOf({ selectors: ['a', 'b'], secrets });
  const found = await keys.of('example.test');
  expect(found.map(({ selector }) => selector)).toEqual(['a', 'b']);
  expect(found[0]?.key.asymmetricKeyType).toBe('ed25519');
  state.now = 299_999;
  expect(await keys.of('example.test')).toBe(found);
  expect(state.asked).toBe(1);
  state.now = 300_000;
  await keys.of('example.test');
  expect(state.asked).toBe(2);
});

test.each(['example.net', '../example.test', 'a..b', '', '.', 'EXAMPLE.test/'])(
  'a domain without keys, or no domain at all, has none: %s',
  async (domain) => {
    const { keys } = keysOf({ selectors: ['a'], files: { 'a.pem': [pem(), 0o600] } });
    expect(await keys.of(domain)).toEqual([]);
  },
);

test('a key in a file is used when nobody else may read it, and refused with its code when others may', async () => {
  const { keys, state, path } = keysOf({
    files: { 'k1.pem': [pem(), 0o640], readme: ['', 0o644] },
  });
  await expect(keys.of('example.test')).rejects.toMatchObject({ code: 'MF-REL-002' });
  expect(state.lines).toMatchObject([{ code: 'MF-REL-002', domain: 'example.test' }]);
  chmodSync(join(path, 'example.test', 'k1.pem'), 0o600);
  // Told once for all that wait, and looked at again ten seconds later.
  await expect(keys.of('example.test')).rejects.toMatchObject({ code: 'MF-REL-002' });
  expect(state.lines).toHaveLength(1);
  state.now = 10_000;
  expect(await keys.of('example.test')).toMatchObject([{ domain: 'example.test', selector: 'k1' }]);
});

test('a selector whose key is missing, or is none, makes letters wait, and no text of it is told', async () => {
  const missing = keysOf({ selectors: ['a'] });
  await expect(missing.keys.of('example.test')).rejects.toMatchObject({ code: 'MF-REL-003' });
  const secrets = { 'a._domainkey.example.test': 'SECRET but no PEM' };
  const broken = keysOf({ selectors: ['a'], secrets });
  const error = await broken.keys.of('example.test').catch((e: unknown) => e);
  expect(error).toMatchObject({ code: 'MF-REL-003' });
  expect(JSON.stringify([error, String(error), broken.state.lines])).not.toContain('SECRET');
});

test.each([
  ['ec', generateKeyPairSync('ec', { namedCurve: 'P-256' })],
  ['512', generateKeyPairSync('rsa', { modulusLength: 512 })],
])('a key that cannot sign is told when it is read: %s', async (word, { privateKey }) => {
  const text = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const { keys, state } = keysOf({
    selectors: ['a'],
    secrets: { 'a._domainkey.example.test': text },
  });
  const error = await keys.of('example.test').catch((e: unknown) => e);
  expect(error).toMatchObject({ code: 'MF-REL-003', message: expect.stringContaining(word) });
  expect(state.lines).toMatchObject([{ code: 'MF-REL-003', domain: 'example.test' }]);
});

test('while the directory is away a key that was read goes on; one that never was makes letters wait', async () => {
  const { keys, state } = keysOf({
    selectors: ['a'],
    secrets: { 'a._domainkey.example.test': pem() },
  });
  state.away = true;
  await expect(keys.of('example.test')).rejects.toThrow(DirectoryUnavailable);
  state.away = false;
  state.now = 10_000;
  expect(await keys.of('example.test')).toHaveLength(1);
  state.away = true;
  state.now = 1_000_000;
  expect(await keys.of('example.test')).toHaveLength(1);
});
