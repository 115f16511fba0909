import { expect, test } from 'vitest';
import { ldapDirectory } from '../directory/client/directory.ts';
import { startTestDirectory } from '../directory/testing.ts';
import { createAuthenticator } from './authenticator.ts';

test('[S0-22] logins are verified by LDAP, and without it they are neither right nor wrong', async () => {
  const server = await startTestDirectory();
  const directory = ldapDirectory({ ...server.frontend, options: { 'directory.retry': 20 } });
  const auth = createAuthenticator({ directory });
  const kind = async (login: string, password: string): Promise<string> =>
    (await auth.verify({ login, password, address: '192.0.2.1', service: 'pop3' })).kind;
  try {
    expect(await kind('Alice@Example.test', 'demo')).toBe('accepted');
    expect(await kind('alice@example.test', 'wrong')).toBe('refused');
    expect(await kind('alice@example.test', '')).toBe('refused');
    expect(await kind('nobody@example.test', 'demo')).toBe('refused');
    expect(await kind('cn=admin,dc=mailfarm', 'admin-secret')).toBe('refused');
    await server.server.close();
    expect(await kind('bob@example.test', 'demo')).toBe('unavailable');
    expect(await kind('alice@example.test', 'demo')).toBe('accepted'); // Verified minutes ago.
  } finally {
    await directory.close();
    await server.close();
  }
});
