import {
  createHash,
  createPublicKey,
  createPrivateKey,
  generateKeyPairSync,
  verify,
} from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BodyHash, relaxedField } from './canonical.ts';
import { dkimKeyProblem, generateDkimKey, keyRecord } from './keys.ts';
import { dkimSignatures } from './sign.ts';

const sha = (text: string): string => createHash('sha256').update(text, 'latin1').digest('base64');

/** RFC 6376 §3.4.4, said plainly, of a body on the wire. */
function model(stored: string): string {
  const lines = stored
    .split('\n')
    .map((line) => line.replace(/[ \t]+$/, '').replace(/[ \t]+/g, ' '));
  while (lines.length > 0 && lines.at(-1) === '') lines.pop();
  return lines.map((line) => `${line}\r\n`).join('');
}

function hashOf(stored: string, sizes: readonly number[]): string {
  const hash = new BodyHash();
  const bytes = Buffer.from(stored, 'latin1');
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? 1;
    hash.push(bytes.subarray(at, at + size));
    at += size;
  }
  return hash.end();
}

const octets = fc
  .array(fc.constantFrom(' ', '\t', '\n', '\n\n\n', '\r', '\0', 'a', 'word', '\xff', ' \n'), {
    maxLength: 80,
  })
  .map((parts) => parts.join(''));

test('[P-08] the hash of a body is that of its relaxed form, in any pieces', () => {
  fc.assert(
    fc.property(
      octets,
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
      (body, sizes) => {
        expect(hashOf(body, sizes)).toBe(sha(model(body)));
      },
    ),
    { numRuns: 2000 },
  );
  const lines = '\n'.repeat(3000);
  expect(hashOf(`${lines}x${lines}`, [700])).toBe(sha(`${'\r\n'.repeat(3000)}x\r\n`));
});

test('the empty body has the hash that RFC 6376 §3.4.4 gives', () => {
  expect(hashOf('', [1])).toBe('47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=');
});

test.each([
  ['SUBJect:  a  b \t c ', 'subject:a b c'],
  ['To:a,\n\tb,\n  c', 'to:a, b, c'],
  ['X : y', 'x:y'],
  ['X:', 'x:'],
  ['X: \xe4 \n', 'x:\xe4'],
  ['X:\n y', 'x:y'],
])('relaxed field: %j', (raw, relaxed) => expect(relaxedField(raw)).toBe(relaxed));

const rsa = await generateDkimKey('rsa');
const key = (pem: string, selector = 'k') => ({
  domain: 'example.test',
  selector,
  key: createPrivateKey(pem),
});

const letterOf = (text: string) => {
  const bytes = Buffer.from(text, 'latin1');
  const read = (offset: number, length: number): Promise<Buffer> =>
    Promise.resolve(bytes.subarray(offset, offset + length));
  return { octets: bytes.length, read };
};

test('[P-08] a field is oversigned, so that another of its name breaks the signature', async () => {
  const letter = letterOf('From: a@b\nTo: x\nTo: y\nList-Id: <l>\nSender: s\nX-Y: z\n\nbody\n');
  const signature = (await dkimSignatures([key(rsa)], letter, 0)).toString();
  const names = /h=([^;]+)/.exec(signature)?.[1]?.replace(/\s/g, '');
  expect(names).toBe(
    'from:from:to:to:to:cc:subject:date:message-id:reply-to:mime-version:content-type:' +
      'content-transfer-encoding:sender:sender:list-id',
  );
  expect(Math.max(...signature.split('\n').map((line) => line.length))).toBeLessThanOrEqual(78);
  expect(signature).toMatch(/^DKIM-Signature: [^\n]+(\n [^\n]+)+\n$/);
});

test('[P-08] what is signed is what RFC 6376 §3.7 says', async () => {
  const letter = letterOf('From: a@b\nSubject: x\n\n');
  const signature = (await dkimSignatures([key(rsa)], letter, 1_795_338_000_999)).toString();
  const [, without = '', value = ''] = /^(.*\n b=)(.*)$/s.exec(signature) ?? [];
  const data = `from:a@b\r\nsubject:x\r\n${relaxedField(without)}`;
  const bytes = Buffer.from(value.replace(/\s/g, ''), 'base64');
  expect(verify('sha256', Buffer.from(data), createPublicKey(rsa), bytes)).toBe(true);
  expect(signature).toContain(' t=1795338000;');
});

test('a letter with only a header is signed; without any, or with one over 1 MiB, it is not', async () => {
  const sign = async (text: string): Promise<string> =>
    (await dkimSignatures([key(rsa)], letterOf(text), 0)).toString();
  expect(await sign('From: a@b\n')).toContain('bh=47DEQpj8');
  expect(await sign('')).toBe('');
  expect(await sign('\nbody')).toBe('');
  expect(await sign(`From: a@b\n${'X: y\n'.repeat(300_000)}\n`)).toBe('');
  expect((await dkimSignatures([], letterOf('From: a@b\n'), 0)).length).toBe(0);
});

test('a thousand fields of one name do not make a signature without end', async () => {
  const letter = letterOf(`From: a@b\n${'To: c@d\n'.repeat(1000)}\n`);
  const signature = (await dkimSignatures([key(rsa)], letter, 0)).toString();
  expect(signature.match(/(?<=[=:\s])to:/g)).toHaveLength(50);
});

test('a letter that ends too soon is an error, never a signature', async () => {
  const { octets: length, read } = letterOf('From: a@b\n\nbody\n');
  const short = { octets: length + 1, read };
  await expect(dkimSignatures([key(rsa)], short, 0)).rejects.toThrow('ended too soon');
});

test('[P-08] records of keys: Ed25519 shows its 32 octets, RSA its DER', async () => {
  const ed = await generateDkimKey('ed25519');
  const small = keyRecord(ed, 'e1');
  expect(small.name).toBe('e1._domainkey');
  expect(small.text).toMatch(/^v=DKIM1; k=ed25519; p=[A-Za-z0-9+/]{43}=$/);
  const large = keyRecord(rsa, 'k1');
  const der = createPublicKey(rsa).export({ type: 'spki', format: 'der' }).toString('base64');
  expect(large.text).toBe(`v=DKIM1; k=rsa; p=${der}`);
  const publicPem = createPublicKey(rsa).export({ type: 'spki', format: 'pem' }).toString();
  expect(keyRecord(publicPem, 'k1')).toEqual(large);
});

test('a key that cannot sign is told with its reason, and nothing of it', async () => {
  const ec = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;
  expect(dkimKeyProblem(ec)).toBe('it is of the type ec; DKIM knows rsa and ed25519');
  const short = generateKeyPairSync('rsa', { modulusLength: 512 }).privateKey;
  expect(dkimKeyProblem(short)).toBe('it has 512 bits; receivers accept 1024 to 4096');
  const signing = dkimSignatures([{ ...key(rsa), key: ec }], letterOf('From: a@b\n\n'), 0);
  await expect(signing).rejects.toThrow('the key k._domainkey.example.test cannot sign: it is');
  expect(() => keyRecord('SECRET', 'k')).toThrow(/^this is no key in PEM/);
  expect(() => keyRecord(rsa, 'k"; p=')).toThrow('is no selector');
});
