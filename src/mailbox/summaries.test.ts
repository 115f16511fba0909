import fc from 'fast-check';
import { expect, test } from 'vitest';
import { systemRandom } from '../base/random.ts';
import { parseMessage } from '../message/mime/parse.ts';
import { MailError } from './mail.ts';
import type { Query } from './query.ts';
import { GroupCollector, mayContain } from './search-signature.ts';
import { Searches, type SearchParts } from './search.ts';
import { readBatch, writeBatch } from './summaries-batch.ts';
import { Summaries } from './summaries.ts';
import { MemoryFacts, TestFolder } from './testing/facts-and-messages.ts';

const octetsMax = 1_000_000;
const open = (): Summaries => new Summaries({ random: systemRandom, octetsMax });

const letter = (at: number): string =>
  `From: "Sender ${at}" <s${at}@x.test>\nTo: alice@example.test\nSubject: Letter ${at}\n` +
  `References: <a${at}@x> <b@x>\nMessage-ID: <${at}@x>\n${at % 2 ? 'To: bob@example.test\n' : ''}` +
  `Content-Type: multipart/mixed; boundary=b\n\n--b\n\nHello ${at}\n--b--\n`;

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

test('a summary out of memory, or out of a batch, says what the message says', async () => {
  const facts = new MemoryFacts();
  const folder = new TestFolder(
    facts,
    Array.from({ length: 60 }, (_, at) => letter(at)),
  );
  const summaries = open();
  for (const kept of [summaries, summaries, open()]) {
    const given = await all(kept.of(folder, folder.messages, 'all'));
    for (const [at, summary] of given.entries()) {
      const parsed = parseMessage(Buffer.from(letter(at)), 'bare-lf');
      const { envelope, references, partial, header } = summary ?? {};
      const { octets, structure, preview } = summary ?? {};
      const said = { envelope, references, partial, header, octets, structure, preview };
      expect(said).toStrictEqual(parsed);
    }
    await kept.settled();
  }
  // Each message was read by the first alone.
  expect(folder.reads).toBe(60);
});

test('heads cost one short read each; the structure comes when it is asked for', async () => {
  const folder = new TestFolder(new MemoryFacts(), [
    letter(1),
    `Subject: long\nX-Long: ${'x'.repeat(30_000)}\nFrom: late@x.test\n\nbody`,
    `Subject: big\n\n${'body\n'.repeat(100_000)}`,
  ]);
  const summaries = open();
  const heads = await all(summaries.of(folder, folder.messages, 'head'));
  expect(heads.map((head) => head?.envelope.subject)).toEqual(['Letter 1', 'long', 'big']);
  expect(heads[1]?.envelope.from[0]?.local).toBe('late');
  expect(folder.octetsRead).toBeLessThan(60_000);
  const whole = await all(summaries.of(folder, folder.messages, 'all'));
  expect(whole[2]?.octets).toBe(14 + 2 + 600_000);
  expect(whole[0]?.structure.parts).toHaveLength(1);
});

test('messages that are gone have none, and the others keep their places', async () => {
  const folder = new TestFolder(undefined, [letter(0), letter(1), letter(2)]);
  folder.remove(1);
  const given = await all(open().of(folder, folder.messages, 'all'));
  expect(given.map((one) => one?.envelope.subject)).toEqual(['Letter 0', undefined, 'Letter 2']);
});

test('batches of two nodes do not collide, and are made one; those that are gone go', async () => {
  const facts = new MemoryFacts();
  const letters = Array.from({ length: 1000 }, (_, at) => letter(at));
  const folder = new TestFolder(facts, letters);
  const nodes = [open(), open()] as const;
  for (let at = 0; at < 600; at += 60) {
    for (const node of nodes) {
      await all(node.of(folder, folder.messages.slice(at, at + 60), 'head'));
    }
  }
  await Promise.all(nodes.map((node) => node.settled()));
  const before = (await facts.facts(folder.ref, 'summaries2')).length;
  expect(before).toBeLessThanOrEqual(12);
  for (let at = 0; at < 300; at++) folder.remove(at);
  for (let at = 600; at < 1000; at += 60) {
    await all(nodes[0].of(folder, folder.messages.slice(at, at + 60), 'head'));
  }
  await nodes[0].settled();
  const third = open();
  folder.reads = 0;
  await all(third.of(folder, folder.messages.slice(300, 600), 'head'));
  expect(folder.reads).toBe(0);
});

