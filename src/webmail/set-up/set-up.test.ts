import { request } from 'node:http';
import { expect, test } from 'vitest';
import { defaults } from '../../config/options.ts';
import { memoryAccount, memoryDirectory } from '../../directory/memory.ts';
import { startWeb, type TestWeb } from '../../http/testing/web.ts';
import { problemOf } from '../../jmap/trouble.ts';
import { WEBMAIL_OPTIONS } from '../options.ts';
import { SET_UP } from '../testing/farm.ts';
import { endpointOf, setUpOf } from './endpoints.ts';
import { farmZone, stsPolicy, stsRecord } from './mta-sts.ts';
import { setUpRoutes } from './routes.ts';

async function node(): Promise<{ web: TestWeb; directory: ReturnType<typeof memoryDirectory> }> {
  const directory = memoryDirectory({
    accounts: [memoryAccount({ login: 'alice@example.test' })],
    domains: ['example.test', { name: 'customer.test', transport: { kind: 'mx' } }],
  });
  const routes = [
    async (app: Parameters<typeof setUpRoutes>[0]) =>
      setUpRoutes(app, { directory, setUp: SET_UP }),
  ];
  return { directory, web: await startWeb(routes, { describe: problemOf }) };
}

const FORMS = [
  '/.well-known/autoconfig/mail/config-v1.1.xml?emailaddress=',
  '/mail/config-v1.1.xml?emailaddress=',
  '/autodiscover/autodiscover.xml?email=',
  '/set-up/mailfarm.mobileconfig?address=',
  '/set-up?address=',
] as const;

test.each(FORMS)('[P-10] %s says the same of addresses that exist and of others', async (form) => {
  const { web, directory } = await node();
  const ask = async (address: string) =>
    await fetch(`${web.base}${form}${encodeURIComponent(address)}`);
  const [known, unknown] = [await ask('alice@example.test'), await ask('alicf@example.test')];
  expect(known.status).toBe(200);
  // An identifier of Apple's is made of the address; all else is the same.
  const plain = async (response: Response, address: string): Promise<string> =>
    (await response.text())
      .replaceAll(address, 'ADDRESS')
      .replaceAll(/[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}/g, 'UUID');
  const text = await plain(known, 'alice@example.test');
  expect(await plain(unknown, 'alicf@example.test')).toBe(text);
  expect(text).toContain('mail.example.test');
  expect((await ask('alice@elsewhere.test')).status).toBe(404);
  expect((await ask('alice@customer.test')).status).toBe(404);
  for (const bad of [
    '',
    'x',
    '<a>@example.test',
    'a b@example.test',
    'a"@example.test',
    '\u0000@example.test',
  ]) {
    expect([400, 404], bad).toContain((await ask(bad)).status);
  }
  directory.down = true;
  expect((await ask('alice@example.test')).status).toBe(503);
  await web.close();
});

test('Thunderbird hears of each service how it is reached', async () => {
  const { web } = await node();
  const text = await (await fetch(`${web.base}${FORMS[1]}zoe@example.test`)).text();
  expect(text).toContain('<displayName>Example &amp; Sons</displayName>');
  expect(text.replaceAll(/\s+/g, '')).toContain(
    '<outgoingServertype="smtp"><hostname>mail.example.test</hostname><port>587</port>' +
      '<socketType>STARTTLS</socketType><authentication>password-cleartext</authentication>' +
      '<username>%EMAILADDRESS%</username></outgoingServer>',
  );
  expect(text).toMatch(/<port>993<\/port>\s*<socketType>SSL/);
  await web.close();
});

test('Outlook posts XML: the address is cut out of it, and nothing in it is expanded or fetched', async () => {
  const { web } = await node();
  const post = async (body: string, path = '/Autodiscover/Autodiscover.xml') => {
    const headers = { 'content-type': 'text/xml' };
    const response = await fetch(`${web.base}${path}`, { method: 'POST', headers, body });
    return { status: response.status, text: await response.text() };
  };
  const asking = (address: string): string =>
    `<?xml version="1.0"?><Autodiscover><Request><EMailAddress>${address}</EMailAddress></Request></Autodiscover>`;
  const answer = await post(asking('alice@example.test'));
  expect(answer).toMatchObject({ status: 200, text: expect.stringContaining('<Type>IMAP</Type>') });
  expect(answer.text).toContain('<LoginName>alice@example.test</LoginName>');
  expect((await post(asking('alice@example.test'), '/autodiscover/autodiscover.xml')).status).toBe(
    200,
  );
  const hostile = [
    '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><EMailAddress>&e;@example.test</EMailAddress>',
    '<!DOCTYPE x><EMailAddress>alice@example.test</EMailAddress>',
    asking('&#97;@example.test'),
    asking('<![CDATA[a@example.test]]>'),
    asking(''),
    '',
    '<EMailAddress>'.repeat(500),
  ];
  for (const body of hostile) {
    const { status, text } = await post(body);
    expect([400, 404], body.slice(0, 60)).toContain(status);
    expect(text).not.toContain('root:');
  }
  expect((await post('x'.repeat(20_000))).status).toBe(413);
  await web.close();
});

