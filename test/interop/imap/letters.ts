import type { ImapChat } from '../../harness/imap-chat.ts';
import { letters } from '../mailbox.ts';

/**
 * Letters of every kind that any client and server can carry unchanged: no literal of IMAP holds
 * NUL; clients take a bare CR for a line end.
 */
export function plainLetters(count: number): Buffer[] {
  const fit = letters().filter((wire) => {
    const text = wire.toString('latin1');
    const end = text.indexOf('\r\n\r\n');
    return end > 0 && !text.includes('\0') && !/\r(?!\n)/.test(text) && /^[A-Za-z-]+:/.test(text);
  });
  return Array.from({ length: count }, (_, i) => {
    const wire = fit[i % fit.length];
    if (wire === undefined) throw new Error('no letters');
    // Each with a name of its own: copies would hide a message that is there twice.
    return Buffer.concat([Buffer.from(`X-Number: ${i}\r\n`), wire]);
  });
}

export const named = (subject: string, text = 'A line.'): Buffer =>
  Buffer.from(
    [
      'From: "Anna" <anna@sender.example>',
      'To: bench@example.test',
      `Subject: ${subject}`,
      'Date: Sun, 22 Nov 2026 10:00:00 +0000',
      `Message-ID: <${subject}@sender.example>`,
      '',
      text,
      '',
    ].join('\r\n'),
  );

const DATE = '"22-Nov-2026 10:00:00 +0000"';

/** APPENDs all of them, with the flags given. */
export async function append(
  chat: ImapChat,
  folder: string,
  wires: readonly Buffer[],
  flags = '',
): Promise<void> {
  for (const wire of wires) await chat.ok(`APPEND "${folder}" (${flags}) ${DATE}`, wire);
}