test('a torn batch, one that vanishes, a drawer that fails: only time is lost', async () => {
  const facts = new MemoryFacts();
  const folder = new TestFolder(
    facts,
    Array.from({ length: 80 }, (_, at) => letter(at)),
  );
  const first = open();
  await all(first.of(folder, folder.messages, 'head'));
  await first.settled();
  const [name = ''] = await facts.facts(folder.ref, 'summaries2');
  const bytes = await facts.readFact(folder.ref, 'summaries2', name);
  const torn = bytes.slice(0, bytes.length - 5);
  await facts.putFact({ ref: folder.ref, drawer: 'summaries2', name, bytes: torn, durable: false });
  const subjects = async (): Promise<unknown> =>
    (await all(open().of(folder, folder.messages, 'head'))).map((one) => one?.envelope.subject);
  const expected = folder.messages.map((_, at) => `Letter ${at}`);
  expect(await subjects()).toEqual(expected);
  facts.fails = 'read';
  expect(await subjects()).toEqual(expected);
  facts.fails = 'all';
  expect(await subjects()).toEqual(expected);
});

test('trouble with a message is told, not taken for its absence', async () => {
  const folder = new TestFolder(new MemoryFacts(), [letter(0), letter(1)]);
  folder.trouble = new Error('volume down');
  await expect(all(open().of(folder, folder.messages, 'all'))).rejects.toThrow('volume down');
});

test('memory is bounded, whatever the folders hold', async () => {
  const facts = new MemoryFacts();
  const small = new Summaries({ random: systemRandom, octetsMax: 20_000 });
  const folder = new TestFolder(
    facts,
    Array.from({ length: 300 }, (_, at) => letter(at)),
  );
  for (let round = 0; round < 2; round++) {
    const given = await all(small.of(folder, folder.messages, 'head'));
    expect(given.map((one) => one?.envelope.messageId)).toEqual(
      folder.messages.map((_, at) => `<${at}@x>`),
    );
  }
  expect(small.octets).toBeLessThanOrEqual(20_000);
});

test('a node with little memory throws no batches away that it could not hold', async () => {
  const facts = new MemoryFacts();
  const folder = new TestFolder(
    facts,
    Array.from({ length: 550 }, (_, at) => letter(at)),
  );
  const large = open();
  const nodes = Array.from({ length: 8 }, () => large);
  const small = new Summaries({ random: systemRandom, octetsMax: 65_536 });
  nodes.push(large, small, small);
  for (const [at, node] of nodes.entries()) {
    await all(node.of(folder, folder.messages.slice(at * 50, at * 50 + 50), 'head'));
    await node.settled();
  }
  expect((await facts.facts(folder.ref, 'summaries2')).length).toBeLessThan(10);
  folder.reads = 0;
  await all(open().of(folder, folder.messages.slice(0, 450), 'head'));
  expect(folder.reads).toBe(0);
});

test('a list of fifty reads the batches that they are in, and no more of a large folder', async () => {
  class CountingFacts extends MemoryFacts {
    reads = 0;

    override async readFact(
      ...[ref, drawer, name]: Parameters<MemoryFacts['readFact']>
    ): Promise<Uint8Array> {
      this.reads += 1;
      return await super.readFact(ref, drawer, name);
    }
  }
  const facts = new CountingFacts();
  const folder = new TestFolder(
    facts,
    Array.from({ length: 3000 }, (_, at) => letter(at)),
  );
  const first = open();
  await all(first.of(folder, folder.messages, 'head'));
  await first.settled();
  expect(first.octets).toBeLessThanOrEqual(octetsMax);
  folder.reads = 0;
  facts.reads = 0;
  const other = open();
  const given = await all(other.of(folder, folder.messages.slice(-50), 'head'));
  expect(given.at(-1)?.envelope.subject).toBe('Letter 2999');
  expect(folder.reads).toBe(0);
  expect(facts.reads).toBeLessThan(4);
  // All of them lie in batches, though memory has no room for them.
  await all(other.of(folder, folder.messages, 'head'));
  expect(folder.reads).toBe(0);
});

test('a batch that was changed in any octet is none', () => {
  const records = [
    { key: 'a', head: Buffer.from('[1]'), rest: undefined },
    { key: '\u00e4b', head: Buffer.from('[2]'), rest: Buffer.from('[3]') },
  ];
  const bytes = writeBatch(records);
  expect([...(readBatch(bytes) ?? [])].map(([key]) => key)).toEqual(['a', '\u00e4b']);
  for (let at = 0; at < bytes.length; at++) {
    const wrong = Buffer.from(bytes);
    wrong[at] = (wrong[at] as number) ^ 1;
    expect(readBatch(wrong)).toBeUndefined();
    expect(readBatch(bytes.subarray(0, at))).toBeUndefined();
  }
});

const clock = { now: () => 0, sleep: async () => {} };
const searches = (more: Partial<SearchParts> = {}): Searches =>
  new Searches({
    summaries: open(),
    clock,
    random: systemRandom,
    octetsMax,
    limits: { octets: 1e9, ms: 1000 },
    ...more,
  });

