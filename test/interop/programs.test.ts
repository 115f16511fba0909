/**
 * What each program changes by itself, against servers that only frame. It keeps the claims of
 * senders.ts and fetchers.ts true, so that a difference in clients.test.ts is the farm's.
 */
import { expect, test } from 'vitest';
import { corpus } from '../fixtures/corpus.ts';
import { KINDS } from '../fixtures/kinds.ts';
import { testDirectory } from '../harness/directory.ts';
import { FETCHERS } from '../harness/fetchers.ts';
import { needs } from '../harness/needs.ts';
import { referenceMaildrop, referenceSink } from '../harness/reference.ts';
import { SENDERS } from '../harness/senders.ts';
import { hashOf, storedForm } from './mailbox.ts';

const MESSAGES = corpus({ count: Object.keys(KINDS).length, seed: 1, folder: '' });

/** As any final delivery puts it before a message: some programs need a header to be there. */
const TRACE = Buffer.from(
  'Return-Path: <a@client.example>\r\nDelivered-To: alice@example.test\r\n' +
    'Received: from x by y id z;\r\n\tSat, 21 Nov 2026 10:00:00 +0000\r\n',
);

for (const sender of SENDERS) {
  test.concurrent(`${sender.name} puts on the wire what it says`, async (ctx) => {
    needs(ctx, sender.need);
    const directory = testDirectory(ctx);
    const sink = await referenceSink();
    ctx.onTestFinished(() => sink.stop());
    const changed: string[] = [];
    for (const { name, wire } of MESSAGES) {
      const carried = sender.carried(wire);
      if (carried === undefined) continue;
      sink.messages.length = 0;
      const what = { port: sink.port, from: 'a@client.example', to: ['b@example.test'], wire };
      const result = await sender.send({ ...what, directory });
      expect(result.code, `${name}: ${result.stderr}`).toBe(0);
      if (!sink.messages[0]?.equals(carried)) changed.push(name);
    }
    expect(changed).toEqual([]);
  });
}

for (const fetcher of FETCHERS) {
  test.concurrent(`${fetcher.name} hands over what it says`, async (ctx) => {
    needs(ctx, fetcher.need);
    const directory = testDirectory(ctx);
    const wires = MESSAGES.map(({ wire }) => Buffer.concat([TRACE, wire]));
    const maildrop = await referenceMaildrop(wires);
    ctx.onTestFinished(() => maildrop.stop());
    const who = { user: 'alice', password: 'demo', directory };
    const { messages, result } = await fetcher.fetch({ port: maildrop.port, ...who });
    expect(result.code, result.stderr).toBe(0);
    expect(messages.length).toBe(MESSAGES.length);
    const got = new Set(messages.map(hashOf));
    const unlike = MESSAGES.filter(({ wire }, at) => {
      const whole = wires[at]!;
      const form = fetcher.form === 'lf' ? storedForm(whole) : whole;
      return fetcher.exact(wire) && !got.has(hashOf(form));
    });
    expect(unlike.map(({ name }) => name)).toEqual([]);
    const exact = MESSAGES.filter(({ wire }) => fetcher.exact(wire)).length;
    expect(exact, 'a program that keeps next to nothing proves nothing').toBeGreaterThan(25);
  });
}
