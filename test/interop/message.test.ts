/** Notices and answers that we write, read by Python's email: nothing lost, nothing put in. */
import fc from 'fast-check';
import { expect, test, type TestContext } from 'vitest';
import { subjectText } from '../../src/message/field.ts';
import { valueOf } from '../../src/message/head.ts';
import { writeNotice, type NoticeFacts } from '../../src/message/notice.ts';
import { asciiOnly, plainText } from '../../src/message/plain.ts';
import { headOf, HOSTILE, joined, letterOf } from '../../src/message/testing.ts';
import { writeVacation } from '../../src/message/vacation.ts';
import { systemRandom } from '../../src/base/random.ts';
import { needs } from '../harness/needs.ts';
import { runOrThrow } from '../harness/process.ts';
import { PYTHON } from './python.ts';

const AT = Date.UTC(2026, 10, 22, 10);
const SEED = Number(process.env['FUZZ_SEED'] ?? 1);
const RUNS = Number(process.env['MAILFARM_FUZZ_RUNS'] ?? 150);

const READ = `
import base64, email, email.policy, json, sys
def shown(part):
    if part.get_content_type() == 'message/rfc822':
        inner = part.get_payload(0)
        return base64.b64encode(inner.as_bytes(policy=email.policy.compat32)).decode()
    if part.get_content_type() == 'message/delivery-status':
        return [[[k, str(v)] for k, v in block.items()] for block in part.get_payload()]
    return base64.b64encode(part.get_payload(decode=True) or b'').decode()
def read(raw):
    message = email.message_from_bytes(raw, policy=email.policy.default)
    leaves = message.get_payload() if message.is_multipart() else [message]
    defects = [repr(d) for m in [message, *leaves] for d in m.defects]
    defects += [name + ': ' + repr(d) for name, value in message.items() for d in value.defects]
    return {
        'fields': [[name, str(value)] for name, value in message.items()],
        'to': [a.addr_spec for a in message['to'].addresses],
        'from': [[a.display_name, a.addr_spec] for a in message['from'].addresses],
        'parts': [[part.get_content_type(), shown(part)] for part in leaves],
        'defects': defects,
    }
print(json.dumps([read(base64.b64decode(m)) for m in json.load(sys.stdin)]))
`;

interface Read {
  readonly fields: readonly (readonly [string, string])[];
  readonly to: readonly string[];
  readonly from: readonly (readonly [string, string])[];
  readonly parts: readonly (readonly [string, string | [string, string][][]])[];
  readonly defects: readonly string[];
}

async function pythonReads(ctx: TestContext, messages: readonly Buffer[]): Promise<Read[]> {
  needs(ctx, PYTHON);
  // As it goes over the wire.
  const wires = messages.map((one) => one.toString('latin1').replaceAll('\n', '\r\n'));
  const input = JSON.stringify(wires.map((one) => Buffer.from(one, 'latin1').toString('base64')));
  const printed = await runOrThrow([PYTHON, '-I', '-c', READ], { input: Buffer.from(input) });
  return JSON.parse(printed.toString()) as Read[];
}

const field = (read: Read, name: string): string | undefined =>
  read.fields.find(([one]) => one === name)?.[1];
const textOf = (encoded: string): string =>
  Buffer.from(encoded, 'base64').toString().replaceAll('\r\n', '\n');
/** Words alone: folding and wrapping move line ends, not words. */
const wordsOf = (text: string): string => text.replace(/\s+/g, ' ').trim();

const hostile = fc.array(fc.constantFrom(...HOSTILE), { maxLength: 8 }).map((p) => p.join(''));
const recipient = fc.record({
  event: fc.constantFrom('failed', 'delayed', 'relayed', 'delivered', 'expanded'),
  address: fc.constant('bob@example.net'),
  original: hostile.map((one) => `rfc822;${one}`),
  status: fc.constant('5.0.0'),
  reply: hostile,
  remote: fc.record({ host: hostile }),
});
const letterWith = (subject: string): string => {
  const value = subject.replace(/\n(?![ \t])/g, '\n ');
  return `Subject: ${value}\nMessage-ID: <1@example.test>\n\nfirst\n.\nFrom here\n--x\n`;
};

