/** The whole farm on Debian's slapd: mail, logins, changes by other people's tools, new nodes. */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, test, type TestContext } from 'vitest';
import { freePortBase } from '../harness/farm.ts';
import { needs } from '../harness/needs.ts';
import {
  administer,
  farmSeed,
  listenOf,
  startNode,
  userSeed,
  type FarmNode,
} from '../harness/nodes.ts';
import { Pop3Chat } from '../harness/pop3-chat.ts';
import { run, type RunResult } from '../harness/process.ts';
import { SmtpChat } from '../harness/smtp-chat.ts';
import { startSlapd, type Slapd } from '../harness/slapd.ts';
import { lasting } from './lasting.ts';
import { asked, fetch, send } from './letters.ts';

/** The cache's second in this farm, and some for a machine that is busy. */
const cacheSecond = (): Promise<void> => sleep(1_500);

const place = lasting();
let slapd: Slapd;
let node: FarmNode;
let farm: { command: (words: readonly string[], input?: string) => Promise<RunResult> };
let nextBase = 0;

const at = (): Parameters<typeof administer>[1] => ({ ...slapd, urls: [slapd.url] });

beforeAll(async () => {
  if (place.missing) return;
  nextBase = await freePortBase();
  const entries = Array.from({ length: 8 }, (_, i) => userSeed(`user${i}@example.test`, 3000 + i));
  const settings = {
    'node.listen': listenOf(nextBase).join(', '),
    'directory.cache.fresh': '1s',
    'directory.password.fresh': '1s',
    'node.beat': '1s',
    'node.beats.day': '10000000',
  };
  const seed = await farmSeed(place.dir, { entries, settings });
  slapd = await startSlapd({ directory: place.dir, ...seed });
  node = await startNode({ dir: place.dir, name: 'node1', at: at(), base: seed.base });
  farm = { command: administer(place.dir, at()) };
});

afterAll(async () => {
  await node?.stop();
  await slapd?.stop();
  place.remove();
});

beforeEach((ctx: TestContext) => needs(ctx, 'root', 'slapd', '/usr/bin/ldapmodify'));

/** As an administrator with the tools of OpenLDAP. */
async function ldap(program: 'ldapadd' | 'ldapmodify' | 'ldapdelete', text: string): Promise<void> {
  const who = ['-x', '-H', slapd.url, '-D', slapd.admin.dn, '-w', slapd.admin.password];
  const done = await run([`/usr/bin/${program}`, ...who], { input: Buffer.from(text) });
  if (done.code !== 0) throw new Error(`${program}: ${done.stderr}`);
}

const userDn = (login: string): string => `cn=${login},ou=users,${slapd.suffix}`;
const rcpt = async (to: string): Promise<number> => (await send(node.ports.mx, [to])).code;
const login = async (user: string, password = 'demo'): Promise<string> => {
  const { chat } = await Pop3Chat.open({ port: node.ports.pop3 });
  try {
    await chat.command(`USER ${user}`);
    const reply = await chat.command(`PASS ${password}`);
    return reply.ok ? 'ok' : (reply.code ?? 'no code');
  } finally {
    chat.stream.destroy();
  }
};

test('[S0-09] [S0-20] [S0-22] [S2-15] mail in by SMTP and LMTP, out by POP3, users in slapd', async () => {
  expect(await rcpt('alice@example.test')).toBe(250);
  const { chat } = await SmtpChat.open({ port: node.ports.lmtp });
  await chat.hello('LHLO');
  await chat.command('MAIL FROM:<sender@world.example>');
  expect((await chat.command('RCPT TO:<ALICE@Example.TEST>')).code).toBe(250);
  expect((await chat.command('RCPT TO:<nobody@example.test>')).code).toBe(550);
  expect((await chat.data(Buffer.from('Subject: l\r\n\r\nby lmtp\r\n'))).code).toBe(250);
  chat.stream.destroy();
  const letters = await fetch(node.ports.pop3, 'alice@example.test');
  expect(letters).toHaveLength(2);
  expect(letters.join()).toContain('by lmtp');
  expect(await rcpt('nobody@example.test')).toBe(550);
  expect(await rcpt('x@elsewhere.example')).toBe(550);
  expect(await rcpt('postmaster')).toBe(250);
  expect(await login('alice@example.test', 'wrong')).toBe('AUTH');
});

test('[S2-18] [S2-15] what ldapmodify changes is in effect within the cache’s seconds', async () => {
  const user = 'user0@example.test';
  expect(await rcpt('info@later.example')).toBe(550);
  expect(await login(user)).toBe('ok');
  const domain = `dn: cn=later.example,ou=domains,${slapd.suffix}\n`;
  await ldap('ldapadd', `${domain}objectClass: mwDomain\ncn: later.example\n`);
  const alias = 'add: mailAlias\nmailAlias: info@later.example\n-\n';
  const password = 'replace: userPassword\nuserPassword: another\n';
  await ldap('ldapmodify', `dn: ${userDn(user)}\nchangetype: modify\n${alias}${password}`);
  await cacheSecond();
  expect(await rcpt('info@later.example')).toBe(250);
  expect(await login(user)).toBe('AUTH');
  expect(await login(user, 'another')).toBe('ok');
});

test('[S2-18] suspended service by service, and back', async () => {
  const user = 'user1@example.test';
  const change = (text: string): Promise<void> =>
    ldap('ldapmodify', `dn: ${userDn(user)}\nchangetype: modify\n${text}\n`);
  expect([await rcpt(user), await login(user)]).toEqual([250, 'ok']);
  await change('add: mwSuspended\nmwSuspended: mail');
  await cacheSecond();
  expect(await rcpt(user)).toBe(550);
  expect(await login(user)).toBe('ok');
  await change('replace: mwSuspended\nmwSuspended: pop3');
  await cacheSecond();
  expect(await login(user)).not.toBe('ok');
  await cacheSecond();
  expect(await rcpt(user)).toBe(250);
  await change('delete: mwSuspended');
  await cacheSecond();
  expect(await login(user)).toBe('ok');
});

