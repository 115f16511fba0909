import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { EXIT, exitCode } from './exit.ts';
import { readNodeFile, type NodeFileResult } from './node-file.ts';

const dir = mkdtempSync(join(tmpdir(), 'mailfarm-config-'));
afterAll(() => rmSync(dir, { recursive: true }));
mkdirSync(join(dir, 'state'));
for (const name of ['c.pem', 'k.pem', 'password', 'ca.pem']) writeFileSync(join(dir, name), 'x');

const read = (text: string): Promise<NodeFileResult> => {
  const path = join(dir, 'node.yaml');
  writeFileSync(path, text);
  return readNodeFile(path);
};

const problemsOf = async (text: string): Promise<string[]> => {
  const result = await read(text);
  return result.ok ? [] : result.problems.map(({ line, message }) => `${line}: ${message}`);
};

const LEAST = `name: front1
data: state
directory:
  urls: ["ldap://127.0.0.1:10389"]
  base: dc=example,dc=test
`;

test('[S0-17] the least file: a name, a state directory, where the directory is', async () => {
  const result = await read(LEAST);
  expect(result).toEqual({
    ok: true,
    value: {
      name: 'front1',
      data: join(dir, 'state'),
      workers: availableParallelism(),
      directory: {
        urls: ['ldap://127.0.0.1:10389'],
        base: 'dc=example,dc=test',
        bind: undefined,
        startTls: false,
        ca: undefined,
      },
      tls: { default: undefined, domains: [] },
      sending: { helo: undefined, v4: undefined, v6: undefined },
      log: { level: 'info', time: 'iso' },
    },
  });
});

test('the whole file, relative paths being relative to it', async () => {
  const result = await read(`
name: front-1.example.test
data: ${dir}/state
workers: 3
directory:
  urls:
    - ldaps://ldap1.example.test
    - ldap://[::1]:389/
  base: dc=example,dc=test
  bind-dn: cn=front1,dc=example,dc=test
  password-file: password
  ca: ca.pem
tls:
  default: { cert: c.pem, key: k.pem }
  domains:
    - { name: '*.Example.org', cert: c.pem, key: k.pem }
sending: { helo: out.example.org, from: [192.0.2.1, '2001:db8::1'] }
log: { level: debug, time: epoch }
`);
  expect(result.ok && result.value).toMatchObject({
    sending: { helo: 'out.example.org', v4: '192.0.2.1', v6: '2001:db8::1' },
    workers: 3,
    directory: { bind: { passwordFile: join(dir, 'password') }, ca: join(dir, 'ca.pem') },
    tls: {
      default: { cert: join(dir, 'c.pem'), key: join(dir, 'k.pem') },
      domains: [{ name: '*.example.org' }],
    },
    log: { level: 'debug', time: 'epoch' },
  });
});

test('ten mistakes give ten messages, each with its line', async () => {
  const messages = await problemsOf(`name: Front One
data: /nowhere/at/all
worker: 2
directory:
  urls: [ldap2.example.test, "ldaps://ok.example.test"]
  base: example.test
  bind-dn: cn=front1,dc=example
tls:
  default: { cert: missing.pem, key: k.pem }
  domains:
    - { nam: a.example.org, cert: c.pem, key: k.pem }
log: { level: loud }
`);
  expect(messages).toEqual([
    '1: name: "Front One" is not a host name in lower case',
    '2: data: "/nowhere/at/all" does not exist',
    '3: "worker" is not a known name; did you mean workers?',
    '5: directory.urls[1]: "ldap2.example.test" is not a URL such as ldaps://ldap1.example.test:636',
    '6: directory.base: "example.test" is not a DN such as dc=example,dc=test',
    '7: directory.bind-dn needs directory.password-file beside it',
    `9: tls.default.cert: "${dir}/missing.pem" does not exist`,
    '11: tls.domains[1].name is missing: a server name such as mail.example.org or *.example.org',
    '11: "tls.domains[1].nam" is not a known name; did you mean name?',
    '12: log.level: "loud" is not one of debug, info, warn, error',
  ]);
});

