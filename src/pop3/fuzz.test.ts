import { expect, test } from 'vitest';
import { seededRandom } from '../../test/fixtures/random.ts';
import { collectingLogger, type LogLine } from '../log/testing.ts';
import { testTls } from '../smtp/testing/certificate.ts';
import { StrictClient } from './testing/client.ts';
import { startServer } from './testing/server.ts';
import { FaultyStore } from './testing/store.ts';

const SEED = Number(process.env['FUZZ_SEED'] ?? 1);
const RUNS = Number(process.env['MAILFARM_FUZZ_RUNS'] ?? 4_000);

// `CAPA` alone is the probe and must not be in here; nor STLS, whose server waits for a handshake.
const WORDS = [
  'USER',
  'PASS',
  'AUTH',
  'AUTH PLAIN',
  'AUTH PLAIN =',
  'UTF8',
  'STAT',
  'LIST',
  'UIDL',
  'RETR',
  'TOP',
  'DELE',
  'RSET',
  'NOOP',
  'QUIT',
  'CAPA x',
  'STLS x',
  'USER tevie\r\nPASS secret word\r\n',
  ' 1',
  ' 2',
  ' 0',
  ' -1',
  ' 1 0',
  ' 99999999999999999999',
  ' \0',
  '\0',
  '\r',
  '\n',
  '\r\n',
  '\r\n.\r\n',
  '.',
  '*',
  '\r\r\n',
  ' ',
  '  ',
  '\t',
  '../',
  '*)(uid=*',
  '__proto__',
  'constructor',
  '\xff\xfe',
  '\xc0\x80',
  '%s%n',
  'AHRldmllAHNlY3JldCB3b3Jk',
  '=',
  'AAAA',
  '\x16\x03\x01\x02',
  'GET / HTTP/1.1\r\n',
  'EHLO x\r\n',
  'DELE 1\r\n',
  'RETR 1\r\n',
  'TOP 1 1\r\n',
  'LIST\r\n',
  'STAT\r\n',
  'x'.repeat(254),
  'x'.repeat(12_288),
] as const;

function hostile(next: (below: number) => number): Buffer {
  let text = '';
  for (let parts = 1 + next(8); parts > 0; parts -= 1) {
    const kind = next(12);
    if (kind === 0) for (let n = next(40); n > 0; n -= 1) text += String.fromCharCode(next(256));
    else if (kind === 1) text += 'y'.repeat(next(400));
    else if (kind < 4) text += '\r\n';
    else text += WORDS[next(WORDS.length)];
  }
  return Buffer.from(text, 'latin1');
}

/** One connection at a time: sends an input, then the probe, and waits for the probe's answer. */
class Prober {
  readonly #port: number;
  #client: StrictClient | undefined;

  constructor(port: number) {
    this.#port = port;
  }

  async probe(input: Buffer): Promise<'alive' | 'closed'> {
    this.#client ??= await StrictClient.open(this.#port);
    const client = this.#client;
    // Ends an unfinished line and a SASL exchange; then one command that is valid in any state.
    client.write(Buffer.concat([input, Buffer.from('\r\n*\r\nCAPA\r\n')]));
    const answer = await client.until('IMPLEMENTATION Mailfarm\r\n.\r\n', 5_000);
    if (answer === 'closed') this.#client = undefined;
    return answer;
  }

  close(): void {
    this.#client?.close();
  }
}

const heapMiB = (): number => {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed / 1048576;
};

test(
  `${RUNS} hostile inputs: no crash, no hang, no growth, an answer after each (FUZZ_SEED=${SEED})`,
  async () => {
    const lines: LogLine[] = [];
    const store = new FaultyStore(['Subject: x\r\n\r\n.\r\nx\r\n', '.\r\n'.repeat(2000), '']);
    store.removeFails = 'all'; // DELE and QUIT are tried, the messages stay.
    const server = await startServer({
      store,
      tls: testTls(),
      values: { 'pop3.bad-commands.max': 10_000, 'pop3.failed-logins.max': 100 },
      logger: { ...collectingLogger(lines), info: () => {} },
    });
    const next = seededRandom(SEED).below;
    const prober = new Prober(server.port);
    let closed = 0;
    let before = 0;
    for (let run = 0; run < RUNS; run += 1) {
      if (run === Math.floor(RUNS / 4)) before = heapMiB(); // What is warm by now stays.
      const input = hostile(next);
      try {
        if ((await prober.probe(input)) === 'closed') closed += 1;
      } catch (error) {
        const shown = JSON.stringify(input.toString('latin1'));
        throw new Error(`run ${run}, FUZZ_SEED=${SEED}, input ${shown}`, { cause: error });
      }
    }
    const grown = heapMiB() - before;
    prober.close();
    await server.close();
    expect(lines.filter(({ level }) => level === 'error')).toEqual([]); // No MF-POP-001.
    expect(closed).toBeLessThan(RUNS / 2); // QUIT closes, but most inputs must reach the parser.
    expect(store.openReads).toBe(0);
    expect(grown).toBeLessThan(24);
  },
  Math.max(60_000, RUNS * 10),
);
