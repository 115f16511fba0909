/** Our signatures before two verifiers that are not ours: mailauth, and Python's dkim. */
import { createPrivateKey } from 'node:crypto';
import fc from 'fast-check';
import { dkimVerify } from 'mailauth/lib/dkim/verify.js';
import { beforeAll, expect, test, type TestContext } from 'vitest';
import { generateDkimKey, keyRecord, type DkimKey } from '../../src/message/dkim/keys.ts';
import { dkimSignatures } from '../../src/message/dkim/sign.ts';
import { WireContent } from '../../src/smtp/client/content.ts';
import { needs } from '../harness/needs.ts';
import { runOrThrow } from '../harness/process.ts';
import { PYTHON } from './python.ts';

const AT = Date.UTC(2026, 10, 22, 9, 0, 0);
const DOMAIN = 'example.test';
const keys: DkimKey[] = [];
const zone: Record<string, string> = {};

beforeAll(async () => {
  for (const [selector, algorithm] of [
    ['k1', 'rsa'],
    ['e1', 'ed25519'],
  ] as const) {
    const pem = await generateDkimKey(algorithm);
    keys.push({ domain: DOMAIN, selector, key: createPrivateKey(pem) });
    const record = keyRecord(pem, selector);
    zone[`${record.name}.${DOMAIN}`] = record.text;
  }
});

/** Signs a stored letter, read in pieces of so many octets. @returns it as the wire has it */
async function signedWire(stored: Buffer, piece = 65_536): Promise<Buffer> {
  const read = (offset: number, length: number): Promise<Buffer> =>
    Promise.resolve(stored.subarray(offset, offset + Math.min(piece, length)));
  const head = await dkimSignatures(keys, { octets: stored.length, read }, AT);
  return wire(Buffer.concat([head, stored]));
}

/** What our client sends, read as a server reads it. */
function wire(stored: Buffer): Buffer {
  const sent = new WireContent().encode(stored, true).toString('latin1');
  return Buffer.from(sent.slice(0, -'.\r\n'.length).replace(/^\./gm, ''), 'latin1');
}

/** Results of all signatures of each message: k1 then e1, for example `pass pass`. */
async function mailauthSays(message: Buffer): Promise<string> {
  const resolver = (name: string, type: string): Promise<string[][]> => {
    const text = zone[name];
    if (type === 'TXT' && text !== undefined) return Promise.resolve([[text]]);
    return Promise.reject(Object.assign(new Error(`no ${type} of ${name}`), { code: 'ENOTFOUND' }));
  };
  const { results } = await dkimVerify(message, { resolver });
  return results.map((one) => one.status.result).join(' ');
}

const VERIFY = `
import base64, dkim, json, sys
given = json.load(sys.stdin)
zone = {name.encode(): text.encode() for name, text in given['zone'].items()}
def lookup(name, timeout=5):
    return zone.get(name.rstrip(b'.'))
def verdicts(message):
    said = []
    for index in range(given['signatures']):
        try:
            verifier = dkim.DKIM(message, minkey=1024)
            said.append('pass' if verifier.verify(idx=index, dnsfunc=lookup) else 'fail')
        except dkim.DKIMException as error:
            said.append('error: ' + repr(error))
    return ' '.join(said)
print(json.dumps([verdicts(base64.b64decode(m)) for m in given['messages']]))
`;

async function pythonSays(messages: readonly Buffer[]): Promise<string[]> {
  const input = JSON.stringify({
    zone,
    signatures: keys.length,
    messages: messages.map((message) => message.toString('base64')),
  });
  const printed = await runOrThrow([PYTHON, '-I', '-c', VERIFY], { input: Buffer.from(input) });
  return JSON.parse(printed.toString()) as string[];
}

async function bothSay(ctx: TestContext, messages: readonly Buffer[]): Promise<string[][]> {
  needs(ctx, PYTHON, '/usr/lib/python3/dist-packages/dkim', '/usr/lib/python3/dist-packages/nacl');
  const python = await pythonSays(messages);
  return Promise.all(messages.map(async (m, at) => [await mailauthSays(m), python[at] ?? '']));
}

const PASS = ['pass pass', 'pass pass'];
const HEAD =
  'From: Alice <alice@example.test>\nTo: bob@example.net\nSubject: Hello\n' +
  'Date: Sun, 22 Nov 2026 09:00:00 +0000\nMessage-ID: <1@example.test>\n';

