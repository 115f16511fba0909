import { describe, expect, test } from 'vitest';
import { at, put, query, roles, useNodes } from '../testing/suite.ts';
import { STORES, type Nodes } from '../testing/nodes.ts';
import type { Args } from '../types.ts';

const LETTER =
  'From: alice@example.test\nTo: Bob <bob@x.test>, bob@x.test\nCc: carol@x.test\n' +
  'Bcc: dan@x.test\nSubject: hi\n\nhello\n';

async function draft(nodes: Nodes, text = LETTER): Promise<Args> {
  await put(nodes, text, { letters: 'D' });
  const [emailId] = await query(nodes, { limit: 1 });
  const { list } = await nodes.ask('Identity/get');
  return { emailId, identityId: (list as { id: string }[])[0]?.id };
}

const submit = (nodes: Nodes, submission: Args, more: Args = {}): Promise<Args> =>
  nodes.ask('EmailSubmission/set', { create: { s: submission }, ...more });

describe.each(STORES)('Submissions on %s', (kind) => {
  const nodes = useNodes(kind);

  test('a draft is sent to all that its header names, and then lies in Sent', async () => {
    const submission = await draft(nodes());
    const made = await nodes().ask('Mailbox/set', {
      create: { s: { name: 'Sent', role: 'sent' } },
    });
    const sentId = at(made, 'created.s.id') as string;
    const patch = {
      mailboxIds: { [sentId]: true },
      'keywords/$draft': null,
      'keywords/$seen': true,
    };
    const responses = await nodes().request({
      name: 'EmailSubmission/set',
      args: {
        accountId: nodes().account.id,
        create: { s: submission },
        onSuccessUpdateEmail: { '#s': patch },
      },
      callId: '0',
    });
    expect(responses.map(({ name, callId }) => [name, callId])).toEqual([
      ['EmailSubmission/set', '0'],
      ['Email/set', '0'],
    ]);
    const [{ submission: given, message }] = nodes().sent as [Nodes['sent'][0]];
    expect(given.from).toEqual({ address: 'alice@example.test', parameters: {} });
    expect(given.recipients.map(({ address }) => address)).toEqual([
      'bob@x.test',
      'carol@x.test',
      'dan@x.test',
    ]);
    expect(message).toBe(LETTER.replaceAll('\n', '\r\n'));
    const { list } = await nodes().ask('Email/get', {
      ids: [submission['emailId']],
      properties: ['mailboxIds', 'keywords'],
    });
    expect(list).toMatchObject([{ mailboxIds: { [sentId]: true }, keywords: { $seen: true } }]);
    const id = at(responses[0]?.args as Args, 'created.s.id') as string;
    const got = await nodes().ask('EmailSubmission/get', {});
    expect(got['list']).toMatchObject([
      {
        id,
        ...submission,
        undoStatus: 'final',
        deliveryStatus: { 'bob@x.test': { smtpReply: '250 2.6.0 Taken', displayed: 'unknown' } },
        envelope: { mailFrom: { email: 'alice@example.test' } },
      },
    ]);
    const filter = { emailIds: [submission['emailId']] };
    const found = await nodes().ask('EmailSubmission/query', { filter });
    expect(found['ids']).toEqual([id]);
    const cancel = await nodes().ask('EmailSubmission/set', {
      update: { [id]: { undoStatus: 'canceled' } },
    });
    expect(at(cancel, `notUpdated.${id}.type`)).toBe('cannotUnsend');
    const gone = await nodes().ask('EmailSubmission/set', { destroy: [id] });
    expect(gone['destroyed']).toEqual([id]);
  });

  test('an envelope is sent as it is given, with its parameters', async () => {
    const submission = await draft(nodes());
    const envelope = {
      mailFrom: { email: 'al@example.test', parameters: { ret: 'HDRS', envid: 'x' } },
      rcptTo: [{ email: 'eve@x.test', parameters: { notify: 'NEVER' } }],
    };
    const made = await submit(nodes(), { ...submission, envelope });
    expect(made['notCreated']).toBeNull();
    expect(nodes().sent[0]?.submission).toMatchObject({
      from: { address: 'al@example.test', parameters: { RET: 'HDRS', ENVID: 'x' } },
      recipients: [{ address: 'eve@x.test', parameters: { NOTIFY: 'NEVER' } }],
    });
  });

  test('what was refused is not created, its email stays as it was', async () => {
    const submission = await draft(nodes());
    const error = { type: 'forbiddenFrom', description: 'no' } as const;
    nodes().verdicts.push(
      { kind: 'refused', error, recipients: new Map() },
      { kind: 'unavailable', text: 'later' },
    );
    const more = { onSuccessDestroyEmail: ['#s'] };
    const refused = await submit(nodes(), submission, more);
    expect(at(refused, 'notCreated.s')).toEqual(error);
    const later = await submit(nodes(), submission, more);
    expect(at(later, 'notCreated.s')).toMatchObject({ type: 'serverUnavailable' });
    expect(await query(nodes())).toEqual([submission['emailId']]);
    expect((await nodes().ask('EmailSubmission/get', {}))['list']).toEqual([]);
  });

  test.each([
    ['no email', { emailId: 'none' }, LETTER, 'invalidProperties'],
    ['no identity', { identityId: 'none' }, LETTER, 'invalidProperties'],
    ['another property', { undoStatus: 'pending' }, LETTER, 'invalidProperties'],
    ['nobody to write to', {}, 'From: alice@example.test\n\nx\n', 'noRecipients'],
    ['nobody who writes', {}, 'To: bob@x.test\n\nx\n', 'invalidEmail'],
    ['half an address', {}, 'From: alice@example.test\nTo: bob\n\nx\n', 'invalidRecipients'],
    ['a broken envelope', { envelope: { mailFrom: {}, rcptTo: [] } }, LETTER, 'invalidProperties'],
  ] as const)('refused: %s', async (_, more, text, type) => {
    const made = await submit(nodes(), { ...(await draft(nodes(), text)), ...more });
    expect(at(made, 'notCreated.s.type')).toBe(type);
    expect(nodes().sent).toEqual([]);
  });

  test('a letter made and sent in one request', async () => {
    const { inbox = '' } = await roles(nodes());
    const { identityId } = await draft(nodes());
    const accountId = nodes().account.id;
    const email = {
      mailboxIds: { [inbox]: true },
      from: [{ email: 'alice@example.test' }],
      to: [{ email: 'bob@x.test' }],
      textBody: [{ partId: 't' }],
      bodyValues: { t: { value: 'hi' } },
    };
    const responses = await nodes().request(
      { name: 'Email/set', args: { accountId, create: { e: email } }, callId: 'a' },
      {
        name: 'EmailSubmission/set',
        args: { accountId, create: { s: { identityId, emailId: '#e' } } },
        callId: 'b',
      },
    );
    expect(at(responses[1]?.args as Args, 'notCreated')).toBeNull();
    expect(nodes().sent[0]?.message).toContain('\r\nTo: <bob@x.test>\r\n');
  });

  test('identities: one for each address; signatures; no foreign address', async () => {
    const before = await nodes().ask('Identity/get');
    expect((before['list'] as Args[]).map(({ email }) => email)).toEqual([
      'alice@example.test',
      'al@example.test',
    ]);
    const [{ id }] = before['list'] as [{ id: string }];
    const made = await nodes().ask('Identity/set', {
      create: {
        a: { email: 'al@example.test', name: 'Al', htmlSignature: '<b>Al</b>' },
        b: { email: 'eve@example.test' },
      },
      update: { [id]: { textSignature: '-- \nAlice' }, none: {} },
      destroy: [id],
    });
    expect(made).toMatchObject({
      notCreated: { b: { type: 'forbiddenFrom' } },
      notUpdated: { [id]: { type: 'willDestroy' }, none: { type: 'notFound' } },
      notDestroyed: { [id]: { type: 'forbidden' } },
    });
    const set = await nodes().ask('Identity/set', {
      update: { [id]: { textSignature: '-- \nAlice' } },
      ifInState: made['newState'],
    });
    expect(set['updated']).toEqual({ [id]: null });
    const email = await nodes().ask('Identity/set', { update: { [id]: { email: 'x@y.test' } } });
    expect(at(email, `notUpdated.${id}.properties`)).toEqual(['email']);
    const after = await nodes().ask('Identity/get', { ids: [id, at(made, 'created.a.id')] });
    expect(after['list']).toMatchObject([
      { textSignature: '-- \nAlice', mayDelete: false },
      { name: 'Al', htmlSignature: '<b>Al</b>', mayDelete: true },
    ]);
    const same = await nodes().ask('Identity/changes', { sinceState: after['state'] });
    expect(same['updated']).toEqual([]);
    const first = { sinceState: before['state'], maxChanges: 1 };
    const part = await nodes().ask('Identity/changes', first);
    expect(part['hasMoreChanges']).toBe(true);
    const rest = await nodes().ask('Identity/changes', { sinceState: part['newState'] });
    expect(rest).toMatchObject({ hasMoreChanges: false, newState: after['state'] });
    const both = (name: string): unknown => [part, rest].flatMap((one) => one[name] as string[]);
    expect(['created', 'updated', 'destroyed'].map(both)).toEqual([
      [at(made, 'created.a.id')],
      [id],
      [],
    ]);
    await nodes().ask('Identity/set', { destroy: [at(made, 'created.a.id')] });
    const gone = await nodes().ask('Identity/changes', { sinceState: after['state'] });
    expect(gone['destroyed']).toEqual([at(made, 'created.a.id')]);
    const foreign = await nodes().ask('Identity/changes', { sinceState: 'x' });
    expect(foreign['type']).toBe('cannotCalculateChanges');
  });

  test("an answer in absence is the directory's; while it is off its text is kept", async () => {
    const update = (patch: Args): Promise<Args> =>
      nodes().ask('VacationResponse/set', { update: { singleton: patch } });
    const empty = await update({ isEnabled: true });
    expect(at(empty, 'notUpdated.singleton.properties')).toEqual(['textBody']);
    const on = await update({ isEnabled: true, textBody: 'away', toDate: '2026-12-24T00:00:00Z' });
    expect(on['updated']).toEqual({ singleton: null });
    expect(nodes().affairs.vacation).toMatchObject({ text: 'away', from: undefined });
    await update({ isEnabled: false });
    expect(nodes().affairs.vacation).toBeUndefined();
    const { list } = await nodes().ask('VacationResponse/get');
    expect(list).toMatchObject([
      { isEnabled: false, textBody: 'away', toDate: '2026-12-24T00:00:00Z', htmlBody: null },
    ]);
    nodes().affairs.verdict = { kind: 'locked' };
    const locked = await update({ isEnabled: true });
    expect(at(locked, 'notUpdated.singleton.type')).toBe('forbidden');
    const other = await nodes().ask('VacationResponse/set', {
      create: { a: {} },
      destroy: ['singleton'],
    });
    expect(at(other, 'notCreated.a.type')).toBe('singleton');
    expect(at(other, 'notDestroyed.singleton.type')).toBe('singleton');
  });
});
