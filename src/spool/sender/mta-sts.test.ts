import { expect, test } from 'vitest';
import { isPermitted } from './addresses.ts';
import { allowsHost, policyId, readPolicy } from './mta-sts.ts';

const records = (...texts: string[]) => ({ kind: 'records', records: texts }) as const;

test('the id of a policy: one record that is STSv1, or none (RFC 8461 §3.1)', () => {
  expect(policyId(records('other', 'v=STSv1; id=20261122T1;'))).toBe('20261122T1');
  expect(policyId(records('v=STSv1;id=a'))).toBe('a');
  expect(policyId(records('v=STSv1; id=a;', 'v=STSv1; id=b;'))).toBeUndefined();
  expect(policyId(records('v=STSv1; id=no good;'))).toBeUndefined();
  expect(policyId(records('v=STSv10; id=a'))).toBeUndefined();
  expect(policyId({ kind: 'none' })).toBeUndefined();
  expect(policyId({ kind: 'trouble', text: 'x' })).toBeUndefined();
});

test('a policy is read, or is none', () => {
  const text =
    'version: STSv1\nmode: enforce\nmx: *.Example.net\nmx: mx.other.test\nmax_age: 604800\n';
  const { policy, maxAge } = readPolicy(text);
  expect(maxAge).toBe(604_800);
  expect(allowsHost(policy, 'mx1.example.net')).toBe(true);
  expect(allowsHost(policy, 'mx.other.test')).toBe(true);
  expect(allowsHost(policy, 'a.b.example.net')).toBe(false); // A wildcard is one label.
  expect(allowsHost(policy, 'example.net')).toBe(false);
  expect(allowsHost(policy, 'evilexample.net')).toBe(false);
  for (const bad of [
    '',
    '<html>',
    'version: STSv2\nmode: none\nmax_age: 1',
    'version: STSv1\nmode: x',
  ]) {
    expect(() => readPolicy(bad)).toThrow(/Invalid/);
  }
});

test('strangers do not send us to private places', () => {
  const refused = ['127.0.0.1', '::1', '10.1.2.3', '192.168.1.1', '169.254.169.254', 'fe80::1'];
  for (const address of [...refused, 'fd00::1', '::ffff:127.0.0.1', '::ffff:7f00:1']) {
    expect(isPermitted(address, 'refuse'), address).toBe(false);
    expect(isPermitted(address, 'allow'), address).toBe(true);
  }
  for (const address of ['0.0.0.0', '::', '224.0.0.1', '255.255.255.255', 'ff02::1']) {
    expect(isPermitted(address, 'allow'), address).toBe(false);
  }
  for (const address of ['9.9.9.9', '2a00:1450::1']) {
    expect(isPermitted(address, 'refuse'), address).toBe(true);
  }
});
