import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { silentLogger } from '../../log/types.ts';
import { startTestDirectory, TEST_SERVERS, type TestDirectory } from '../testing.ts';
import { openAdmin, type Admin } from './admin.ts';
import type { AdminEvent } from './api.ts';
import { HeldClock } from './testing.ts';

describe.each(TEST_SERVERS)('%s', (kind) => {
  let server: TestDirectory;
  let admin: Admin;
  let other: Admin;
  const faults: string[] = [];
  const clock = new HeldClock(Date.UTC(2026, 10, 22));

  beforeAll(async () => {
    server = await startTestDirectory({ server: kind });
    const error = (_fields: object, text: string) => faults.push(text);
    admin = await openAdmin({ ...server.admin, clock, logger: { ...silentLogger, error } });
    other = await openAdmin(server.admin);
  });
  afterAll(async () => {
    await admin.close();
    await other.close();
    await server.close();
  });

  test('[S0-42] what others change, rename and remove is told; what oneself does is not', async () => {
    const heard: AdminEvent[] = [];
    const watching = await admin.watch((event) => heard.push(event));
    const next = async (): Promise<readonly AdminEvent[]> => {
      await watching.look();
      return heard.splice(0);
    };
    expect(await next()).toEqual([]);

    const alice = await other.users.set('alice@example.test', { quotaBytes: 1 });
    expect(await next()).toEqual([{ kind: 'changed', dn: alice.dn, revision: alice.revision }]);
    expect(await next()).toEqual([]);

    await admin.users.set('alice@example.test', { quotaBytes: 2 });
    expect(await next()).toEqual([]);

    const node = await other.nodes.add('watched', { nid: 7, server: 'w.test' });
    expect(await next()).toMatchObject([{ kind: 'changed', dn: node.dn }]);
    await other.nodes.remove('watched');
    // A change right behind it hides nothing.
    await other.users.set('alice@example.test', { quotaBytes: 3 });
    expect(await next()).toEqual(
      expect.arrayContaining([
        { kind: 'removed', dn: node.dn },
        expect.objectContaining({ kind: 'changed', dn: alice.dn }),
      ]),
    );
    const renamed = await other.users.rename('bob@example.test', 'robert@example.test');
    expect(await next()).toEqual([
      { kind: 'removed', dn: 'cn=bob@example.test,ou=users,dc=mailfarm' },
      { kind: 'changed', dn: renamed.dn, revision: renamed.revision },
    ]);
    watching.stop();
    await other.users.set('alice@example.test', { quotaBytes: 4 });
    expect(await next()).toEqual([]);
  });

  test('[S0-42] it looks by itself at every interval, and a handler that throws harms nothing', async () => {
    const heard: AdminEvent[] = [];
    const bad = await admin.watch(() => {
      throw new Error('a fault of the handler');
    });
    const good = await admin.watch((event) => heard.push(event));
    await other.users.set('alice@example.test', { quotaBytes: 99 });
    for (let tries = 0; heard.length === 0 && tries < 200; tries += 1) {
      clock.pass(2_000);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(heard).toHaveLength(1);
    expect(faults).toContain('a handler of administration events failed');
    bad.stop();
    good.stop();
  });
});