const MAIL = [
  'From: "Bj\u00f6rn" <bjorn@x.test>\nTo: a@y.test\nSubject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\n' +
    'Date: Fri, 20 Nov 2026 23:30:00 -0500\nX-Tag: blue\n\nthe quick\nbrown fox',
  'From: carol@x.test\nSubject: base\nContent-Type: text/plain; charset=utf-8\n' +
    `Content-Transfer-Encoding: base64\n\n${Buffer.from('Versteckt: stra\u00dfe').toString('base64')}`,
  'From: dave@x.test\nContent-Type: multipart/mixed; boundary=q\n\n--q\nContent-Type: text/html\n\n' +
    '<p>Fish &amp; <b>chips</b><script>hidden()</script></p>\n--q\nContent-Type: image/png\n' +
    'Content-Transfer-Encoding: base64\n\nQUJDREVG\n--q\nContent-Type: message/rfc822\n\n' +
    'Subject: embedded\n\ninner words\n--q--',
];

test.each<[string, Query, number[]]>([
  ['all', { kind: 'all' }, [1, 2, 3]],
  ['a flag', { kind: 'letter', letter: 'S' }, [1, 3]],
  ['not a keyword', { kind: 'not', of: { kind: 'keyword', keyword: 'WORK' } }, [1, 3]],
  [
    'UIDs',
    {
      kind: 'uids',
      ranges: [
        [2, 2],
        [3, 9],
      ],
    },
    [2, 3],
  ],
  ['modseq', { kind: 'modseq', min: 30 }, [3]],
  [
    'a subject, encoded, without case',
    { kind: 'header', field: 'Subject', text: 'GR\u00dcSSE' },
    [1],
  ],
  ['a name', { kind: 'header', field: 'from', text: 'bj\u00d6rn <BJORN' }, [1]],
  ['an address that is not there', { kind: 'header', field: 'to', text: 'x.test' }, []],
  ['another field', { kind: 'header', field: 'x-tag', text: 'BLU' }, [1]],
  ['whether a field is there', { kind: 'header', field: 'to', text: '' }, [1]],
  ['a body over a line end', { kind: 'body', text: 'quick brown' }, [1]],
  ['a body in base64, by folded case', { kind: 'body', text: 'STRASSE' }, [2]],
  ['no raw base64', { kind: 'body', text: 'QUJDREVG' }, []],
  ['HTML as text', { kind: 'body', text: 'fish & chips' }, [3]],
  ['no scripts', { kind: 'body', text: 'hidden' }, []],
  ['an embedded message', { kind: 'body', text: 'embedded' }, [3]],
  ['its words', { kind: 'body', text: 'inner words' }, [3]],
  ['a header as text', { kind: 'text', text: 'x-tag: blue' }, [1]],
  ['not in the body', { kind: 'body', text: 'bjorn' }, []],
  ['anywhere', { kind: 'text', text: 'bjorn' }, [1]],
  ['short', { kind: 'body', text: 'ox' }, [1]],
  ['size', { kind: 'larger', octets: 230 }, [3]],
  [
    'the day as it is written',
    { kind: 'date', which: 'sent', from: Date.UTC(2026, 10, 20), before: Date.UTC(2026, 10, 21) },
    [1],
  ],
  ['the day it came', { kind: 'date', which: 'internal', from: 2000, before: 3000 }, [2]],
  [
    'either',
    {
      kind: 'or',
      of: [
        { kind: 'body', text: 'fox' },
        { kind: 'letter', letter: 'F' },
      ],
    },
    [1, 2],
  ],
  [
    'both',
    {
      kind: 'and',
      of: [
        { kind: 'text', text: 'x.test' },
        { kind: 'not', of: { kind: 'body', text: 'fox' } },
      ],
    },
    [2, 3],
  ],
])(
  'RFC 9051 \u00a76.4.4: searches for %s, by signatures, and by what was answered before',
  async (_, query, uids) => {
    const folder = new TestFolder(new MemoryFacts(), MAIL);
    folder.change(0, { flags: 'S', modseq: 10 });
    folder.change(1, { flags: 'F', keywords: ['work'], modseq: 20 });
    folder.change(2, { flags: 'S', modseq: 30 });
    const search = searches();
    expect(await searches().run(folder, query, folder.state)).toEqual(uids);
    await search.run(folder, { kind: 'body', text: 'makes signatures' }, folder.state);
    expect(await search.run(folder, query, folder.state)).toEqual(uids);
    expect(await search.run(folder, query, folder.state)).toEqual(uids);
  },
);

