/** Mailboxes that the bench measures with, written as files for both servers alike. */
import { chownSync, linkSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MAIL_GID, MAIL_UID } from '../harness/peers.ts';

/** Users of a kind, messages of each, octets of a message. */
export interface Box {
  readonly users: number;
  readonly messages: number;
  readonly octets: number;
}

export const namesOf = (kind: string, box: Box): string[] =>
  Array.from({ length: box.users }, (_, i) => `${kind}${i}@example.test`);

/** ext4 takes 65,000 names of one file; larger mailboxes would be gigabytes. */
const NAMES_OF_A_FILE = 60_000;

/** A letter as they come: a dozen header fields, addresses in two of them, text of two parts. */
function letter(n: number, octets: number): string {
  const head = [
    'Return-Path: <bounce@lists.example>',
    `Received: from mx${n % 7}.sender.example (mx.sender.example [192.0.2.${n % 250}])`,
    `\tby front.example.test with ESMTPS id q${n}`,
    '\tfor <bench@example.test>; Sun, 22 Nov 2026 10:00:00 +0000',
    `From: "Anna Beispiel ${n}" <anna${n % 100}@sender.example>`,
    'To: "Bench, the" <bench@example.test>, =?utf-8?q?Zo=C3=AB?= <zoe@example.test>',
    'Cc: list@lists.example',
    `Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= number ${n} about the same things as before`,
    `Date: Sun, 22 Nov 2026 10:${String(n % 60).padStart(2, '0')}:00 +0100`,
    `Message-ID: <${n}.bench@sender.example>`,
    `In-Reply-To: <${n - 1}.bench@sender.example>`,
    `References: <${n - 2}.bench@sender.example> <${n - 1}.bench@sender.example>`,
    'MIME-Version: 1.0',
    'Content-Type: multipart/alternative; boundary="next"',
    'X-Mailer: bench',
  ].join('\n');
  const plain = '\n\n--next\nContent-Type: text/plain; charset=utf-8\n\nHello.\n\n--next\n';
  const start = `${head}${plain}Content-Type: text/html; charset=utf-8\n\n`;
  const end = '\n--next--\n';
  const line = `${'x'.repeat(71)}\n`;
  const room = Math.max(0, octets - start.length - end.length);
  return start + line.repeat(Math.ceil(room / line.length)).slice(0, room) + end;
}

/** Fills `cur` with as many as the box says, named with sizes as Dovecot and we name them. */
export function writeMessages(maildir: string, box: Box, owner: 'mail' | 'root'): void {
  for (const sub of ['', 'tmp', 'new', 'cur']) {
    mkdirSync(join(maildir, sub), { recursive: true });
    if (owner === 'mail') chownSync(join(maildir, sub), MAIL_UID, MAIL_GID);
  }
  const linked = box.messages >= 100_000;
  let first = '';
  for (let n = 0; n < box.messages; n++) {
    const text = linked && n % NAMES_OF_A_FILE !== 0 ? '' : letter(linked ? 7 : n, box.octets);
    const octets = linked ? letter(7, box.octets).length : text.length;
    const lines = (text === '' ? letter(7, box.octets) : text).split('\n').length - 1;
    const name = `${1_700_000_000 + n}.M${n}P1Q${n}R1.bench,S=${octets},W=${octets + lines}:2,`;
    const file = join(maildir, 'cur', name);
    if (text === '') linkSync(first, file);
    else {
      writeFileSync(file, text, { mode: 0o600 });
      if (owner === 'mail') chownSync(file, MAIL_UID, MAIL_GID);
      first = file;
    }
  }
}