test('[S2-23] renamed by ldapmodify: the mailbox goes with the user, the old name is free', async () => {
  const [old, now] = ['user2@example.test', 'renamed@example.test'];
  expect(await rcpt(old)).toBe(250);
  const rename = `changetype: modrdn\nnewrdn: cn=${now}\ndeleteoldrdn: 1\n`;
  await ldap('ldapmodify', `dn: ${userDn(old)}\n${rename}`);
  await cacheSecond();
  expect(await rcpt(old)).toBe(550);
  expect(await fetch(node.ports.pop3, now)).toHaveLength(1);
  const again = 'objectClass: mwUser\nuid: 9001\nuserPassword: demo\n';
  await ldap('ldapadd', `dn: ${userDn(old)}\n${again}cn: ${old}\n`);
  await cacheSecond();
  expect(await login(old)).toBe('ok');
  expect(await fetch(node.ports.pop3, old)).toHaveLength(0);
  expect(await rcpt(old)).toBe(250);
  expect(await fetch(node.ports.pop3, now)).toHaveLength(1);
});

test('[S2-18] a deleted user is gone within the cache’s seconds, and never let in', async () => {
  const user = 'user3@example.test';
  expect([await rcpt(user), await login(user)]).toEqual([250, 'ok']);
  await ldap('ldapdelete', `${userDn(user)}\n`);
  await cacheSecond();
  expect(await rcpt(user)).toBe(550);
  await cacheSecond();
  expect(await login(user)).toBe('AUTH');
});

test('[S2-23] renamed, removed and made again with our commands; removed mail waits to be restored', async () => {
  const login1 = 'first@example.test';
  const add = ['user', 'add', login1, '--password-stdin'];
  const first = await asked<{ id: string }>(farm, add, 'demo');
  expect(await rcpt(login1)).toBe(250);
  await asked(farm, ['user', 'remove', login1]);
  await cacheSecond();
  expect(await rcpt(login1)).toBe(550);
  const second = await asked<{ id: string }>(farm, add, 'demo');
  expect(second.id).not.toBe(first.id);
  await cacheSecond();
  expect(await login(login1)).toBe('ok');
  expect(await fetch(node.ports.pop3, login1)).toHaveLength(0);
});

interface Shown {
  readonly name: string;
  readonly status: string;
  readonly nid: number;
}

const shown = async (name: string): Promise<string | undefined> =>
  (await asked<Shown[]>(farm, ['node', 'list'])).find((one) => one.name === name)?.status;

test('[S0-16] [S0-33] [S0-34] a node with nothing but its file joins, serves at once, and says goodbye', async () => {
  const front = await startNode({ dir: place.dir, name: 'front2', at: at(), base: nextBase });
  try {
    expect((await send(front.ports.mx, ['bob@example.test'])).code).toBe(250);
    expect(await fetch(front.ports.pop3, 'bob@example.test')).toHaveLength(1);
    expect(await fetch(node.ports.pop3, 'bob@example.test')).toHaveLength(1);
    await expect.poll(() => shown('front2'), { timeout: 120_000 }).toBe('SPM');
    expect(front.process.output()).toContain('added its own');
    expect(readFileSync(join(place.dir, 'state-front2/node.key'), 'utf8')).toHaveLength(44);
  } finally {
    await front.stop();
  }
  expect(await shown('front2')).toBe('spm');
  expect(await shown('node1')).toBe('SPM');
  const nodes = await asked<Shown[]>(farm, ['node', 'list']);
  expect(new Set(nodes.map(({ nid }) => nid)).size).toBe(nodes.length);
});

test('a node that lost its key serves, says so, and has a new one when it is told to', async () => {
  const front = await startNode({ dir: place.dir, name: 'front2', at: at(), base: nextBase });
  try {
    await expect.poll(() => shown('front2'), { timeout: 120_000 }).toBe('SPM');
    rmSync(join(place.dir, 'state-front2/node.key'));
    await front.process.waitFor(/MF-NODE-006/, 120_000);
    expect((await send(front.ports.mx, ['bob@example.test'])).code).toBe(250);
    await asked(farm, ['node', 'set', 'front2', '--new-key']);
    await front.process.waitFor(/shows how this node is again/, 120_000);
  } finally {
    await front.stop();
  }
  expect(await shown('front2')).toBe('spm');
});

test('[S0-34] mailfarm node list: status in words, who is silent', async () => {
  const list = async (name: string): Promise<string> => {
    const { stdout } = await farm.command(['node', 'list']);
    return (
      stdout
        .toString()
        .split('\n')
        .find((line) => line.startsWith(name)) ?? ''
    );
  };
  await expect
    .poll(() => list('node1'), { timeout: 120_000 })
    .toMatch(/SMTP up, POP3 up, Mailfarm up +(now|\d+ (s|min) ago)/);
  await expect
    .poll(() => list('front2'), { timeout: 120_000 })
    .toMatch(/SMTP down, POP3 down, Mailfarm down .*, silent/);
});

test('a node that nobody told what to run: MF-NODE-001, and no entry is made', async () => {
  const file = { dir: place.dir, name: 'front3', at: at(), base: nextBase };
  await asked(farm, ['config', 'set', 'node.listen', '']);
  await expect(startNode(file)).rejects.toThrow('MF-NODE-001');
  expect(await shown('front3')).toBeUndefined();
});
