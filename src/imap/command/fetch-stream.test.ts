import { expect, test } from 'vitest';
import { StoreError } from '../../volumes/error.ts';
import { reading } from '../testing/reading.ts';
import { withServer } from '../testing/server.ts';
import { enter, play } from '../testing/talk.ts';

const BIG = `Subject: big\n\n${'line of a large message\n'.repeat(40_000)}`;

test.each([
  [
    'it fails',
    async function* (pieces: AsyncIterable<Buffer>) {
      for await (const piece of pieces) {
        yield piece;
        throw new StoreError('volume-down', 'gone away');
      }
    },
  ],
  [
    'it ends too soon',
    async function* (pieces: AsyncIterable<Buffer>) {
      for await (const piece of pieces) {
        yield piece.subarray(0, piece.length - 1);
        return;
      }
    },
  ],
  [
    'it is longer than its name says',
    async function* (pieces: AsyncIterable<Buffer>) {
      for await (const piece of pieces) yield piece;
      yield Buffer.from('more');
    },
  ],
] as const)(
  '[N-19] [P-03] after the literal began %s: the connection closes, nothing looks whole',
  async (_name, how) => {
    const { inner, extra } = reading(how);
    await withServer({ ...(extra !== undefined && { extra }) }, async ({ port, auth }) => {
      inner.deliver(auth.account, Buffer.from(BIG));
      const client = await enter(port);
      client.line('a FETCH 1 BODY.PEEK[]');
      await expect(client.until('a')).rejects.toThrow(/half a response|within a literal/);
    });
  },
);

test('[P-03] what fails before the literal is NO, and the session goes on (RFC 9051 §7.1.2)', async () => {
  const { inner, extra } = reading(() => {
    throw new StoreError('volume-down', 'gone away');
  });
  await withServer({ ...(extra !== undefined && { extra }) }, async ({ port, auth }) => {
    inner.deliver(auth.account, Buffer.from(BIG));
    await play(await enter(port), [
      ['a FETCH 1 (UID BODY.PEEK[])', /^a NO \[UNAVAILABLE\] /],
      ['a FETCH 1 UID', '* 1 FETCH (UID 1)', 'a OK FETCH completed'],
    ]);
  });
});

const OWN = undefined;
const FOREIGN = '1700000000.1_2.host,S=960015';

test.each([
  ['a file of our own', OWN, BIG],
  ['a file of another tool', FOREIGN, BIG],
  ['a file that has CRLF already', FOREIGN, BIG.replaceAll('\n', '\r\n')],
  ['a file that mixes both', FOREIGN, BIG.replace(/\n(?=line)/, '\r\n')],
])(
  '[P-03] partial fetches in order read a message about once: %s (RFC 9051 §6.4.5)',
  async (what, name, text) => {
    let octets = 0;
    const { inner, extra } = reading(async function* (pieces) {
      for await (const piece of pieces) {
        octets += piece.length;
        yield piece;
      }
    });
    await withServer({ ...(extra !== undefined && { extra }) }, async ({ port, auth }) => {
      inner.deliver(auth.account, Buffer.from(text), name);
      const client = await enter(port);
      const whole = text.replace(/\r?\n/g, '\r\n');
      for (const item of ['BODY.PEEK[]', 'BODY.PEEK[1]']) {
        const expected = item.endsWith('[]') ? whole : whole.slice(whole.indexOf('\r\n\r\n') + 4);
        let came = '';
        octets = 0;
        for (let at = 0; at < expected.length; at += 20_000) {
          const [row = ''] = await client.ok(`a FETCH 1 ${item}<${at}.20000>`);
          came += row.slice(row.indexOf('\r\n') + 2, -1);
        }
        expect(came === expected, what).toBe(true);
        if (!what.includes('mixes')) expect(octets).toBeLessThan(3 * whole.length);
      }
      // Back and forth, within a line and between CR and LF.
      for (const [at, count] of [
        [500_000, 7],
        [3, 60_000],
        [60_003, 1],
        [60_004, 9],
        [959_990, 99],
      ] as const) {
        const [row = ''] = await client.ok(`a FETCH 1 BODY.PEEK[]<${at}.${count}>`);
        const part = whole.slice(at, at + count);
        expect(row).toBe(`* 1 FETCH (BODY[]<${at}> {${part.length}}\r\n${part})`);
      }
      client.close();
    });
  },
);

test('[P-03] a decoded part that is large is counted, then sent (RFC 3516 §4.2)', async () => {
  const content = Buffer.from('0123456789abcdef'.repeat(100_000));
  const encoded = content.toString('base64').replace(/.{76}/g, '$&\n');
  const head = 'Content-Type: application/x\nContent-Transfer-Encoding: base64\n\n';
  await withServer({ messages: [`${head}${encoded}\n`] }, async ({ port }) => {
    const client = await enter(port);
    const [row = ''] = await client.ok('a FETCH 1 BINARY.PEEK[1]');
    expect(row === `* 1 FETCH (BINARY[1] ~{${content.length}}\r\n${content.toString()})`).toBe(
      true,
    );
    await play(client, [
      ['a FETCH 1 BINARY.SIZE[1]', '* 1 FETCH (BINARY.SIZE[1] 1600000)', 'a OK FETCH completed'],
      [
        'a FETCH 1 BINARY.PEEK[1]<1599998.9>',
        '* 1 FETCH (BINARY[1]<1599998> ~{2}\r\nef)',
        'a OK FETCH completed',
      ],
    ]);
  });
});

