import { expect, test } from 'vitest';
import { systemClock } from '../../base/clock.ts';
import { ClientFault, type ClientResult, type ClientTransaction } from '../../smtp/client/types.ts';
import { MemoryOutbound } from '../testing/memory-outbound.ts';
import { envelopeTo, TEXT } from '../testing/letters.ts';
import { attempt } from './attempt.ts';
import type { Connection } from './connect.ts';

const ACCEPTED = { code: 250, enhanced: '2.0.0', text: 'taken' };

/** A host that takes one message, in the second of which we fail ourselves. */
function connectionOf(): Connection {
  const fault = new ClientFault('closed', 'data', 'the message could not be read');
  fault.cause = new Error('the spool hangs');
  let messages = 0;
  const send = async ({ recipients }: ClientTransaction): Promise<ClientResult> => {
    messages += 1;
    const replies = recipients.map(() => (messages === 1 ? ACCEPTED : undefined));
    return { replies, dsnPassedOn: false, ...(messages === 1 ? {} : { fault }) };
  };
  return {
    client: { send, usable: true },
    target: { host: 'mx.example.net', address: '192.0.2.1', protocol: 'smtp' },
    letters: 1,
    destroy: () => {},
  } as unknown as Connection;
}

test('whoever has the letter does not get it again when we cannot read it for the rest', async () => {
  const spools = new MemoryOutbound(systemClock);
  const recipients = Array.from({ length: 1001 }, (_, at) => ({ address: `u${at}@example.net` }));
  const draft = spools.open();
  await draft.write(0, TEXT, true);
  const envelope = envelopeTo('example.net', { recipients });
  await draft.seal(TEXT.length, TEXT.length + 3, [envelope]);
  await draft.commit();
  const [claim] = await spools.take({ limit: 1, perRoute: () => 1 });
  if (!claim) throw new Error('nothing to send');
  const { results } = await attempt({
    claim,
    clock: systemClock,
    sign: undefined,
    idle: connectionOf,
    connect: () => {
      throw new Error('nobody else is asked');
    },
    targets: () => {
      throw new Error('nobody else is asked');
    },
    onConnection: () => {},
  });
  const kinds = results.map(({ kind }) => kind);
  expect(kinds.filter((kind) => kind === 'sent')).toHaveLength(1000);
  expect(results.at(-1)).toMatchObject({ kind: 'later', status: '4.3.0', text: 'the spool hangs' });
});
