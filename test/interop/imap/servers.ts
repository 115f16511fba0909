/**
 * What the IMAP clients of others are tried against: Dovecot first, which shows that a test can be
 * passed, and our farm.
 */
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, expect } from 'vitest';
import { testDirectory } from '../../harness/directory.ts';
import { startFarm } from '../../harness/farm.ts';
import { ImapChat } from '../../harness/imap-chat.ts';
import { maildirOf } from '../../harness/maildir-of.ts';
import { needs } from '../../harness/needs.ts';
import { makeCertificate, runInPeers, startDovecot } from '../../harness/peers.ts';
import { SmtpChat } from '../../harness/smtp-chat.ts';
import { SERVICES } from '../../../src/roles/services.ts';
import { hashOf } from '../mailbox.ts';

/** A login and where it goes: all that a client is told. */
export interface ImapLogin {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** IMAP over TLS from the first byte, for `localhost`, and who signed its certificate. */
  readonly imaps: number;
  readonly authority: string;
}

export interface ImapServer {
  readonly name: string;
  /** A user of a test's own, whose mailbox holds one letter, and where that lies. */
  user(name: string): Promise<ImapLogin & { readonly maildir: string }>;
  /** Another letter, by LMTP. */
  deliver(user: string, wire: Buffer): Promise<void>;
  stop(): Promise<unknown>;
}

const PASSWORD = 'demo';
export const FIRST = Buffer.from('From: a@sender.example\r\nSubject: first\r\n\r\nThe first.\r\n');

async function lmtp(port: number, user: string, wire: Buffer): Promise<void> {
  const { chat } = await SmtpChat.open({ port });
  await chat.hello('LHLO');
  const reply = await chat.send('a@sender.example', [user], wire);
  await chat.quit();
  if (reply.code !== 250) throw new Error(`${user}: ${reply.code} ${reply.text}`);
}

const temporary = (): string => {
  const directory = mkdtempSync(join(tmpdir(), 'mailfarm-imap-'));
  chmodSync(directory, 0o711);
  return directory;
};
const DOVECOT_USERS = 30;

/** Its users are made before it starts; a test takes the next one. */
async function dovecot(): Promise<ImapServer> {
  const directory = temporary();
  const mail = join(directory, 'mail');
  mkdirSync(mail);
  chmodSync(mail, 0o777);
  const names = Array.from({ length: DOVECOT_USERS }, (_, i) => `user${i}@example.test`);
  const tls = await makeCertificate(directory);
  const users = Object.fromEntries(names.map((name) => [name, PASSWORD]));
  const server = await startDovecot({ directory, maildir: `${mail}/%u`, users, tls });
  const { imap: port, imaps } = server;
  return {
    name: 'Dovecot',
    user: async () => {
      const user = names.shift();
      if (user === undefined) throw new Error('no user is left: raise DOVECOT_USERS');
      await lmtp(server.lmtp, user, FIRST);
      const to = { host: '127.0.0.1', port, imaps, authority: tls.certificate };
      return { ...to, user, password: PASSWORD, maildir: join(mail, user) };
    },
    deliver: (user, wire) => lmtp(server.lmtp, user, wire),
    stop: async () => {
      await server.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function farm(): Promise<ImapServer> {
  const directory = temporary();
  const running = await startFarm({ dir: join(directory, 'farm') });
  const { imap: port, imaps } = running.ports;
  const user: ImapServer['user'] = async (name) => {
    const login = `${name}@example.test`;
    const added = await running.command(['user', 'add', login, '--password-stdin'], PASSWORD);
    if (added.code !== 0) throw new Error(added.stderr);
    await lmtp(running.ports.lmtp, login, FIRST);
    const maildir = await maildirOf(running, login);
    const to = { host: '127.0.0.1', port, imaps, authority: running.authority };
    return { ...to, user: login, password: PASSWORD, maildir };
  };
  return {
    name: 'the farm',
    user,
    deliver: (login, wire) => lmtp(running.ports.lmtp, login, wire),
    stop: async () => {
      await running.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Whom the clients are tried against. The farm is among them as soon as it has the service. */
export const SERVERS: Readonly<Record<string, () => Promise<ImapServer>>> = {
  Dovecot: dovecot,
  ...('imap' in SERVICES ? { 'the farm': farm } : {}),
};

/** A message as a folder shows it: hash of its octets, system flags and keywords, both sorted. */
export interface Seen {
  readonly hash: string;
  readonly flags: readonly string[];
  readonly keywords: readonly string[];
}
export type View = Readonly<Record<string, readonly Seen[]>>;

const order = (a: Seen, b: Seen): number => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
export const sortedView = (messages: readonly Seen[]): Seen[] => messages.toSorted(order);

export const chatTo = (login: ImapLogin): Promise<ImapChat> =>
  ImapChat.login({ port: login.port, host: login.host }, login.user, login.password);

/**
 * Every folder with every message, by a client of ours that only looks. `form` takes away what a
 * program adds.
 */
export async function viewOf(
  login: ImapLogin,
  form = (wire: Buffer): Buffer => wire,
): Promise<View> {
  const chat = await chatTo(login);
  const view: Record<string, Seen[]> = {};
  for (const folder of await chat.folders()) {
    await chat.ok(`EXAMINE "${folder}"`);
    const messages = await chat.messages();
    view[folder] = sortedView(
      messages.map(({ flags, octets }) => ({
        hash: hashOf(form(octets)),
        flags: flags.filter((flag) => flag.startsWith('\\')),
        keywords: flags.filter((flag) => !flag.startsWith('\\')),
      })),
    );
  }
  await chat.logout();
  return view;
}

/** Without folders that hold nothing: one side may have made some of its own. */
export const filled = (view: View): View =>
  Object.fromEntries(Object.entries(view).filter(([, messages]) => messages.length > 0));

export const withoutKeywords = (view: View): View =>
  Object.fromEntries(
    Object.entries(view).map(([folder, messages]) => [
      folder,
      sortedView(messages.map((message) => ({ ...message, keywords: [] }))),
    ]),
  );

/** A Dovecot that reads a copy of a Maildir and knows nothing else of it. */
export async function dovecotReads(ctx: TestContext, maildir: string): Promise<View> {
  const directory = testDirectory(ctx);
  const copy = join(directory, 'mail');
  cpSync(maildir, copy, { recursive: true });
  for (const at of readdirSync(copy, { recursive: true, encoding: 'utf8' })) {
    if (/(^|\/)dovecot[^/]*(index|uidlist)[^/]*$/.test(at)) rmSync(join(copy, at));
  }
  await runInPeers(['chown', '-R', 'mail:mail', copy], { bind: [directory] });
  const users = { reader: PASSWORD };
  const server = await startDovecot({ directory, maildir: copy, users });
  ctx.onTestFinished(() => server.stop());
  const to = { host: '127.0.0.1', port: server.imap, imaps: 0, authority: '' };
  return viewOf({ ...to, user: 'reader', password: PASSWORD });
}

/** What the server shows is what Dovecot finds in the files; keywords of ours are not in them. */
export async function expectFilesAgree(
  ctx: TestContext,
  login: ImapLogin & { readonly maildir: string },
): Promise<void> {
  needs(ctx, 'dovecot');
  const told = withoutKeywords(filled(await viewOf(login)));
  const read = withoutKeywords(filled(await dovecotReads(ctx, login.maildir)));
  expect(read).toEqual(told);
}
