/** One POP3 session, each answer looked at hard. What it means for letters, the judge says. */
import { now } from './options.ts';
import { Lost, Wire } from './wire.ts';

/** -ERR that says of itself that it is temporary (RFC 2449, RFC 3206). */
export const TEMPORARY = /^-ERR \[(SYS\/TEMP|IN-USE|LOGIN-DELAY)\]/;

/** The server cannot at the moment, and says so. */
export class Unavailable extends Error {}

/** The server said what it must not. */
export class Wrong extends Error {
  readonly kind: 'wrong-login' | 'wrong-answer' | 'listing' | 'uidl-reused';
  constructor(kind: Wrong['kind'], text: string) {
    super(text);
    this.kind = kind;
  }
}

export interface View {
  /** Before the login was asked for. */
  readonly from: number;
  /** When all of the listing was read. */
  readonly until: number;
  /** Unique id to octets, in the order of numbers. */
  readonly rows: ReadonlyMap<string, number>;
}

export class Pop3 {
  readonly #wire: Wire;
  readonly #ms: number;

  private constructor(wire: Wire, ms: number) {
    this.#wire = wire;
    this.#ms = ms;
  }

  /** @throws Lost, Unavailable */
  static async connect(frontEnd: string, connectMs: number, answerMs: number): Promise<Pop3> {
    const pop = new Pop3(await Wire.open(frontEnd, connectMs), answerMs);
    try {
      const greeting = await pop.#wire.line(answerMs);
      if (!greeting.startsWith('+OK')) throw new Unavailable(greeting);
    } catch (error) {
      pop.close();
      throw error;
    }
    return pop;
  }

  /** Logs in and lists. @throws Lost, Unavailable, Wrong */
  async view(login: string, password: string): Promise<View> {
    const user = await this.#ask(`USER ${login}`);
    if (!user.startsWith('+OK')) throw refusal('wrong-login', user);
    const from = now();
    const pass = await this.#ask(`PASS ${password}`);
    if (!pass.startsWith('+OK')) throw refusal('wrong-login', pass);
    const [, count, total] = /^\+OK (\d+) (\d+)/.exec(await this.#good('STAT')) ?? [];
    const list = await this.#rows('LIST', /^(\d+) (\d+)$/);
    const uidl = await this.#rows('UIDL', /^(\d+) ([!-~]{1,70})$/);
    const until = now();
    const sum = list.reduce((octets, size) => octets + Number(size), 0);
    if (Number(count) !== list.length || list.length !== uidl.length || Number(total) !== sum) {
      const text =
        `STAT says ${count} messages of ${total} octets, LIST ${list.length} of ${sum}, ` +
        `UIDL ${uidl.length}`;
      throw new Wrong('listing', text);
    }
    const rows = new Map(uidl.map((id, i) => [id, Number(list[i])]));
    if (rows.size === uidl.length) return { from, until, rows };
    const twice = uidl.find((id, i) => uidl.indexOf(id) !== i);
    throw new Wrong('uidl-reused', `UIDL has ${twice} for two messages`);
  }

  /** @returns the message, or the words with which it was refused. @throws Lost, Wrong */
  async retrieve(number: number): Promise<Buffer | string> {
    const answer = await this.#ask(`RETR ${number}`);
    if (answer.startsWith('-ERR')) return answer;
    if (!answer.startsWith('+OK')) throw new Wrong('wrong-answer', `RETR: ${answer}`);
    return this.#wire.block(this.#ms);
  }

  /** @throws Lost, Unavailable, Wrong */
  async delete(number: number): Promise<void> {
    await this.#good(`DELE ${number}`);
  }

  /** Sends QUIT. @returns whether all deletions were confirmed. @throws Lost, Wrong */
  async quit(): Promise<boolean> {
    const answer = await this.#ask('QUIT');
    if (answer.startsWith('+OK')) return true;
    if (TEMPORARY.test(answer)) return false;
    throw new Wrong('wrong-answer', `QUIT: ${answer}`);
  }

  /** Without QUIT: nothing may be deleted. */
  close(): void {
    this.#wire.close();
  }

  #ask(line: string): Promise<string> {
    this.#wire.write(`${line}\r\n`);
    return this.#wire.line(this.#ms);
  }

  async #good(line: string): Promise<string> {
    const answer = await this.#ask(line);
    if (answer.startsWith('+OK')) return answer;
    throw refusal('wrong-answer', answer, line);
  }

  /** The second words of a listing whose first must be 1, 2, 3, … */
  async #rows(command: string, pattern: RegExp): Promise<string[]> {
    await this.#good(command);
    const lines = (await this.#wire.block(this.#ms)).toString('latin1').split('\r\n').slice(0, -1);
    return lines.map((line, i) => {
      const found = pattern.exec(line);
      if (Number(found?.[1]) !== i + 1) {
        throw new Wrong('listing', `row ${i + 1} of ${command} is "${line.slice(0, 100)}"`);
      }
      return found?.[2] ?? '';
    });
  }
}

function refusal(kind: Wrong['kind'], answer: string, line = 'login'): Error {
  if (TEMPORARY.test(answer)) return new Unavailable(answer);
  return new Wrong(kind, `${line} was answered with "${answer}"`);
}

export { Lost };
