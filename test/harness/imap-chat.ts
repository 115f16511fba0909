import { type Connection, LineStream } from './chat.ts';

/** One untagged response: its text, and its literals in order (RFC 3501 §4.3). */
export interface ImapResponse {
  readonly text: string;
  readonly literals: readonly Buffer[];
}

export interface ImapAnswer {
  readonly status: 'OK' | 'NO' | 'BAD';
  readonly text: string;
  readonly untagged: readonly ImapResponse[];
}

/** Enough of an IMAP client to ask peers what they see in a Maildir (RFC 3501). */
export class ImapChat {
  readonly stream: LineStream;
  #tag = 0;

  constructor(stream: LineStream) {
    this.stream = stream;
  }

  /** Connects, and signs in unless the server greets with PREAUTH. */
  static async login(to: Connection, user: string, password: string): Promise<ImapChat> {
    const chat = new ImapChat(await LineStream.open(to));
    const greeting = await chat.#response();
    if (!greeting.text.startsWith('* PREAUTH')) await chat.ok(`LOGIN "${user}" "${password}"`);
    return chat;
  }

  /** Reads to the end of one response; the text has `{}` where a literal was. */
  async #response(): Promise<ImapResponse> {
    const literals: Buffer[] = [];
    let text = '';
    for (;;) {
      const line = await this.stream.line();
      if (line === undefined) throw new Error(`closed after ${text}`);
      const part = line.toString('latin1');
      const size = /\{(\d+)\}$/.exec(part)?.[1];
      if (size === undefined) return { text: text + part, literals };
      text += part.replace(/\{\d+\}$/, '{}');
      literals.push(await this.stream.octets(Number(size)));
    }
  }

  /** Sends a command, with a literal at its end when one is given, and reads its answer. */
  async command(line: string, literal?: Uint8Array): Promise<ImapAnswer> {
    const tag = `t${++this.#tag}`;
    const size = literal === undefined ? '' : ` {${literal.length}}`;
    this.stream.write(`${tag} ${line}${size}\r\n`);
    const untagged: ImapResponse[] = [];
    for (;;) {
      const response = await this.#response();
      const { text } = response;
      if (text.startsWith('+ ') && literal !== undefined) {
        this.stream.write(Buffer.concat([literal, Buffer.from('\r\n')]));
      } else if (text.startsWith(`${tag} `)) {
        const [, status, rest = ''] = /^\S+ (OK|NO|BAD)(.*)$/.exec(text) ?? [];
        if (status === undefined) throw new Error(`not a status: ${text}`);
        return { status: status as ImapAnswer['status'], text: rest.trim(), untagged };
      } else {
        untagged.push(response);
      }
    }
  }

  /** As `command`. @throws Error unless the answer is OK. */
  async ok(line: string, literal?: Uint8Array): Promise<readonly ImapResponse[]> {
    const answer = await this.command(line, literal);
    if (answer.status !== 'OK') throw new Error(`${line}: ${answer.status} ${answer.text}`);
    return answer.untagged;
  }

  /** Every message of the selected folder: flags without \Recent, sorted, and the octets. */
  async messages(): Promise<{ readonly flags: readonly string[]; readonly octets: Buffer }[]> {
    const found = [];
    for (const { text, literals } of await this.ok('UID FETCH 1:* (FLAGS BODY.PEEK[])')) {
      const flags = /FLAGS \(([^)]*)\)/.exec(text)?.[1];
      if (flags === undefined) continue;
      const names = flags.split(' ').filter((flag) => flag !== '' && flag !== '\\Recent');
      // An empty message comes as "" or {0}.
      found.push({ flags: names.toSorted(), octets: literals[0] ?? Buffer.alloc(0) });
    }
    return found;
  }

  /** Folders that can be selected. */
  async folders(): Promise<string[]> {
    const names = [];
    for (const { text } of await this.ok('LIST "" "*"')) {
      const match = /^\* LIST \(([^)]*)\) (?:"[^"]*"|NIL) "?([^"]*)"?$/.exec(text);
      if (match !== null && !/\\no(select|nexistent)/i.test(match[1] ?? '')) {
        names.push(match[2] ?? '');
      }
    }
    return names.toSorted();
  }

  async logout(): Promise<void> {
    await this.command('LOGOUT');
    await this.stream.closed();
  }
}
