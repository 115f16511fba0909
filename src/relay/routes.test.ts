import { expect, test } from 'vitest';
import { defaults } from '../config/options.ts';
import { RELAY_OPTIONS } from './options.ts';
import { smarthosts } from './routes.ts';

const options = defaults(RELAY_OPTIONS);

test('without settings everything goes by MX', async () => {
  expect(await smarthosts(options)('example.net')).toBeUndefined();
});

test('the next host takes all, but for domains with a way of their own', async () => {
  const by = smarthosts({
    ...options,
    'relay.next': 'Smart.example:587',
    'relay.next.login': 'farm',
    'relay.routes': [
      'a.example=mx',
      '.b.example=[192.0.2.1]:2525',
      'deep.b.example = host.example',
      '.deep.b.example=[2001:db8::1]',
    ],
  });
  const next = { host: 'smart.example', port: 587, login: 'farm', tls: 'verify' };
  expect(await by('example.net')).toEqual(next);
  expect(await by('a.example')).toBeUndefined();
  expect(await by('x.a.example')).toEqual(next);
  expect(await by('b.example')).toEqual(next);
  expect(await by('xb.example')).toEqual(next);
  expect(await by('x.b.example')).toMatchObject({ host: '192.0.2.1', port: 2525, login: '' });
  expect(await by('deep.b.example')).toMatchObject({ host: 'host.example', port: 25 });
  expect(await by('x.deep.b.example')).toMatchObject({ host: '2001:db8::1', port: 25 });
});

test.each([
  ['relay.next', { 'relay.next': 'smart.example:0' }],
  ['relay.next', { 'relay.next': 'two words' }],
  ['relay.next', { 'relay.next': '[fe80::1%eth0]' }],
  ['relay.routes', { 'relay.routes': ['example.org'] }],
  ['relay.routes', { 'relay.routes': ['=host.example'] }],
  ['relay.routes', { 'relay.routes': ['example.org=host.example:70000'] }],
])('a setting that cannot be read makes letters wait: %s %j', async (name, wrong) => {
  const by = smarthosts({ ...options, ...wrong });
  await expect(by('example.net')).rejects.toMatchObject({
    code: 'MF-REL-007',
    message: expect.stringContaining(name),
  });
});
