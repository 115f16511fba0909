import { expect, test } from 'vitest';
import { systemClock } from '../../base/clock.ts';
import { systemRandom } from '../../base/random.ts';
import { selfSigned } from '../../net/x509/self-signed.ts';
import { startTestDirectory, TEST_SERVERS } from '../testing.ts';
import { DirectoryUnavailable } from '../types.ts';
import { ldapDirectory } from './directory.ts';

const names = ['directory.test', '127.0.0.1'] as const;
const pair = selfSigned({ names, days: 1, clock: systemClock, random: systemRandom });

const CASES = TEST_SERVERS.flatMap((kind) => [
  [kind, 'implicit'] as const,
  [kind, 'starttls'] as const,
]);

for (const [kind, mode] of CASES) {
  test(`look-ups and passwords over TLS (${kind}, ${mode})`, async () => {
    const server = await startTestDirectory({
      server: kind,
      tls: { mode, cert: pair.cert, key: pair.key },
    });
    const tls = { mode: mode === 'starttls' ? mode : 'none', ca: pair.cert } as const;
    const client = ldapDirectory({
      ...server.frontend,
      tls: { ...tls, servername: 'directory.test' },
    });
    // By the address in the URL, which the certificate names.
    const unnamed = ldapDirectory({ ...server.frontend, tls });
    const stranger = ldapDirectory({ ...server.frontend, tls: { mode: tls.mode } });
    const misnamed = ldapDirectory({
      ...server.frontend,
      tls: { ...tls, servername: 'other.test' },
    });
    try {
      const found = await client.resolve('alice@example.test');
      if (found.kind !== 'account') throw new Error(found.kind);
      expect(await client.verifyPassword(found.account, 'demo')).toBe('accepted');
      expect(await client.verifyPassword(found.account, 'wrong')).toBe('refused');
      expect((await unnamed.resolve('alice@example.test')).kind).toBe('account');
      for (const other of [stranger, misnamed]) {
        await expect(other.resolve('alice@example.test')).rejects.toThrow(DirectoryUnavailable);
      }
    } finally {
      for (const each of [client, unnamed, stranger, misnamed]) await each.close();
      await server.close();
    }
  });
}
