import { expect, test } from 'vitest';
import type { Resolver, SecureAnswer, TlsaRecord } from '../../dns/types.ts';
import { daneOf } from './dane.ts';

const record = (usage: number): TlsaRecord => ({
  usage,
  selector: 1,
  matching: 1,
  data: Buffer.alloc(32, 1),
});

/** Answers of a resolver for one host. */
function resolver(options: {
  readonly signed: boolean;
  readonly tlsa: Readonly<Record<string, SecureAnswer<TlsaRecord>['answer']>>;
  readonly alias?: string;
  readonly tlsaSigned?: boolean;
}): Resolver {
  const none = async () => ({ kind: 'none' }) as const;
  return {
    mx: none,
    a: none,
    aaaa: none,
    txt: none,
    secureMx: async (name) => ({ answer: { kind: 'none' }, secure: false, name }),
    secureAddress: async (name) => ({
      answer: { kind: 'records', records: ['192.0.2.1'] },
      secure: options.signed,
      name: options.alias ?? name,
    }),
    tlsa: async (name) => ({
      answer: options.tlsa[name] ?? { kind: 'none' },
      secure: options.tlsaSigned ?? true,
      name,
    }),
    close: () => {},
  };
}

const ask = (given: Parameters<typeof resolver>[0]) =>
  daneOf('mx.test', 25, { resolver: resolver(given), domain: 'example.test' });
const records = (...usages: number[]) =>
  ({ kind: 'records', records: usages.map(record) }) as const;

test('an address that is not signed has no DANE, whatever TLSA says (RFC 7672 §2.2)', async () => {
  const tlsa = { '_25._tcp.mx.test': records(3) };
  expect(await ask({ signed: false, tlsa })).toEqual({ kind: 'none' });
  expect(await ask({ signed: true, tlsa, tlsaSigned: false })).toEqual({ kind: 'none' });
  expect(await ask({ signed: true, tlsa })).toMatchObject({ kind: 'verify' });
  expect(await ask({ signed: true, tlsa: {} })).toEqual({ kind: 'none' });
});

test('records that mail has no use for mean TLS of any kind; trouble means not now', async () => {
  const name = '_25._tcp.mx.test';
  expect(await ask({ signed: true, tlsa: { [name]: records(0, 1) } })).toEqual({ kind: 'encrypt' });
  const mixed = await ask({ signed: true, tlsa: { [name]: records(1, 2, 3) } });
  expect(mixed.kind === 'verify' && mixed.records.map(({ usage }) => usage)).toEqual([2, 3]);
  const trouble = { kind: 'trouble', text: 'SERVFAIL' } as const;
  expect(await ask({ signed: true, tlsa: { [name]: trouble } })).toEqual(trouble);
});

test('the name at the end of CNAMEs counts first', async () => {
  const tlsa = { '_25._tcp.real.test': records(3), '_25._tcp.mx.test': records(2) };
  const found = await ask({ signed: true, alias: 'real.test', tlsa });
  expect(found).toMatchObject({ kind: 'verify', names: ['real.test', 'mx.test', 'example.test'] });
  expect(found.kind === 'verify' && found.records[0]?.usage).toBe(3);
});