const LETTERS: readonly (readonly [name: string, stored: string])[] = [
  ['a plain text', `${HEAD}\nHello Bob\n`],
  ['an empty body', `${HEAD}\n`],
  ['a body of empty lines', `${HEAD}\n\n\n\n`],
  ['a body of blanks', `${HEAD}\n  \n\t\n   `],
  ['no line end at the end', `${HEAD}\nno end`],
  ['blanks and no line end', `${HEAD}\nno end  \t`],
  ['empty lines at the end', `${HEAD}\ntext\n\n\n\n`],
  ['blank lines at the end', `${HEAD}\ntext\n \n\t \n`],
  ['a thousand empty lines, then text', `${HEAD}\n${'\n'.repeat(1000)}x\n`],
  ['dots', `${HEAD}\n.\n..\n.x\n\n.\n`],
  ['8-bit text', `${HEAD}\ngr\xc3\xbc\xc3\x9fe \xff\xfe\n`],
  ['a long line', `${HEAD}\n${'long '.repeat(50_000)}\n`],
  ['a long word', `${HEAD}\n${'x'.repeat(200_000)}\n`],
  ['CR alone, before a line end, in a field', `${HEAD}X: a\rb\nCc: a\n\r<c@d>\n\na\rb\r\n\r\nc\r`],
  ['blanks of all kinds', `${HEAD}\n a  b\t\tc \t d\t\n\te\n`],
  ['a folded header', `${HEAD}References: <a@b>\n\t<c@d>\n <e@f>\nX: y\n\n\nbody\n`],
  ['odd blanks in fields', `from:  a@example.test  \nSUBJECT:\t two  \n \t words\t \n\nbody\n`],
  ['doubled fields', `${HEAD}To: carol@example.net\nReceived: x\nSubject: 2\n\nbody\n`],
  ['fields of lists', `${HEAD}List-Id: <l.example.test>\nSender: l@example.test\n\nbody\n`],
  ['8-bit header (RFC 6532)', `${HEAD}Reply-To: J\xc3\xb6rg <j\xc3\xb6rg@example.test>\n\nx\n`],
  ['an empty field', `From: a@example.test\nSubject:\nTo: \nCc:  \n\n\nbody\n`],
];

test('[P-08] two verifiers of other make accept our signatures, RSA and Ed25519', async (ctx) => {
  const messages = await Promise.all(
    LETTERS.map(([, text]) => signedWire(Buffer.from(text, 'latin1'))),
  );
  const said = await bothSay(ctx, messages);
  expect(Object.fromEntries(LETTERS.map(([name], at) => [name, said[at]]))).toEqual(
    Object.fromEntries(LETTERS.map(([name]) => [name, PASS])),
  );
});

test('[P-08] what is changed or put in on the way breaks them', async (ctx) => {
  const signed = (await signedWire(Buffer.from(LETTERS[0]?.[1] ?? '', 'latin1'))).toString(
    'latin1',
  );
  const changes: readonly (readonly [name: string, changed: string])[] = [
    ['the body', signed.replace('Hello Bob', 'Hello bob')],
    ['the subject', signed.replace('Subject: Hello', 'Subject: Hullo')],
    ['a second From', `From: eve@example.org\r\n${signed}`],
    ['a second Subject below', signed.replace('Date: ', 'Subject: x\r\nDate: ')],
    ['a Content-Type', signed.replace('\r\n\r\n', '\r\nContent-Type: text/html\r\n\r\n')],
    ['a Reply-To', signed.replace('\r\n\r\n', '\r\nReply-To: eve@example.org\r\n\r\n')],
    ['text after the end', `${signed}more\r\n`],
  ];
  const said = await bothSay(
    ctx,
    changes.map(([, text]) => Buffer.from(text, 'latin1')),
  );
  expect(said.flat().filter((one) => one.includes('pass'))).toEqual([]);
});

test('[P-08] what hops may do does not: trace fields, other blanks, empty lines at the end', async (ctx) => {
  const signed = (await signedWire(Buffer.from(LETTERS[0]?.[1] ?? '', 'latin1'))).toString(
    'latin1',
  );
  const changes = [
    `Received: from a by b; Sun, 22 Nov 2026 09:00:00 +0000\r\n${signed}`,
    signed.replace('Subject: Hello', 'subject:\r\n\t Hello '),
    signed.replace('Hello Bob', 'Hello   Bob \t'),
    `${signed}\r\n\r\n`,
    signed.replace('\r\n\r\n', '\r\nList-Id: <l.example.org>\r\nSender: l@example.org\r\n\r\n'),
  ];
  const said = await bothSay(
    ctx,
    changes.map((text) => Buffer.from(text, 'latin1')),
  );
  expect(said).toEqual(changes.map(() => PASS));
});

const text = fc
  .array(
    fc.constantFrom(
      ' ',
      '\t',
      '\r',
      '\n',
      '\n\n',
      '\n \n',
      'a',
      '.',
      '=',
      '\0',
      '\xe4',
      '\x7f',
      'b c',
    ),
    {
      maxLength: 60,
    },
  )
  .map((parts) => parts.join(''));
const value = fc
  .array(
    fc.constantFrom(' ', '\t', '\r', '\n ', '\n\r', 'a', ':', ';', '=', '"', '\xe4', '<a@b>'),
    {
      maxLength: 30,
    },
  )
  .map((parts) => `x${parts.join('')}z`);
const name = fc.constantFrom(
  'Subject',
  'to',
  'CC',
  'Date',
  'Message-Id',
  'X-Y',
  'Sender',
  'List-Id',
);
const letter = fc
  .tuple(fc.array(fc.tuple(name, value), { maxLength: 8 }), text)
  .map(([fields, body]) => {
    const lines = fields.map(([n, v]) => `${n}: ${v}\n`).join('');
    return Buffer.from(`From: alice@example.test\n${lines}\n${body}`, 'latin1');
  });

test('[P-08] any header and body, read in any pieces: both verifiers accept them', async (ctx) => {
  const seed = Number(process.env['FUZZ_SEED'] ?? 1);
  const letters = fc.sample(fc.tuple(letter, fc.integer({ min: 1, max: 40 })), {
    numRuns: 200,
    seed,
  });
  const messages = await Promise.all(letters.map(([one, piece]) => signedWire(one, piece)));
  const said = await bothSay(ctx, messages);
  const wrong = said.flatMap((one, at) =>
    one.join() === PASS.join() ? [] : [[one, messages[at]?.toString('latin1')]],
  );
  expect(wrong).toEqual([]);
});
