/** Other network objects are managed by the same code as users and nodes (S0-53). */
import type { Entry } from 'ldapts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { valuesOf } from '../client/entries.ts';
import { startTestDirectory, TEST_SERVERS, type TestDirectory } from '../testing.ts';
import { openAdmin, type Admin } from './admin.ts';
import type { Collection, Recorded } from './api.ts';
import { Entries, type Farm, type Kind } from './collection.ts';
import { checkedName, checkedText } from './names.ts';
import { recorded } from './record.ts';
import type { NewValues } from './session.ts';

interface Printer extends Recorded {
  readonly name: string;
  readonly serial: string | undefined;
}
interface PrinterValues {
  readonly serial?: string | null | undefined;
}

/** All that a new kind of object takes: what it is called, where it stands, what it has. */
const PRINTERS: Kind<Printer, PrinterValues> = {
  what: 'printer',
  objectClass: 'device', // RFC 4519 §3.4: nothing of ours.
  place: 'sites',
  fields: { name: ['cn'], serial: ['serialNumber'] },
  newName: (given) => checkedName(given, 'printer').toLowerCase(),
  spellings: (given) => [given.toLowerCase()],
  toRecord: (entry: Entry) => ({
    ...recorded(entry),
    name: valuesOf(entry, 'cn')[0] ?? '',
    serial: valuesOf(entry, 'serialNumber')[0],
  }),
  toValues: ({ serial }): NewValues => ({
    serialNumber:
      serial === null ? [] : serial === undefined ? undefined : checkedText(serial, 'A serial'),
  }),
};

describe.each(TEST_SERVERS)('other network objects, on %s', (server) => {
  let directory: TestDirectory;
  let admin: Admin;
  beforeAll(async () => {
    directory = await startTestDirectory({ server });
    admin = await openAdmin(directory.admin);
  }, 60_000);
  afterAll(async () => {
    await admin?.close();
    await directory?.close();
  });

  /** As a program uses a collection that it knows nothing about but this type. */
  async function useAll<R extends Recorded, V>(
    collection: Collection<R, V>,
    given: {
      readonly name: string;
      readonly values: V;
      readonly change: Partial<V>;
      /** Another one, based on what was before the first. */
      readonly late: Partial<V>;
    },
  ): Promise<void> {
    const { name, values, change, late } = given;
    const added = await collection.add(name, values);
    expect(added.revision).not.toBe('');
    await expect(collection.add(name, values)).rejects.toMatchObject({ kind: 'exists' });
    expect((await collection.get(name.toUpperCase())).dn).toBe(added.dn);
    const found = await collection.find({ regex: `^${name.slice(0, 4)}` });
    expect(found.count).toBe(1);
    expect(found.head()?.dn).toBe(added.dn);
    expect(found.next()).toBeUndefined();
    const claim = await collection.claim(name);
    expect(claim.held).toBe(true);
    await claim.release();
    const changed = await collection.set(added, change);
    expect(changed.revision).not.toBe(added.revision);
    await expect(collection.set(added, late)).rejects.toMatchObject({ kind: 'conflict' });
    const put = collection.put(name, values);
    expect(put.state).toBe('pending');
    expect((await put.done()).dn).toBe(added.dn);
    const walked: string[] = [];
    for await (const one of collection.each({ regex: `^${name.slice(0, 4)}` })) walked.push(one.dn);
    expect(walked).toEqual([added.dn]);
    await collection.remove(name);
    await expect(collection.get(name)).rejects.toMatchObject({ kind: 'not-found' });
  }

  test('[S0-53] users, domains, lists, sites, rules: one program uses them all', async () => {
    const text = { change: { description: 'other' }, late: { description: 'late' } };
    const password = { password: 'secret', description: 'one' };
    await useAll(admin.users, { name: 'same@example.test', values: password, ...text });
    await useAll(admin.domains, { name: 'same.test', values: {}, ...text });
    const members = { members: ['alice@example.test'] };
    await useAll(admin.lists, { name: 'same@example.test', values: members, ...text });
    await useAll(admin.sites, { name: 'same', values: {}, ...text });
    const rule = { order: 1, pattern: 'x.*', target: 'volume:mail1' };
    await useAll(admin.rules, {
      name: 'same',
      values: rule,
      change: { order: 2 },
      late: { order: 3 },
    });
  });

  test('[S0-53] a kind of which the farm knows nothing takes a table, and no code', async () => {
    // What the collections of a session share is not given away; this stands for a new one there.
    const { farm } = admin.sites as unknown as { readonly farm: Farm };
    const printers = new Entries(farm, PRINTERS);
    const values = { serial: 'A-1' };
    const late = { serial: 'A-3' };
    await useAll(printers, { name: 'same-printer', values, change: { serial: 'A-2' }, late });
    await printers.add('other', { serial: 'B-7' });
    expect((await printers.find({ field: 'serial', regex: 'b-.' })).head()?.name).toBe('other');
    expect((await admin.sites.find()).items).toEqual([]);
    await printers.remove('other');
  });
});