test.each<[string, Query]>([
  ['a second To', { kind: 'header', field: 'to', text: 'last@z.test' }],
  ['a second Cc', { kind: 'header', field: 'cc', text: 'more@z.test' }],
  ['a second From', { kind: 'header', field: 'from', text: 'MALLORY@' }],
  ['a second Subject', { kind: 'header', field: 'subject', text: 'gr\u00fcsse' }],
  ['none of them', { kind: 'not', of: { kind: 'header', field: 'to', text: 'nobody@' } }],
])('RFC 9051 \u00a76.4.4: every field of a name counts: %s, from a batch too', async (_, query) => {
  const one =
    'From: a@x.test\nFrom: mallory@x.test\nTo: first@z.test\nCc: b@z.test\nCc: more@z.test\n' +
    'Subject: none\nSubject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\nTo: c@z.test,\n last@z.test\n\nbody';
  const facts = new MemoryFacts();
  const folder = new TestFolder(
    facts,
    Array.from({ length: 60 }, () => one),
  );
  for (const summaries of [open(), open()]) {
    const found = await searches({ summaries }).run(folder, query, folder.state);
    expect(found).toHaveLength(60);
    await summaries.settled();
  }
});

test('a value that is longer than a summary keeps is searched to its end', async () => {
  const many = Array.from({ length: 30_000 }, (_, at) => ` user${at}@example.test,\n`).join('');
  const folder = new TestFolder(undefined, [`To: ${many.trimStart()} last@z.test\n\nbody`]);
  const query: Query = { kind: 'header', field: 'to', text: 'last@z.test' };
  expect(await searches().run(folder, query, folder.state)).toEqual([1]);
});

test('signatures spare the reading, of other nodes too; flags are asked before bodies', async () => {
  const facts = new MemoryFacts();
  const letters = Array.from({ length: 100 }, (_, at) => `Subject: ${at}\n\nwords number${at}x\n`);
  const folder = new TestFolder(facts, letters);
  folder.change(7, { flags: 'F' });
  const flagged: Query = { kind: 'letter', letter: 'F' };
  const wanted: Query = { kind: 'body', text: 'number7x' };
  const search = searches();
  expect(await search.run(folder, { kind: 'and', of: [wanted, flagged] }, folder.state)).toEqual([
    8,
  ]);
  expect(folder.reads).toBe(1);
  expect(await search.run(folder, wanted, folder.state)).toEqual([8]);
  await search.settled();
  const other = searches();
  folder.reads = 0;
  expect(await other.run(folder, wanted, folder.state)).toEqual([8]);
  expect(folder.reads).toBeLessThan(10);
});

test('a search that reads too much, or takes too long, says so instead of half an answer', async () => {
  const folder = new TestFolder(
    undefined,
    Array.from({ length: 50 }, () => 'A: b\n\nbody body\n'),
  );
  const query: Query = { kind: 'body', text: 'body' };
  const costly = (octets: number): Promise<unknown> =>
    searches({ limits: { octets, ms: 1000 } }).run(folder, query, folder.state);
  await expect(costly(50 * 16)).resolves.toHaveLength(50);
  await expect(costly(50 * 16 - 1)).rejects.toThrow(MailError);
  const until = (later: number): Promise<unknown> => {
    const times = [0];
    const late = { ...clock, now: () => times.pop() ?? later };
    return searches({ clock: late }).run(folder, query, folder.state);
  };
  await expect(until(1000)).resolves.toHaveLength(50);
  await expect(until(1001)).rejects.toMatchObject({ kind: 'too-costly' });
});

test('a signature never says no to what is there, and mostly to what is not', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 300 }), fc.nat(300), fc.nat(20), (text, from, length) => {
      const collector = new GroupCollector();
      collector.add(text);
      expect(mayContain(collector.signature(), text.slice(from, from + length))).toBe(true);
    }),
  );
  const full = new GroupCollector();
  for (let at = 0; at < 300; at++) {
    for (let next = 0; next < 300; next++) full.add(String.fromCharCode(1000 + at, 2000 + next, 3));
  }
  full.add('needle');
  expect(mayContain(full.signature(), 'needle')).toBe(true);
  const collector = new GroupCollector();
  for (let at = 0; at < 1000; at++) collector.add(`word${at * 7919}`);
  const signature = collector.signature();
  const wrong = Array.from({ length: 1000 }, (_, at) => `other${at}text`);
  expect(wrong.filter((text) => mayContain(signature, text)).length).toBeLessThan(100);
});

test('what is kept is what JSON keeps', async () => {
  const folder = new TestFolder(undefined, ['Subject: \ud800 \u0000\n\n']);
  const [given] = await all(open().of(folder, folder.messages, 'all'));
  expect(plain(given?.envelope)).toMatchObject({ from: [] });
});
