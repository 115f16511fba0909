/**
 * The world before the farm: it knows the service's address and nothing else of it, sends letters
 * there and fetches them, over TLS with the farm's own authority.
 */
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import type { Connection } from '../../harness/chat.ts';
import { ImapChat } from '../../harness/imap-chat.ts';
import { Pop3Chat } from '../../harness/pop3-chat.ts';
import { SmtpChat } from '../../harness/smtp-chat.ts';
import { at, folder, hostsOf, mailfarm, PASSWORD } from './inside.ts';

/** The one address that moves between balancers, of the example inventory. */
export const SERVICE = { v4: '192.0.2.100', v6: '2001:db8::100' };
const NAME = 'mail.example.test';

const tls = (): ConnectionOptions => ({
  ca: readFileSync(join(folder, 'tls', 'ca.pem')),
  servername: NAME,
});
export const place = (port: number, host: string, secured: boolean): Connection => ({
  host,
  port,
  ...(secured ? { tls: tls() } : {}),
});

/** A letter by SMTP. @returns the code of the reply that ended the transaction */
export async function send(to: string, letter: string, host = SERVICE.v4): Promise<number> {
  const { chat } = await SmtpChat.open(place(25, host, false));
  try {
    await chat.hello();
    let reply = await chat.command('MAIL FROM:<world@elsewhere.example>');
    if (reply.code === 250) reply = await chat.command(`RCPT TO:<${to}>`);
    return (reply.code === 250 ? await chat.data(Buffer.from(letter)) : reply).code;
  } finally {
    chat.stream.destroy();
  }
}

/** All letters of a mailbox by POP3 over TLS, which stay. */
export async function byPop3(user: string, host = SERVICE.v4): Promise<string[]> {
  const chat = await Pop3Chat.login(place(995, host, true), user, PASSWORD);
  try {
    const letters: string[] = [];
    for (const number of (await chat.listing('UIDL')).keys()) {
      letters.push(String(await chat.retrieve(number)));
    }
    await chat.expect('QUIT');
    return letters;
  } finally {
    chat.stream.destroy();
  }
}

/**
 * The fingerprint of what IMAP over TLS shows there for the service's name; its chain is checked.
 */
export async function certificate(host: string): Promise<string> {
  const socket = connectTls({ host, port: 993, ...tls() });
  try {
    await once(socket, 'secureConnect');
    return socket.getPeerCertificate().fingerprint256;
  } finally {
    socket.destroy();
  }
}

/** How many messages INBOX has, by IMAP over TLS. */
export async function countByImap(user: string, host = SERVICE.v4): Promise<number> {
  const chat = await ImapChat.login(place(993, host, true), user, PASSWORD);
  try {
    const untagged = await chat.ok('SELECT INBOX');
    const exists = untagged.find(({ text }) => text.endsWith(' EXISTS'));
    return Number(/(\d+) EXISTS/.exec(exists?.text ?? '')?.[1] ?? Number.NaN);
  } finally {
    chat.stream.destroy();
  }
}

/** How many messages the account has, by JMAP. */
export async function countByJmap(user: string, host = SERVICE.v4): Promise<number> {
  const using = ['urn:ietf:params:jmap:core', 'urn:ietf:params:jmap:mail'];
  const session = await http(user, host, '/.well-known/jmap');
  const { primaryAccounts } = session as { readonly primaryAccounts: Record<string, string> };
  const accountId = primaryAccounts['urn:ietf:params:jmap:mail'];
  const query = ['Email/query', { accountId, calculateTotal: true }, 'a'];
  const answer = await http(user, host, '/jmap/api', { using, methodCalls: [query] });
  const { methodResponses } = answer as {
    readonly methodResponses: readonly [string, { readonly total: number }, string][];
  };
  return methodResponses[0]?.[1].total ?? Number.NaN;
}

async function http(user: string, host: string, path: string, body?: unknown): Promise<unknown> {
  const authorization = `Basic ${Buffer.from(`${user}:${PASSWORD}`).toString('base64')}`;
  const headers = { authorization, host: NAME, 'content-type': 'application/json' };
  const method = body === undefined ? 'GET' : 'POST';
  const call = request({ ...tls(), host, port: 443, path, method, headers });
  call.end(body === undefined ? undefined : JSON.stringify(body));
  const [answer] = (await once(call, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of answer) text += String(chunk);
  if (answer.statusCode === 200) return JSON.parse(text);
  throw new Error(`${path}: ${answer.statusCode} ${text.slice(0, 300)}`);
}

/** Makes users of `example.test` on a volume. @returns their addresses */
export async function addUsers(
  names: readonly string[],
  volume = 'mail1',
): Promise<readonly string[]> {
  const [host = ''] = await hostsOf('frontends');
  const users = names.map((name) => `${name}@example.test`);
  for (const user of users) {
    const there = await mailfarm(host, `user show ${user}`).then(
      () => true,
      () => false,
    );
    if (there) continue; // An earlier run with the same hosts.
    await mailfarm(host, `user add ${user} --password-stdin --volume ${volume}`, PASSWORD);
  }
  return users;
}

/** Resolves when every front end says that it is ready, and the balancers' address leads to one. */
export async function whole(): Promise<void> {
  const until = performance.now() + WHOLE_MS;
  for (const host of await hostsOf('frontends')) {
    await soon(until, `${host} is not ready`, async () => (await at(host, READY)).code === 0);
  }
  await greeted(SERVICE.v4);
}

/** Resolves when somebody says 220 to SMTP there, who is asked again and again. */
export async function greeted(host: string): Promise<void> {
  const until = performance.now() + WHOLE_MS;
  await soon(until, `nobody is behind ${host}`, () =>
    // A host that lost its power answers nothing, and the next question may be heard by another.
    Promise.race([greets(host), sleep(GREETING_MS, false)]),
  );
}
const GREETING_MS = 2000;

async function greets(host: string): Promise<boolean> {
  const { chat, greeting } = await SmtpChat.open(place(25, host, false));
  chat.stream.destroy();
  return greeting.code === 220;
}
const WHOLE_MS = 600_000;
/** Its health is asked where it stands: at its private address. */
const READY =
  "a=$(ip -4 -o address show to 10.0.0.0/8 | awk '{print $4}' | cut -d/ -f1 | head -n1); " +
  'curl -sf -m 20 http://$a:9180/health/ready';

async function soon(until: number, trouble: string, look: () => Promise<boolean>): Promise<void> {
  while (!(await look().catch(() => false))) {
    if (performance.now() > until) throw new Error(`${trouble} after minutes`);
    await sleep(1000);
  }
}
