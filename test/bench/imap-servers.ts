/** The two servers of `npm run bench -- imap`, with the same mailboxes. */
import { chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { startFarm } from '../harness/farm.ts';
import { maildirOf } from '../harness/maildir-of.ts';
import { has } from '../harness/needs.ts';
import { MAIL_GID, MAIL_UID, startDovecot } from '../harness/peers.ts';
import { addUsers, type BenchContext } from './context.ts';
import { type Box, namesOf, writeMessages } from './imap-mail.ts';
import { smtpLoad } from './smtp-load.ts';

export interface ImapServer {
  readonly name: 'ours' | 'dovecot';
  readonly pid: number;
  readonly imap: number;
  readonly lmtp: number;
  stop(): Promise<unknown>;
}

export type Boxes = Readonly<Record<string, Box>>;

const PASSWORD = 'demo';
export const usersOf = (kind: string, box: Box): { name: string; password: string }[] =>
  namesOf(kind, box).map((name) => ({ name, password: PASSWORD }));

const namesOfAll = (boxes: Boxes): string[] =>
  Object.entries(boxes).flatMap(([kind, box]) => namesOf(kind, box));

/** The farm; its users get a letter by SMTP, which makes their mailboxes, and the rest as files. */
async function startOurs(context: BenchContext, boxes: Boxes): Promise<ImapServer> {
  const farm = await startFarm({ dir: join(context.dir, 'farm') });
  try {
    const names = namesOfAll(boxes);
    await addUsers(farm, names);
    const common = { port: farm.ports.smtp, host: '127.0.0.1', connections: 8 };
    await smtpLoad({
      ...common,
      perConnection: 100,
      messages: names.length,
      recipients: names,
      size: 2000,
    });
    for (const [kind, box] of Object.entries(boxes)) {
      if (box.messages === 0) continue;
      for (const login of namesOf(kind, box)) {
        const rest = { ...box, messages: box.messages - 1 };
        writeMessages(await maildirOf(farm, login), rest, 'root');
      }
    }
  } catch (error) {
    await farm.stop();
    throw error;
  }
  const { imap, lmtp } = farm.ports;
  return { name: 'ours', pid: farm.pid, imap, lmtp, stop: () => farm.stop() };
}

async function startPeer(
  context: BenchContext,
  boxes: Boxes,
  tuned: true | 'hibernating',
): Promise<ImapServer> {
  const mail = join(context.dir, 'dovecot-mail');
  mkdirSync(mail, { recursive: true });
  chownSync(mail, MAIL_UID, MAIL_GID);
  for (const [kind, box] of Object.entries(boxes)) {
    for (const user of namesOf(kind, box)) writeMessages(join(mail, user), box, 'mail');
  }
  const server = await startDovecot({
    directory: context.dir,
    maildir: `${mail}/%u`,
    users: Object.fromEntries(namesOfAll(boxes).map((user) => [user, PASSWORD])),
    tuned,
  });
  const { imap, lmtp } = server;
  return { name: 'dovecot', pid: server.process.pid, imap, lmtp, stop: () => server.stop() };
}

export interface ImapPair {
  readonly ours: ImapServer | undefined;
  readonly peer: ImapServer | undefined;
}

/** Starts both, works, stops both. `only` leaves the other one out. */
export async function withServers(
  context: BenchContext,
  boxes: Boxes,
  tuned: true | 'hibernating',
  work: (pair: ImapPair) => Promise<void>,
): Promise<void> {
  const started: ImapServer[] = [];
  try {
    const ours = context.only === 'dovecot' ? undefined : await startOurs(context, boxes);
    if (ours) started.push(ours);
    const wanted = context.only !== 'ours' && has('dovecot');
    const peer = wanted ? await startPeer(context, boxes, tuned) : undefined;
    if (peer) started.push(peer);
    await work({ ours, peer });
  } finally {
    for (const server of started) await server.stop();
  }
}
