/**
 * Mail programs that others wrote send through the farm: each logs in by each mechanism and each
 * way to TLS, and what it sent is what the recipient gets, mended where it must be.
 */
import { chmodSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DEMO_PASSWORD, startFarm, type Farm } from '../harness/farm.ts';
import { needs } from '../harness/needs.ts';
import { Pop3Chat } from '../harness/pop3-chat.ts';
import { saidBy, type RunResult } from '../harness/process.ts';
import { LOGIN_PROGRAMS, type Login, type LoginProgram } from './logins.ts';

const ALICE = 'alice@example.test';
const BOB = 'bob@example.test';

let farm: Farm;
let directory: string;

beforeAll(async () => {
  directory = realpathSync(mkdtempSync(join(tmpdir(), 'mailfarm-submission-')));
  chmodSync(directory, 0o711);
  farm = await startFarm({ dir: join(directory, 'farm') });
});

afterAll(async () => {
  await farm?.stop();
  rmSync(directory, { recursive: true, force: true });
});

const MODES = ['implicit', 'starttls'] as const;

function send(
  program: LoginProgram,
  given: Partial<Login> & { readonly mode?: (typeof MODES)[number]; readonly subject: string },
): Promise<RunResult> {
  const { mode = 'starttls', subject, ...other } = given;
  return program.send({
    port: mode === 'implicit' ? farm.ports.submissions : farm.ports.submission,
    tls: { mode, authority: farm.authority },
    mechanism: 'PLAIN',
    user: ALICE,
    password: DEMO_PASSWORD,
    from: ALICE,
    to: [BOB],
    message: `From: Alice <${ALICE}>\nTo: ${BOB}\nSubject: ${subject}\n\n${subject}\n.dots.\nend\n`,
    directory,
    ...other,
  });
}

/** The message of this subject in a mailbox, as text with LF. */
async function received(subject: string): Promise<string | undefined> {
  const tls = { ca: readFileSync(farm.authority), servername: 'localhost' };
  const chat = await Pop3Chat.login({ port: farm.ports.pop3s, tls }, BOB, DEMO_PASSWORD);
  try {
    for (const number of (await chat.listing('LIST')).keys()) {
      const text = (await chat.retrieve(number)).toString().replaceAll('\r\n', '\n');
      if (text.includes(`Subject: ${subject}\n`)) return text;
    }
    return undefined;
  } finally {
    await chat.quit();
  }
}

for (const program of LOGIN_PROGRAMS) {
  for (const mechanism of program.mechanisms) {
    for (const mode of MODES) {
      const subject = `${program.name} ${mechanism} ${mode}`;
      test(`[P-01] ${subject}: sent and received`, async (ctx) => {
        needs(ctx, ...(program.need ? [program.need] : []));
        const result = await send(program, { mode, mechanism, subject });
        expect(result.code, saidBy(result)).toBe(0);
        const text = (await received(subject)) ?? '';
        expect(text).toMatch(/^Received: from [^\n]*\n\tby \S+ with (ESMTPSA|UTF8SMTPSA) id /m);
        expect(text.match(/^Date: /gm)).toHaveLength(1);
        expect(text.match(/^Message-I[dD]: /gm)).toHaveLength(1);
        const body = text.slice(text.indexOf('\n\n') + 2);
        // swaks ends a message with an empty line more.
        expect(body.replace(/\n\n$/, '\n')).toBe(`${subject}\n.dots.\nend\n`);
      });
    }
  }

  test(`${program.name} with a wrong password sends nothing`, async (ctx) => {
    needs(ctx, ...(program.need ? [program.need] : []));
    const subject = `wrong ${program.name}`;
    const result = await send(program, { subject, password: 'wrong', user: 'admin@example.test' });
    expect(result.code).not.toBe(0);
    expect(await received(subject)).toBeUndefined();
  });

  test(`${program.name} as somebody else sends nothing`, async (ctx) => {
    needs(ctx, ...(program.need ? [program.need] : []));
    const subject = `forged ${program.name}`;
    const result = await send(program, { subject, from: 'admin@example.test' });
    expect(result.code).not.toBe(0);
    expect(await received(subject)).toBeUndefined();
  });
}
