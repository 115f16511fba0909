/** App passwords and second factors from the command line, by those who help users. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EXIT } from '../../config/exit.ts';
import { ldapDirectory } from '../../directory/client/directory.ts';
import { TEST_SERVERS, userEntry } from '../../directory/testing.ts';
import type { Account } from '../../directory/types.ts';
import { startTestCli, type TestCli } from '../testing/cli.ts';

const TEVIE = 'tevie@example.test';
const HASH = 'A'.repeat(43);
const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';

describe.each(TEST_SERVERS)('access on %s', (server) => {
  let cli: TestCli;
  beforeAll(async () => {
    const entries = [
      userEntry(TEVIE, 3001, {
        mwAppPassword: `phone1 ${HASH} imap,pop3 20261122090000Z My telephone`,
        mwTotp: SECRET,
        mwRecoveryCode: HASH,
      }),
      userEntry('helga@example.test', 3020, { mwLevel: '20' }),
    ];
    cli = await startTestCli({ server, entries });
    const granted = await cli.run(['administrator', 'grant', 'helga@example.test', 'helpdesk']);
    expect(granted).toMatchObject({ code: 0 });
  }, 60_000);
  afterAll(async () => await cli?.close());

  const helga = {
    env: {
      MAILFARM_ADMIN: 'helga@example.test',
      MAILFARM_ADMIN_PASSWORD: 'secret of helga@example.test',
    },
  };

  test('[P-06] the helpdesk sees what there is and takes it away, and no secret is printed', async () => {
    const listed = await cli.run(['access', 'list', TEVIE], helga);
    expect(listed).toMatchObject({ code: 0, err: '' });
    expect(listed.out).toContain('My telephone');
    const json = await cli.run(['access', 'list', TEVIE, '--json'], helga);
    const shown = await cli.run(['user', 'show', TEVIE, '--json'], helga);
    for (const { out } of [listed, json, shown]) {
      expect(out).not.toContain(HASH);
      expect(out).not.toContain(SECRET);
    }
    const none = await cli.run(['access', 'remove', TEVIE, 'other'], helga);
    expect(none.code).not.toBe(0);
    expect(none.err).toContain('There is no app password other');
    expect(await cli.run(['access', 'remove', TEVIE, 'phone1'], helga)).toMatchObject({ code: 0 });
    expect(await cli.run(['access', 'unlock', TEVIE], helga)).toMatchObject({ code: 0 });
    const front = ldapDirectory(cli.directory.frontend);
    const account = (await front.account(TEVIE)) as Account;
    expect(account.appPasswords).toBeUndefined();
    expect(account.hasSecondFactor).toBeUndefined();
    expect(await front.secondFactor(account)).toBeUndefined();
    await front.close();
    const own = await cli.run(['access', 'unlock', 'admin@example.test'], helga);
    expect(own.code).toBe(EXIT.permission.code);
  });

  test('the key of sessions is rotated: the one of before stays, a third goes', async () => {
    const front = ldapDirectory({
      ...cli.directory.frontend,
      options: { 'directory.cache.fresh': 0 },
    });
    const keys = async () =>
      await Promise.all(['current', 'previous'].map((name) => front.secret('web', name)));
    const seen: (string | undefined)[][] = [];
    for (let times = 0; times < 3; times += 1) {
      expect(await cli.run(['secret', 'rotate', 'web'])).toMatchObject({ code: 0, err: '' });
      seen.push(await keys());
    }
    expect(seen[0]?.[1]).toBeUndefined();
    expect(seen[1]?.[1]).toBe(seen[0]?.[0]);
    expect(seen[2]?.[1]).toBe(seen[1]?.[0]);
    expect(new Set(seen.map(([current]) => current)).size).toBe(3);
    expect(await cli.run(['secret', 'rotate', 'dkim'])).toMatchObject({ code: EXIT.usage.code });
    await front.close();
  });
});
