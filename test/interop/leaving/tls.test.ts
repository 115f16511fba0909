import { createHash, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { rmSync } from 'node:fs';
import { expect, test, type TestContext } from 'vitest';
import { ownAddress } from '../../harness/addresses.ts';
import { makeCertificate, type TestCertificate } from '../../harness/certificate.ts';
import { freePort } from '../../harness/process.ts';
import { openYard } from './yard.ts';

function folder(ctx: TestContext): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'mailfarm-leaving-'));
  ctx.onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A policy host: answers with the policy, whatever is asked. */
async function policyHost(
  ctx: TestContext,
  certificate: TestCertificate,
  policy: () => string | number,
): Promise<{ readonly host: string; readonly port: number }> {
  const [host, port] = [ownAddress(), await freePort()];
  const server = createServer(
    { cert: readFileSync(certificate.certificate), key: readFileSync(certificate.key) },
    (_, response) => {
      const answer = policy();
      response.statusCode = typeof answer === 'number' ? answer : 200;
      response.end(typeof answer === 'number' ? '' : answer);
    },
  );
  await new Promise<void>((resolve) => server.listen(port, host, resolve));
  ctx.onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { host, port };
}

const policyOf = (mode: string, ...mx: string[]): string =>
  [
    'version: STSv1',
    `mode: ${mode}`,
    ...mx.map((each) => `mx: ${each}`),
    'max_age: 86400',
    '',
  ].join('\r\n');

test('TLS as far as the peer can: encrypted, verified, or plain where a handshake fails', async (ctx) => {
  const at = folder(ctx);
  const [right, wrong] = [
    await makeCertificate(at, ['right.test']),
    await makeCertificate(at, ['other.test']),
  ];
  const yard = await openYard(ctx, {
    parts: { network: { ca: [readFileSync(right.certificate, 'utf8')] } },
  });
  const peers = [
    await yard.peer('right.test', { tls: right }),
    await yard.peer('wrong.test', { tls: wrong }),
    await yard.peer('fails.test', { tls: 'fails' }),
    await yard.peer('refuses.test', { tls: right, answers: { starttls: '454 4.7.0 not now' } }),
    await yard.peer('plain.test'),
  ];
  for (const { name } of peers) await yard.put({ to: [`bob@${name}`] });
  await yard.settled();
  expect(peers.map(({ letters }) => letters.map(({ session }) => session.tls))).toEqual([
    [true],
    [true],
    [false],
    [false],
    [false],
  ]);
  const sent = yard.log.filter(({ message }) => message === 'sent');
  const told = sent.map(({ host, tls, verified }) => [host, tls, verified].join(' ').trim());
  expect(told.toSorted()).toEqual([
    'fails.test',
    'plain.test',
    'refuses.test',
    'right.test TLSv1.3 verified',
    'wrong.test TLSv1.3',
  ]);
  expect(peers[0]?.letters[0]?.session.servername).toBe('right.test');
});

test('[P-08] MTA-STS enforce: a bad certificate, no TLS, a host outside the policy get no letter', async (ctx) => {
  const at = folder(ctx);
  const names = ['good.test', 'bad.test', 'plain.test', 'outside.test', 'testing.test'];
  const site = await makeCertificate(
    at,
    names.map((name) => `mta-sts.${name}`),
  );
  const good = await makeCertificate(at, ['mx.good.test', 'mx.outside.test']);
  const stranger = await makeCertificate(at, ['mx.bad.test']);
  let mode = 'enforce';
  const web = await policyHost(ctx, site, () =>
    policyOf(mode, '*.good.test', '*.bad.test', 'mx.plain.test'),
  );
  const yard = await openYard(ctx, {
    options: { 'relay.mta-sts': 'on' },
    parts: {
      network: {
        httpsPort: web.port,
        ca: [site, good].map(({ certificate }) => readFileSync(certificate, 'utf8')),
      },
    },
    table: Object.fromEntries(
      names.flatMap((name) => [
        [name, { MX: [[10, `mx.${name}`]] }],
        [`_mta-sts.${name}`, { TXT: ['v=STSv1; id=20261122;'] }],
        [`mta-sts.${name}`, { A: [web.host] }],
      ]),
    ),
  });
  const peers = new Map([
    ['good.test', await yard.peer('mx.good.test', { tls: good })],
    ['bad.test', await yard.peer('mx.bad.test', { tls: stranger })],
    ['plain.test', await yard.peer('mx.plain.test')],
    ['outside.test', await yard.peer('mx.outside.test', { tls: good })],
  ]);
  for (const name of peers.keys()) await yard.put({ to: [`bob@${name}`] });
  await yard.settled();
  const got = [...peers].map(([name, peer]) => `${name} ${peer.letters.length}`);
  expect(got).toEqual(['good.test 1', 'bad.test 0', 'plain.test 0', 'outside.test 0']);
  const waiting = yard.spool.letters.filter(({ state }) => state === 'waiting');
  const why = waiting.map(
    ({ envelope }) => `${envelope.troubles[0]?.status} ${envelope.troubles[0]?.text}`,
  );
  expect(why).toEqual([
    expect.stringMatching(/^4\.7\.5 mx\.bad\.test: .*certificate is not trusted/),
    expect.stringMatching(/^4\.7\.5 mx\.plain\.test does not offer STARTTLS/),
    expect.stringMatching(/^4\.7\.5 mx\.outside\.test is not in the MTA-STS policy/),
  ]);
  expect(yard.log.filter(({ code }) => code === 'MF-REL-101')).toHaveLength(3);
  expect(yard.log.find(({ message }) => message === 'sent')).toMatchObject({
    verified: 'verified',
  });
  // Under `testing` the same peers get their letters.
  mode = 'testing';
  const tester = await yard.peer('mx.testing.test', { tls: stranger });
  await yard.put({ to: ['bob@testing.test'] });
  await yard.settled();
  expect(tester.letters).toHaveLength(1);
});

