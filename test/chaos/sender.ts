import { letterHash, type Ledger, type Letter } from './ledger.ts';
import { ConnectionLost, Wire } from './wire.ts';

export interface SenderOptions {
  readonly ledger: Ledger;
  readonly port: number;
  readonly users: readonly string[];
  readonly lane: number;
  readonly random: () => number;
  readonly running: () => boolean;
  readonly pause: (ms: number) => Promise<void>;
}

function makeLetter(options: SenderOptions, n: number): { letter: Letter; wire: Buffer } {
  const { random, users } = options;
  const id = `${options.lane}-${n}`;
  const octets = random() < 0.02 ? 2_000_000 : Math.floor(200 + random() * 8000);
  const count = random() < 0.2 ? 3 : 1;
  const first = Math.floor(random() * users.length);
  const recipients = Array.from({ length: count }, (_, i) => users[(first + i) % users.length]!);
  const line = `${'.'.repeat(1 + (n % 3))}line of ${id} ${'x'.repeat(50)}\r\n`;
  const body = line.repeat(Math.ceil(octets / line.length));
  const payload = `X-Chaos-Id: ${id}\r\nSubject: ${id}\r\nFrom: w@w.example\r\n\r\n${body}`;
  const letter: Letter = {
    id,
    recipients: [...new Set(recipients)],
    hash: letterHash(Buffer.from(payload, 'latin1')),
    unknown: 0,
    acknowledgedAt: undefined,
  };
  return { letter, wire: Buffer.from(`${payload.replace(/^\./gm, '..')}.\r\n`, 'latin1') };
}

/** One attempt. @returns true when it was acknowledged. */
async function attempt(port: number, letter: Letter, content: Buffer): Promise<boolean> {
  const wire = new Wire(port);
  let ending = false;
  try {
    const ask = async (text: string): Promise<boolean> => {
      wire.write(text);
      return /^[23]/.test(await wire.reply());
    };
    if (!(await wire.reply()).startsWith('220')) return false;
    if (!(await ask('EHLO chaos.example\r\n'))) return false;
    if (!(await ask('MAIL FROM:<w@w.example>\r\n'))) return false;
    for (const to of letter.recipients) if (!(await ask(`RCPT TO:<${to}>\r\n`))) return false;
    if (!(await ask('DATA\r\n'))) return false;
    ending = true;
    wire.write(content);
    const reply = await wire.reply();
    if (reply.startsWith('250')) {
      wire.write('QUIT\r\n');
      return true;
    }
    letter.unknown++;
    return false;
  } catch (error) {
    if (ending) letter.unknown++;
    if (error instanceof ConnectionLost) return false;
    throw error;
  } finally {
    wire.close();
  }
}

/** Sends letter after letter, each again until it is acknowledged, as every MTA does. */
export async function sendLetters(options: SenderOptions): Promise<void> {
  for (let n = 0; options.running(); n++) {
    const { letter, wire } = makeLetter(options, n);
    options.ledger.letters.set(letter.id, letter);
    while (options.running()) {
      if (await attempt(options.port, letter, wire)) {
        letter.acknowledgedAt = performance.now();
        break;
      }
      await options.pause(100 + options.random() * 300);
    }
  }
}
