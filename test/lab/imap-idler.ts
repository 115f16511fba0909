/** A session that waits in IDLE and keeps each line that it is told. */
import type { ImapChat } from '../harness/imap-chat.ts';

const LIMIT_MS = 600_000;

export class Idler {
  readonly told: string[] = [];
  readonly #chat: ImapChat;
  #ended: Promise<void> | undefined;

  private constructor(chat: ImapChat) {
    this.#chat = chat;
  }

  /** Resolves when the server says that it watches. */
  static async begin(chat: ImapChat): Promise<Idler> {
    const idler = new Idler(chat);
    chat.stream.write('idle IDLE\r\n');
    const first = (await chat.stream.line(LIMIT_MS))?.toString('latin1');
    if (first !== '+ idling') throw new Error(`IDLE: ${first}`);
    idler.#ended = idler.#read();
    return idler;
  }

  async #read(): Promise<void> {
    for (;;) {
      const line = (await this.#chat.stream.line(LIMIT_MS))?.toString('latin1');
      if (line === undefined || line.startsWith('idle ')) return;
      this.told.push(line);
    }
  }

  /** What matches, in order. */
  of(pattern: RegExp): string[] {
    return this.told.filter((line) => pattern.test(line));
  }

  async end(): Promise<void> {
    this.#chat.stream.write('DONE\r\n');
    await this.#ended;
  }
}

/** UID to a word of the message: what it is, whatever number it has. */
export async function serialsOf(chat: ImapChat): Promise<ReadonlyMap<number, string>> {
  const rows = await chat.ok('UID FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (X-SERIAL)])');
  const found = new Map<number, string>();
  for (const { text, literals } of rows) {
    const uid = Number(/UID (\d+)/.exec(text)?.[1] ?? NaN);
    const serial = /X-Serial: (\S+)/i.exec(literals[0]?.toString('latin1') ?? '')?.[1];
    if (!Number.isNaN(uid) && serial !== undefined) found.set(uid, serial);
  }
  return found;
}

/** UID to flags, sorted, without \Recent. */
export async function flagsOf(chat: ImapChat): Promise<ReadonlyMap<number, string>> {
  const found = new Map<number, string>();
  for (const { text } of await chat.ok('UID FETCH 1:* (UID FLAGS)')) {
    const uid = Number(/UID (\d+)/.exec(text)?.[1] ?? NaN);
    const flags = /FLAGS \(([^)]*)\)/.exec(text)?.[1]?.split(' ') ?? [];
    if (Number.isNaN(uid)) continue;
    found.set(
      uid,
      flags
        .filter((flag) => flag !== '\\Recent')
        .toSorted()
        .join(' '),
    );
  }
  return found;
}

/** A number that SELECT or EXAMINE told: `UIDVALIDITY`, `HIGHESTMODSEQ`, `UIDNEXT`. */
export function codeOf(untagged: readonly { readonly text: string }[], name: string): number {
  for (const { text } of untagged) {
    const found = new RegExp(`\\[${name} (\\d+)\\]`).exec(text)?.[1];
    if (found !== undefined) return Number(found);
  }
  throw new Error(`no ${name} in ${untagged.map(({ text }) => text).join(' / ')}`);
}

export const simpleLetter = (serial: string, octets = 0): Buffer =>
  Buffer.from(
    [
      `Subject: ${serial}\r\nX-Serial: ${serial}\r\n\r\n`,
      `${'x'.repeat(76)}\r\n`.repeat(octets / 78),
      '\r\n',
    ].join(''),
  );