test('[P-03] a large part that is fetched in pieces is decoded about twice (RFC 3516 §4.2)', async () => {
  const content = Buffer.from('0123456789abcde\n'.repeat(200_000));
  const encoded = content.toString('base64').replace(/.{76}/g, '$&\n');
  const message = `Content-Type: application/x\nContent-Transfer-Encoding: base64\n\n${encoded}\n`;
  let octets = 0;
  const { inner, extra } = reading(async function* (pieces) {
    for await (const piece of pieces) {
      octets += piece.length;
      yield piece;
    }
  });
  await withServer({ ...(extra !== undefined && { extra }) }, async ({ port, auth }) => {
    inner.deliver(auth.account, Buffer.from(message));
    const client = await enter(port);
    let came = '';
    for (let at = 0; at < content.length; at += 100_000) {
      const [row = ''] = await client.ok(`a FETCH 1 BINARY.PEEK[1]<${at}.100000>`);
      came += row.slice(row.indexOf('\r\n') + 2, -1);
    }
    expect(came === content.toString()).toBe(true);
    expect(octets).toBeLessThan(3 * message.length);
    const [back = ''] = await client.ok('a FETCH 1 BINARY.PEEK[1]<5.7>');
    expect(back).toBe('* 1 FETCH (BINARY[1]<5> ~{7}\r\n56789ab)');
  });
});

test('[P-03] line ends of a quoted-printable text are CRLF when it is decoded (RFC 3516 §4.2)', async () => {
  const text = 'Gr=C3=BC=C3=9Fe =\nund\nmehr\n';
  const head = 'Content-Type: text/plain\nContent-Transfer-Encoding: quoted-printable\n\n';
  await withServer({ messages: [`${head}${text}`] }, async ({ port }) => {
    const decoded = Buffer.from('Grüße und\r\nmehr\r\n').toString('latin1');
    await play(await enter(port), [
      ['a FETCH 1 BINARY.SIZE[1]', `* 1 FETCH (BINARY.SIZE[1] ${decoded.length})`, /^a OK/],
      [
        'a FETCH 1 BINARY.PEEK[1]',
        `* 1 FETCH (BINARY[1] {${decoded.length}}\r\n${decoded})`,
        'a OK FETCH completed',
      ],
    ]);
  });
});

test('[P-03] an encoding that nobody knows (RFC 3516 §4.3)', async () => {
  const messages = [
    'Content-Type: text/plain\nContent-Transfer-Encoding: x-none\n\nText\n',
    'Subject: two\n\nMore\n',
  ];
  await withServer({ messages }, async ({ port }) => {
    await play(await enter(port), [
      ['a FETCH 1 BINARY.PEEK[1]', '* 1 FETCH (BINARY[1] NIL)', /^a NO \[UNKNOWN-CTE\] /],
      // What can be told is told; half a row broke the connection off.
      [
        'a FETCH 1:2 (BODY.PEEK[TEXT] BINARY.PEEK[1] BINARY.SIZE[1])',
        '* 1 FETCH (BODY[TEXT] {6}\r\nText\r\n BINARY[1] NIL BINARY.SIZE[1] 0)',
        '* 2 FETCH (BODY[TEXT] {6}\r\nMore\r\n BINARY[1] {6}\r\nMore\r\n BINARY.SIZE[1] 6)',
        /^a NO \[UNKNOWN-CTE\] /,
      ],
      ['a FETCH 1 BODY.PEEK[1]', '* 1 FETCH (BODY[1] {6}\r\nText\r\n)', 'a OK FETCH completed'],
    ]);
  });
});

test('[P-03] 5,000 rows come whole and in order, whatever the client asks at once (RFC 9051 §6.4.5)', async () => {
  const { inner, extra } = reading((pieces) => pieces);
  await withServer({ ...(extra !== undefined && { extra }) }, async ({ port, auth }) => {
    for (let at = 0; at < 5_000; at += 1) inner.deliver(auth.account, Buffer.from('x\n'));
    const client = await enter(port);
    client.strict = false; // Its checks take longer than all else.
    const rows = await client.ok('a FETCH 1:* (UID FLAGS)');
    const expected = Array.from(
      { length: 5_000 },
      (_, at) => String.raw`* ${at + 1} FETCH (UID ${at + 1} FLAGS (\Recent))`,
    );
    expect(rows.slice(0, -1)).toEqual(expected);
  });
});
