import { readSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { printable } from './output.ts';
import { runCommandLine } from './run.ts';

async function readBytes(): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks);
}

const [BACKSPACE, DELETE, CTRL_C, CTRL_D] = [8, 127, 3, 4];

/** Reads a line without showing it. */
async function askSecret(question: string): Promise<string | undefined> {
  const { stdin, stderr } = process;
  if (!stdin.isTTY || !stderr.isTTY) return undefined;
  stderr.write(question);
  stdin.setRawMode(true);
  const typed: number[] = [];
  try {
    const one = Buffer.alloc(1);
    for (;;) {
      const got = readSync(stdin.fd, one);
      const byte = one[0] ?? 0;
      if (byte === CTRL_C) process.exit(130); // As the shell says of what Ctrl-C ended.
      if (got === 0 || byte === CTRL_D || byte === 10 || byte === 13) break;
      if (byte !== BACKSPACE && byte !== DELETE) typed.push(byte);
      else while (((typed.pop() ?? 0) & 0xc0) === 0x80); // A whole letter of UTF-8.
    }
  } finally {
    stdin.setRawMode(false);
    stderr.write('\n');
  }
  return Buffer.from(typed).toString('utf8');
}

async function confirm(question: string): Promise<boolean | undefined> {
  const { stdin, stderr } = process;
  if (!stdin.isTTY || !stderr.isTTY) return undefined;
  const lines = createInterface({ input: stdin, output: stderr });
  const answer = new Promise<string>((resolve) => {
    lines.once('close', () => resolve('')); // Ctrl-D is no.
    lines.question(printable(question), resolve);
  });
  const yes = /^y(es)?$/i.test((await answer).trim());
  lines.close();
  return yes;
}

// `mailfarm user list | head`: whoever reads has read enough.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? 0 : 74);
  });
}

const code = await runCommandLine(process.argv.slice(2), {
  out: process.stdout,
  err: process.stderr,
  env: process.env,
  readBytes,
  askSecret,
  confirm,
});
// Pipes are written later than the call: what was said has to arrive before the end.
await Promise.all(
  [process.stdout, process.stderr].map((stream) => new Promise((done) => stream.write('', done))),
);
// Not only the exit code: a channel or a timer of a command that is done must not keep it alive.
process.exit(code);
