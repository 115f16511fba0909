import { describe, expect, test } from 'vitest';
import { at, put, query, roles, useNodes } from '../testing/suite.ts';
import { STORES } from '../testing/nodes.ts';

const LETTER = 'Subject: one\nMessage-ID: <1@x.test>\n\nhello\n';

describe.each(STORES)('Mailboxes on %s', (kind) => {
  const nodes = useNodes(kind);

  test('a mailbox is made with its role, renamed, moved below another and destroyed', async () => {
    const made = await nodes().ask('Mailbox/set', {
      create: { a: { name: 'Drafts', role: 'drafts' }, b: { name: 'Work', isSubscribed: true } },
    });
    expect(made['notCreated']).toBeNull();
    const [a, b] = [at(made, 'created.a.id'), at(made, 'created.b.id')] as [string, string];
    expect(at(made, 'created.a.role')).toBe('drafts');
    const moved = await nodes().ask('Mailbox/set', {
      update: { [a]: { parentId: b, name: 'Unfinished' } },
    });
    expect(moved['updated']).toEqual({ [a]: null });
    const got = await nodes().ask('Mailbox/get', { ids: [a, b, 'none'] });
    expect(got['list']).toMatchObject([
      { id: a, name: 'Unfinished', parentId: b },
      { id: b, name: 'Work', parentId: null, isSubscribed: true },
    ]);
    expect(got['notFound']).toEqual(['none']);
    const busy = await nodes().ask('Mailbox/set', { destroy: [b] });
    expect(at(busy, `notDestroyed.${b}.type`)).toBe('mailboxHasChild');
    const gone = await nodes().ask('Mailbox/set', { destroy: [b, a] });
    expect(gone['destroyed']).toEqual([a, b]);
    expect((await nodes().mail.folders()).map(({ name }) => name)).toEqual(['INBOX']);
  });

  test('a mailbox with mail goes only when its mail may go', async () => {
    const made = await nodes().ask('Mailbox/set', { create: { a: { name: 'Full' } } });
    const id = at(made, 'created.a.id') as string;
    await put(nodes(), LETTER, { folder: 'Full' });
    const kept = await nodes().ask('Mailbox/set', { destroy: [id] });
    expect(at(kept, `notDestroyed.${id}.type`)).toBe('mailboxHasEmail');
    const gone = await nodes().ask('Mailbox/set', { destroy: [id], onDestroyRemoveEmails: true });
    expect(gone['destroyed']).toEqual([id]);
  });

  test.each([
    ['no name', { create: { a: {} } }, 'notCreated.a.type', 'invalidProperties'],
    ['a slash', { create: { a: { name: 'a/b' } } }, 'notCreated.a.properties', ['name']],
    ['too long', { create: { a: { name: 'x'.repeat(101) } } }, 'notCreated.a.properties', ['name']],
    ['a view', { create: { a: { name: 'x', role: 'all' } } }, 'notCreated.a.properties', ['name']],
    [
      'no role',
      { create: { a: { name: 'x', role: 'king' } } },
      'notCreated.a.properties',
      ['role'],
    ],
    [
      'a parent',
      { create: { a: { name: 'x', parentId: 'z' } } },
      'notCreated.a.properties',
      ['parentId'],
    ],
    [
      'a property',
      { create: { a: { name: 'x', colour: 1 } } },
      'notCreated.a.properties',
      ['colour'],
    ],
    ['nobody', { update: { z: { name: 'x' } } }, 'notUpdated.z.type', 'notFound'],
    ['nobody to destroy', { destroy: ['z'] }, 'notDestroyed.z.type', 'notFound'],
    ['an argument', { colour: 1 }, 'type', 'invalidArguments'],
    ['a state', { ifInState: 'x' }, 'type', 'stateMismatch'],
    ['another account', { accountId: 'x' }, 'type', 'accountNotFound'],
  ] as const)('Mailbox/set refuses %s', async (_, args, path, value) => {
    expect(at(await nodes().ask('Mailbox/set', args), path)).toEqual(value);
  });

  test('the inbox stays what it is', async () => {
    const { inbox } = (await roles(nodes())) as { inbox: string };
    const set = await nodes().ask('Mailbox/set', { update: { [inbox]: { name: 'x' } } });
    expect(at(set, `notUpdated.${inbox}.type`)).toBe('forbidden');
    const gone = await nodes().ask('Mailbox/set', { destroy: [inbox] });
    expect(at(gone, `notDestroyed.${inbox}.type`)).toBe('forbidden');
  });

  test('counts of emails and threads; drafts are not unread', async () => {
    await put(nodes(), LETTER);
    await put(nodes(), 'Subject: Re: one\nReferences: <1@x.test>\n\nyes\n', { letters: 'S' });
    await put(nodes(), 'Subject: two\nMessage-ID: <2@x.test>\n\n\n', { letters: 'D' });
    const { list } = await nodes().ask('Mailbox/get');
    expect(list).toMatchObject([
      { role: 'inbox', totalEmails: 3, unreadEmails: 1, totalThreads: 2, unreadThreads: 1 },
    ]);
  });

  test('changes: a letter changes counts only, a folder is created and destroyed', async () => {
    const { state } = await nodes().ask('Mailbox/get');
    await put(nodes(), LETTER);
    const counts = await nodes().ask('Mailbox/changes', { sinceState: state });
    expect(counts['updated']).toHaveLength(1);
    expect(counts['updatedProperties']).toContain('totalEmails');
    await nodes().mail.create('New');
    const created = await nodes().ask('Mailbox/changes', { sinceState: counts['newState'] });
    expect(created['destroyed']).toEqual([]);
    expect(created['created']).toHaveLength(1);
    const [id] = created['created'] as string[];
    await nodes().mail.rename('New', 'Renamed');
    const renamed = await nodes().ask('Mailbox/changes', { sinceState: created['newState'] });
    expect(renamed).toMatchObject({ created: [], updated: [id], destroyed: [] });
    await nodes().mail.remove('Renamed');
    const removed = await nodes().ask('Mailbox/changes', { sinceState: renamed['newState'] });
    expect(removed).toMatchObject({ created: [], updated: [], destroyed: [id] });
    const none = await nodes().ask('Mailbox/changes', { sinceState: 'nonsense' });
    expect(none['type']).toBe('cannotCalculateChanges');
  });

  test('query sorts, filters and shows trees; queryChanges follows', async () => {
    for (const name of ['b', 'b/y', 'b/x', 'a']) await nodes().mail.create(name);
    const sort = [{ property: 'name' }];
    const namesOf = async (args: object): Promise<unknown> => {
      const { ids } = await nodes().ask('Mailbox/query', { sort, ...args });
      const { list } = await nodes().ask('Mailbox/get', { ids, properties: ['name'] });
      return (list as { name: string }[]).map(({ name }) => name);
    };
    expect(await namesOf({})).toEqual(['a', 'b', 'Inbox', 'x', 'y']);
    expect(await namesOf({ sortAsTree: true })).toEqual(['a', 'b', 'x', 'y', 'Inbox']);
    expect(await namesOf({ filter: { hasAnyRole: false, name: 'B' } })).toEqual(['b']);
    const not = { operator: 'NOT', conditions: [{ name: 'b' }] };
    expect(await namesOf({ filter: not, filterAsTree: true })).toEqual(['a']);
    const before = await nodes().ask('Mailbox/query', { sort });
    await nodes().mail.create('aa');
    const changed = await nodes().ask('Mailbox/queryChanges', {
      sort,
      sinceQueryState: before['queryState'],
    });
    expect(changed['added']).toMatchObject([{ index: 1 }]);
    const bad = await nodes().ask('Mailbox/query', { filter: { colour: 1 } });
    expect(bad['type']).toBe('unsupportedFilter');
  });

  test('the new state of a set is one that changes can be asked from', async () => {
    const made = await nodes().ask('Mailbox/set', { create: { a: { name: 'A' } } });
    const since = await nodes().ask('Mailbox/changes', { sinceState: made['oldState'] });
    expect(since['created']).toEqual([at(made, 'created.a.id')]);
    const after = await nodes().ask('Mailbox/changes', { sinceState: made['newState'] });
    expect(after).toMatchObject({ created: [], updated: [], destroyed: [] });
    expect(await query(nodes())).toEqual([]);
  });
});