const tlsaOf = ({ certificate }: TestCertificate) => {
  const key = new X509Certificate(readFileSync(certificate)).publicKey;
  const spki = key.export({ type: 'spki', format: 'der' });
  const digest = createHash('sha256').update(spki).digest();
  return { usage: 3, selector: 1, matchingType: 1, certificate: digest };
};

test('[P-08] DANE: signed records decide, others do not count', async (ctx) => {
  const at = folder(ctx);
  const [own, other] = [
    await makeCertificate(at, ['anything.test']),
    await makeCertificate(at, ['stranger.test']),
  ];
  const yard = await openYard(ctx, { options: { 'relay.dane': 'on' } });
  const peers = [];
  for (const [name, certificate, secure] of [
    ['right.test', own, true],
    ['wrong.test', other, true],
    ['unsigned.test', other, false],
  ] as const) {
    const peer = await yard.peer(`mx.${name}`, { tls: certificate });
    peers.push(peer);
    yard.dns.set({
      [name]: { MX: [[10, `mx.${name}`]], secure },
      [`mx.${name}`]: { A: [peer.host], secure },
      [`_${yard.port}._tcp.mx.${name}`]: { TLSA: [tlsaOf(own)], secure },
    });
  }
  const plain = await yard.peer('mx.plain.test');
  yard.dns.set({
    'plain.test': { MX: [[10, 'mx.plain.test']], secure: true },
    'mx.plain.test': { A: [plain.host], secure: true },
    [`_${yard.port}._tcp.mx.plain.test`]: { TLSA: [tlsaOf(own)], secure: true },
    'broken.test': { MX: [[10, 'mx.broken.test']], secure: true },
    'mx.broken.test': { A: [plain.host], secure: true },
    [`_${yard.port}._tcp.mx.broken.test`]: 'servfail',
  });
  for (const name of ['right', 'wrong', 'unsigned', 'plain', 'broken']) {
    await yard.put({ to: [`bob@${name}.test`] });
  }
  await yard.settled();
  expect(peers.map(({ letters }) => letters.length)).toEqual([1, 0, 1]);
  expect(plain.letters).toEqual([]);
  const waiting = yard.spool.letters.filter(({ state }) => state === 'waiting');
  const why = waiting.map(
    ({ envelope }) => `${envelope.troubles[0]?.status} ${envelope.troubles[0]?.text}`,
  );
  expect(why.toSorted()).toEqual([
    expect.stringMatching(/^4\.7\.5 TLSA of mx\.broken\.test: .*SERVFAIL/),
    expect.stringMatching(/^4\.7\.5 mx\.plain\.test does not offer STARTTLS/),
    expect.stringMatching(/^4\.7\.5 mx\.wrong\.test: .*none that the TLSA records name/),
  ]);
  const sent = yard.log.filter(({ message }) => message === 'sent');
  expect(
    sent.map(({ host, verified }) => `${String(host)} ${String(verified)}`).toSorted(),
  ).toEqual(['mx.right.test dane', 'mx.unsigned.test undefined']);
});

test('a smarthost takes all: verified TLS and a login, or nothing', async (ctx) => {
  const at = folder(ctx);
  const [right, other] = [
    await makeCertificate(at, ['smart.test']),
    await makeCertificate(at, ['smart2.test']),
  ];
  const login = { user: 'farm', password: 'geheim ß' };
  let host = 'smart.test';
  let password: string | undefined = login.password;
  const yard = await openYard(ctx, {
    options: { 'relay.connection.idle': 0 }, // Each letter logs in.
    parts: {
      network: { ca: [readFileSync(right.certificate, 'utf8')] },
      smarthost: async () => ({ host, port: yard.port, login: login.user, tls: 'verify' }),
      secrets: async () => password,
      isOwn: () => true, // An administrator may choose one of this farm.
    },
  });
  const smart = await yard.peer('smart.test', { tls: right, login });
  const fake = await yard.peer('smart2.test', { tls: other, login });
  const good = await yard.put({ to: ['bob@anywhere.test'] });
  await yard.settled();
  expect(good.state).toBe('done');
  expect(smart.letters[0]?.session.user).toBe('farm');
  host = 'smart2.test';
  const unverified = await yard.put({ to: ['bob@elsewhere.test'] });
  await yard.settled();
  expect(fake.sessions[0]?.commands.some((line) => line.startsWith('AUTH'))).toBe(false);
  expect(unverified.envelope.troubles).toMatchObject([{ status: '4.7.5' }]);
  host = 'smart.test';
  password = 'wrong';
  const refused = await yard.put({ to: ['bob@third.test'] });
  await yard.settled();
  expect(refused.state).toBe('waiting');
  expect(refused.envelope.troubles[0]?.text).toContain('535');
  expect(JSON.stringify(yard.log)).not.toContain(password);
});