test('[P-08] any reply and subject: the notice reads back as it was meant', async (ctx) => {
  const given = fc.sample(fc.tuple(fc.array(recipient, { minLength: 1, maxLength: 3 }), hostile), {
    seed: SEED,
    numRuns: RUNS,
  });
  const facts = given.map(([recipients, subject]): NoticeFacts => ({
    to: 'alice@example.test',
    host: 'mx1.example.test',
    at: AT,
    acceptedAt: AT,
    recipients,
    smtpUtf8: false,
    letter: letterOf(Buffer.from(letterWith(subject)), 17),
    fullOctetsMax: 100_000,
    random: systemRandom,
  }));
  const messages = await Promise.all(
    facts.map(async (one) => joined((await writeNotice(one)).bytes)),
  );
  const read = await pythonReads(ctx, messages);
  read.forEach((one, at) => {
    const [recipients = [], subject = ''] = given[at] ?? [];
    expect(one.defects).toEqual([]);
    expect(one.to).toEqual(['alice@example.test']);
    expect(one.from).toEqual([['Mail Delivery', 'MAILER-DAEMON@mx1.example.test']]);
    const theirs = subjectText(valueOf(headOf(letterWith(subject)), 'subject'));
    const shown = field(one, 'Subject') ?? '';
    expect(wordsOf(shown.slice(shown.indexOf(': ') + 2))).toBe(theirs || 'your letter');
    const [text, status, third] = one.parts;
    const words = wordsOf(textOf(text?.[1] as string));
    for (const { reply } of recipients) expect(words).toContain(wordsOf(plainText(reply, 1000)));
    expect(status?.[0]).toBe('message/delivery-status');
    const blocks = status?.[1] as [string, string][][];
    expect(blocks.map((block) => new Map(block).get('Diagnostic-Code')).slice(1)).toEqual(
      recipients.map(({ reply }) => {
        const clean = plainText(reply, /[^\0-\x7f]/.test(reply) ? 200 : 900);
        return clean === '' ? undefined : `smtp; ${asciiOnly(clean).replaceAll('=?', '=\\x{3F}')}`;
      }),
    );
    expect(blocks.map((block) => new Map(block).get('Action')).slice(1)).toEqual(
      recipients.map(({ event }) => event),
    );
    if (third?.[0] !== 'message/rfc822') return expect(third?.[0]).toBe('text/rfc822-headers');
    expect(textOf(third[1] as string)).toContain('\n\nfirst\n.\nFrom here\n--x\n');
  });
});

test('[P-09] any subject, name and text: the answer reads back as it was meant', async (ctx) => {
  const given = fc.sample(fc.tuple(hostile, hostile, hostile), { seed: SEED, numRuns: RUNS });
  const messages = given.map(
    ([subject, name, text]) =>
      writeVacation({
        user: { name, address: 'alice@example.test' },
        to: '"odd..name"@example.net',
        head: headOf(letterWith(subject)),
        text,
        at: AT,
        host: 'mx1.example.test',
        random: systemRandom,
      }).bytes,
  );
  const read = await pythonReads(ctx, messages);
  read.forEach((one, at) => {
    const [subject = '', name = '', text = ''] = given[at] ?? [];
    expect(one.defects).toEqual([]);
    expect(one.to).toEqual(['odd..name@example.net']);
    // Python 3.11 keeps the blank between two encoded words of a name: RFC 2047 §6.2 has none.
    const close = (words: string): string => words.replaceAll(' ', '');
    expect(one.from.map(([shown, address]) => [close(shown), address])).toEqual([
      [close(plainText(name, 200)), 'alice@example.test'],
    ]);
    const theirs = subjectText(valueOf(headOf(letterWith(subject)), 'subject'));
    expect(wordsOf(field(one, 'Subject') ?? '')).toBe(`Auto: ${theirs || 'your letter'}`);
    expect(field(one, 'References')).toBe('<1@example.test>');
    const meant = text.toWellFormed().replace(/[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]/g, '');
    expect(wordsOf(textOf(one.parts[0]?.[1] as string))).toBe(wordsOf(meant));
  });
});