test('a program that knows only the host asks autoconfig.DOMAIN', async () => {
  const { web } = await node();
  const { port } = new URL(web.base);
  const status = await new Promise<number | undefined>((resolve, reject) => {
    const asked = request(
      { port, path: '/mail/config-v1.1.xml', headers: { host: 'autoconfig.example.test' } },
      (response) => {
        response.resume();
        resolve(response.statusCode);
      },
    );
    asked.on('error', reject);
    asked.end();
  });
  expect(status).toBe(200);
  await web.close();
});

test('[S3-27] senders get the policy of our domains at mta-sts.DOMAIN, and of no other', async () => {
  const { web } = await node();
  const { port } = new URL(web.base);
  const ask = (host: string): Promise<{ status: number | undefined; text: string }> =>
    new Promise((resolve, reject) => {
      const path = '/.well-known/mta-sts.txt';
      const asked = request({ port, path, headers: { host } }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('end', () => resolve({ status: response.statusCode, text }));
      });
      asked.on('error', reject);
      asked.end();
    });
  expect(await ask('mta-sts.example.test')).toEqual({ status: 200, text: SET_UP.mtaSts });
  expect((await ask('mta-sts.elsewhere.test')).status).toBe(404);
  expect((await ask('mta-sts.customer.test')).status).toBe(404);
  await web.close();
  const policy = stsPolicy('enforce', 'mail.farm.test') ?? '';
  expect(policy).toBe('version: STSv1\r\nmode: enforce\r\nmx: *.farm.test\r\nmax_age: 604800\r\n');
  expect(stsRecord(policy)).not.toBe(stsRecord(stsPolicy('testing', 'mail.farm.test') ?? ''));
  // What senders keep of an earlier policy ends by one that says so, not by silence (§8.3).
  const none = stsPolicy('none', 'mail.farm.test');
  expect(none).toBe('version: STSv1\r\nmode: none\r\nmax_age: 604800\r\n');
  expect(stsPolicy('enforce', 'localhost')).toBeUndefined();
});

test.for([
  ['mail.example.test', 'example.test'],
  ['mail.eu.example.test.', 'eu.example.test'],
  ['mail.example.co.uk', 'example.co.uk'],
  // What stands above these is everybody's: a policy for *.co.uk would trust all of Britain.
  ['example.test', 'example.test'],
  ['Example.co.uk', 'example.co.uk'],
  ['example.com.au', 'example.com.au'],
  ['localhost', undefined],
])('[S3-27] the own names of %s stand in %s', ([hostName = '', zone]) => {
  expect(farmZone(hostName)).toBe(zone);
  if (zone !== undefined) expect(stsPolicy('enforce', hostName)).toContain(`\r\nmx: *.${zone}\r\n`);
});

test('a profile of Apple is the same for an address each time, and escaped', async () => {
  const { web } = await node();
  const ask = async () => {
    const response = await fetch(
      `${web.base}${FORMS[3]}${encodeURIComponent("o'neil@example.test")}`,
    );
    return {
      status: response.status,
      type: response.headers.get('content-type'),
      text: await response.text(),
    };
  };
  const [one, two] = [await ask(), await ask()];
  // No address with a quote is put into XML at all.
  expect(one.status).toBe(400);
  expect(two.text).toBe(one.text);
  const plain = await fetch(`${web.base}${FORMS[3]}alice%40example.test`);
  expect(plain.headers.get('content-type')).toContain('application/x-apple-aspen-config');
  const text = await plain.text();
  expect(text).toContain('<key>OutgoingMailServerPortNumber</key><integer>587</integer>');
  expect(text).toContain('Example &amp; Sons');
  await web.close();
});

test('what programs are told is what the farm says, else where the node listens', () => {
  const values = defaults(WEBMAIL_OPTIONS);
  const listen = [
    { service: 'imap', port: 143 },
    { service: 'pop3', port: 110 },
    { service: 'pop3s', port: 995 },
  ];
  const hostName = 'node1.example.test';
  expect(setUpOf({ values, listen, hostName })).toMatchObject({
    name: 'Mail',
    imap: { host: hostName, port: 143, tls: 'starttls' },
    pop3: { host: hostName, port: 995, tls: 'implicit' },
    submission: undefined,
  });
  const said = { ...values, 'webmail.set-up.imap': 'mail.example.test:993' };
  expect(setUpOf({ values: said, listen, hostName }).imap).toEqual(SET_UP.imap);
  expect(endpointOf('mail.example.test:587')).toEqual(SET_UP.submission);
  for (const bad of ['mail.example.test', 'x:0', 'x:99999', 'a b:25', '<x>:25', ':25']) {
    expect(endpointOf(bad), bad).toBeUndefined();
  }
});