const FAULTS: readonly [what: string, text: string, problems: readonly RegExp[]][] = [
  ['an empty file', '', [/^1: The file is not a mapping/]],
  ['a list', '- a\n- b\n', [/^1: The file is not a mapping/]],
  ['a broken bracket', 'name: [a\n', [/^\d: /]],
  ['a key twice', `${LEAST}name: front2\n`, [/^6: Map keys must be unique/]],
  ['no directory', 'name: a\ndata: state\n', [/^1: directory is missing$/]],
  ['an empty directory', 'name: a\ndata: state\ndirectory:\n', [/^3: directory is not a mapping/]],
  ['no URL', LEAST.replace('"ldap://127.0.0.1:10389"', ''), [/^4: .* at least one item$/]],
  ['a number as name', LEAST.replace('front1', '12'), [/^1: name: 12 is not a host name/]],
  ['no workers', `${LEAST}workers: 0\n`, [/^6: workers: 0 is not a whole number, 1 to 256$/]],
  ['workers as text', `${LEAST}workers: four\n`, [/"four" is not a whole number/]],
  ['a mapping as name', LEAST.replace('front1', '{a: b}'), [/^1: name is not a host name/]],
  ['a file as state', LEAST.replace('state', 'c.pem'), [/^2: data: .* is not a directory$/]],
  ['an alias', `a: &x 1\n${LEAST.replace('front1', '*x')}`, [/"a" is not/, /name is not a host/]],
  [
    'start-tls on ldaps',
    LEAST.replace('ldap:', 'ldaps:').concat('  start-tls: true\n'),
    [/^4: directory\.urls: ldaps.* is TLS from the start/],
  ],
  ['start-tls maybe', `${LEAST}  start-tls: maybe\n`, [/^6: .*"maybe" is not true or false/]],
  ['domains alone', `${LEAST}tls: { domains: [] }\n`, []],
  [
    'domains without default',
    `${LEAST}tls:\n  domains: [{ name: a.test, cert: c.pem, key: k.pem }]\n`,
    [/^7: tls\.domains needs tls\.default/],
  ],
  [
    'a domain twice',
    `${LEAST}tls:\n  default: { cert: c.pem, key: k.pem }\n  domains:\n` +
      '    - { name: a.test, cert: c.pem, key: k.pem }\n'.repeat(2),
    [/^10: tls\.domains: a\.test stands there twice$/],
  ],
];

test.for(FAULTS)('%s', async ([, text, expected]) => {
  const problems = await problemsOf(text);
  expect(problems).toHaveLength(expected.length);
  for (const [i, pattern] of expected.entries()) expect(problems[i]).toMatch(pattern);
});

test('a file that is not there, or is far too big, is a message', async () => {
  const missing = await readNodeFile(join(dir, 'none.yaml'));
  expect(missing).toMatchObject({ ok: false, problems: [{ line: 1 }] });
  const huge = await read(`# ${'x'.repeat(300_000)}\n${LEAST}`);
  expect(huge).toMatchObject({ ok: false, problems: [{ message: /more than/ }] });
});

test('a device is refused, a line of a password file is not printed, a port has its range', async () => {
  expect(await readNodeFile('/dev/zero')).toMatchObject({
    problems: [{ message: 'This is not a file' }],
  });
  const passwd = await problemsOf(`${LEAST}"root:$6$salt$hash:20228": 1\nworker: 1\n`);
  expect(passwd).toEqual([
    '6: what stands here is not a known name',
    '7: "worker" is not a known name; did you mean workers?',
  ]);
  for (const [port, problems] of [
    ['1', 0],
    ['389', 0],
    ['65535', 0],
    ['59999', 0],
    ['60000', 0],
    ['64999', 0],
    ['65499', 0],
    ['65529', 0],
    ['0', 1],
    ['65536', 1],
    ['65540', 1],
    ['65600', 1],
    ['66000', 1],
    ['70000', 1],
    ['99999', 1],
  ] as const) {
    const text = LEAST.replace('10389', port);
    expect((await problemsOf(text)).length, port).toBe(problems);
  }
});

test('a file that cannot be used is a message with the reason', async () => {
  symlinkSync('loop.pem', join(dir, 'loop.pem'));
  expect(await problemsOf(`${LEAST}  ca: loop.pem\n`)).toEqual([
    `6: directory.ca: "${dir}/loop.pem" cannot be used (ELOOP)`,
  ]);
});

test('exit codes are those of sysexits.h, each used once', () => {
  const named = ['ok', 'usage', 'config', 'unavailable', 'tempfail', 'port-taken'] as const;
  expect(named.map(exitCode)).toEqual([0, 64, 78, 69, 75, 71]);
  const codes = Object.values(EXIT).map((exit) => exit.code);
  expect(new Set(codes).size).toBe(codes.length);
});

