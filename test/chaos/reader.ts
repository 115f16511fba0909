import type { Box, Ledger } from './ledger.ts';
import { ConnectionLost, Wire } from './wire.ts';

export interface ReaderOptions {
  readonly ledger: Ledger;
  readonly port: number;
  readonly password: string;
  readonly random: () => number;
  readonly running: () => boolean;
  readonly pause: (ms: number) => Promise<void>;
}

/** Temporary by its own words, or not logged in because the service goes away. */
const temporary = (line: string): boolean => /^-ERR \[(SYS\/TEMP|IN-USE|LOGIN-DELAY)\]/.test(line);

class Session {
  readonly wire: Wire;
  readonly box: Box;
  uidls: string[] = [];
  constructor(port: number, box: Box) {
    this.wire = new Wire(port);
    this.box = box;
  }
  async open(password: string, ledger: Ledger): Promise<boolean> {
    if (!(await this.wire.line()).startsWith('+OK')) return false;
    this.wire.write(`USER ${this.box.user}\r\n`);
    await this.wire.line();
    this.wire.write(`PASS ${password}\r\n`);
    const answer = await this.wire.line();
    if (!answer.startsWith('+OK')) {
      if (!temporary(answer)) ledger.violated(`${this.box.user}: refused login with "${answer}"`);
      return false;
    }
    this.wire.write('UIDL\r\n');
    const status = await this.wire.line();
    if (!status.startsWith('+OK')) return false;
    const lines = (await this.wire.block()).toString('latin1').split('\r\n').filter(Boolean);
    this.uidls = lines.map((line) => line.split(' ')[1] ?? '');
    return true;
  }
  /** @returns the message, or undefined when the server says that it is gone or cannot be had. */
  async retrieve(number: number): Promise<Buffer | undefined> {
    this.wire.write(`RETR ${number}\r\n`);
    return (await this.wire.line()).startsWith('+OK') ? await this.wire.block() : undefined;
  }
}

/**
 * Does this session show every letter that must be there? Only letters already seen have a UIDL.
 */
function checkPresence(
  ledger: Ledger,
  box: Box,
  uidls: readonly string[],
  before: ReadonlySet<string>,
): void {
  const shown = new Set(uidls);
  for (const uidl of before) {
    if (!shown.has(uidl) && !box.deletionAsked.has(uidl)) {
      ledger.violated(`${box.user}: ${uidl} was there, nobody deleted it, and it is not shown`);
    }
  }
}

async function session(options: ReaderOptions, box: Box): Promise<void> {
  const { ledger, random } = options;
  const before = new Set(box.known.keys());
  const pop = new Session(options.port, box);
  try {
    if (!(await pop.open(options.password, ledger))) return;
    checkPresence(ledger, box, pop.uidls, before);
    const deletions: string[] = [];
    for (const [index, uidl] of pop.uidls.entries()) {
      const known = box.known.has(uidl);
      if (known && random() > 0.05) continue;
      const message = await pop.retrieve(index + 1);
      if (message) ledger.fetched(box, uidl, message);
      if (message && random() < 0.3) {
        pop.wire.write(`DELE ${index + 1}\r\n`);
        if ((await pop.wire.line()).startsWith('+OK')) deletions.push(uidl);
      }
    }
    for (const uidl of deletions) box.deletionAsked.add(uidl);
    pop.wire.write('QUIT\r\n');
    if ((await pop.wire.line()).startsWith('+OK'))
      for (const uidl of deletions) box.deleted.add(uidl);
  } catch (error) {
    if (!(error instanceof ConnectionLost)) throw error;
  } finally {
    pop.wire.close();
  }
}

/** Reads mailboxes at random, deleting some of what it has seen. */
export async function readMailboxes(options: ReaderOptions): Promise<void> {
  const boxes = [...options.ledger.boxes.values()];
  while (options.running()) {
    const box = boxes[Math.floor(options.random() * boxes.length)];
    if (box) await session(options, box);
    await options.pause(50 + options.random() * 200);
  }
}

/**
 * The last look: fetches what was never fetched and judges. Tries again while the farm comes back.
 */
export async function judgeMailbox(options: ReaderOptions, box: Box): Promise<void> {
  for (let tries = 0; tries < 60; tries++) {
    const pop = new Session(options.port, box);
    try {
      if (await pop.open(options.password, options.ledger)) {
        for (const [index, uidl] of pop.uidls.entries()) {
          const message = await pop.retrieve(index + 1);
          if (!message) throw new ConnectionLost('RETR failed');
          options.ledger.fetched(box, uidl, message);
        }
        return options.ledger.judge(box, pop.uidls);
      }
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error;
    } finally {
      pop.wire.close();
    }
    await options.pause(500);
  }
  options.ledger.violated(`${box.user}: could not be read in the end`);
}