test('[S2-17] a snapshot beside the servers, or alone; it may come later', async () => {
  const both = await read(`${LEAST}  snapshot: later.snapshot\n`);
  expect(both.ok && both.value.directory.snapshot).toBe(join(dir, 'later.snapshot'));
  const alone = await read('name: a\ndata: state\ndirectory: { snapshot: later.snapshot }\n');
  expect(alone.ok && alone.value.directory).toMatchObject({ urls: [], base: '' });
  expect(await problemsOf('name: a\ndata: state\ndirectory: { snapshot: none/x }\n')).toEqual([
    expect.stringMatching(/^3: directory.snapshot: .* lies in a folder that does not exist$/),
  ]);
  expect(await problemsOf(`${LEAST}  snapshot: state\n`)).toEqual([
    expect.stringMatching(/^6: directory.snapshot: .* is not a file$/),
  ]);
  expect(await problemsOf('name: a\ndata: state\ndirectory: {}\n')).toEqual([
    '3: directory.urls is missing',
    '3: directory.base is missing: a DN such as dc=example,dc=test',
  ]);
});

test('[S1-26] users of a site’s own directory, with a preset or what differs from it', async () => {
  const text = `${LEAST}  users:
    urls: ["ldaps://ldap.example.test"]
    base: ou=people,dc=example,dc=test
    bind-dn: cn=mail,dc=example,dc=test
    password-file: password
`;
  const preset = await read(`${text}    map: posix\n`);
  expect(preset.ok && preset.value.directory.users).toEqual({
    urls: ['ldaps://ldap.example.test'],
    base: 'ou=people,dc=example,dc=test',
    bind: { dn: 'cn=mail,dc=example,dc=test', passwordFile: join(dir, 'password') },
    startTls: false,
    ca: undefined,
    map: { preset: 'posix' },
  });
  const own = await read(`${text}    map:
      preset: qmail-ldap
      login: uid
      aliases: [mail, mailAlternateAddress]
      path: { attribute: mailbox, below: /mail1 }
      quota: { attribute: quota, unit: kibibytes }
`);
  expect(own.ok && own.value.directory.users?.map).toEqual({
    preset: 'qmail-ldap',
    login: 'uid',
    aliases: ['mail', 'mailAlternateAddress'],
    path: { attribute: 'mailbox', below: '/mail1' },
    quota: { attribute: 'quota', unit: 'kibibytes' },
  });
  expect(
    await problemsOf(`${LEAST}  users:
    urls: [http://x]
    bind-dn: cn=x
    map:
      login: 'not a name'
      alias: mail
      quota: { attribute: q, unit: pounds }
`),
  ).toEqual([
    expect.stringMatching(/^6: directory.users.base is missing/),
    expect.stringMatching(/^7: directory.users.urls\[1\]: "http:\/\/x" is not a URL/),
    '8: directory.users.bind-dn needs directory.users.password-file beside it',
    expect.stringMatching(/^9: directory.users.map.preset is missing/),
    '10: directory.users.map.login: "not a name" is not the name of an attribute',
    expect.stringMatching(/^11: "directory.users.map.alias" is not a known name/),
    '12: directory.users.map.quota.unit: "pounds" is not one of octets, kibibytes, maildir++',
  ]);
  expect(await problemsOf(`${text}    map: unheard-of\n`)).toEqual([
    expect.stringMatching(/^11: directory.users.map: "unheard-of" is not one of mailfarm, posix/),
  ]);
});

test.each([
  ['{ helo: out }', '6: sending.helo: "out" is not a host name with a dot, in lower case'],
  ['{ from: [eth0] }', '6: sending.from[1]: "eth0" is not an address of this machine'],
  ['{ from: [1.2.3] }', '6: sending.from: 1.2.3 is none'],
  ['{ from: [192.0.2.1, 192.0.2.2] }', '6: sending.from: two of one family'],
  ['{ heelo: x.y }', '6: "sending.heelo" is not a known name; did you mean helo?'],
])('[S4-04] [S4-11] sending %s', async (text, problem) => {
  expect(await problemsOf(`${LEAST}sending: ${text}\n`)).toEqual([problem]);
});
