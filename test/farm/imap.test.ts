/** IMAP on a farm of two nodes, with the clients of others: curl and Python's imaplib. */
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DEMO_PASSWORD, freePortBase, startFarm, type Farm } from '../harness/farm.ts';
import { needs } from '../harness/needs.ts';
import { run, start, type Running } from '../harness/process.ts';
import { asked, send } from './letters.ts';

const ROOT = join(import.meta.dirname, '../..');
const MAIN = join(ROOT, 'src/cli/main.ts');
const ALICE = 'alice@example.test';

let farm: Farm;
let second: Running | undefined;
let directory: string;
/** Ports of the second node. */
let imap = 0;
let imaps = 0;

/** A second front end on the same volumes, for IMAP alone. */
async function startSecond(): Promise<Running> {
  const base = await freePortBase();
  [imap, imaps] = [base, base + 1];
  const listen = [`imap 127.0.0.1:${imap}`, `imaps 127.0.0.1:${imaps}`];
  await asked(farm, ['node', 'add', 'front2', ...listen.flatMap((text) => ['--listen', text])]);
  const file = join(farm.dir, 'front2.yaml');
  const mine = readFileSync(join(farm.dir, 'node.yaml'), 'utf8');
  mkdirSync(join(farm.dir, 'state2'));
  writeFileSync(
    file,
    mine.replace(/^name: .*$/m, 'name: front2').replace(/^data: .*$/m, `data: ${farm.dir}/state2`),
  );
  const node = start([process.execPath, MAIN, 'serve', '--config', file], { cwd: ROOT });
  await node.waitFor(/^mailfarm is ready/m, 240_000);
  return node;
}

beforeAll(async () => {
  directory = realpathSync(mkdtempSync(join(tmpdir(), 'mailfarm-imap-')));
  farm = await startFarm({ dir: join(directory, 'farm') });
  second = await startSecond();
});

afterAll(async () => {
  await second?.stop(30_000);
  await farm?.stop();
  rmSync(directory, { recursive: true, force: true });
});

const curl = async (path: string, ...more: string[]) => {
  const { stdout, stderr, code } = await run([
    '/usr/bin/curl',
    '--silent',
    '--show-error',
    '--max-time',
    '60',
    '--cacert',
    farm.authority,
    '--user',
    `${ALICE}:${DEMO_PASSWORD}`,
    ...more,
    path,
  ]);
  return { text: stdout.toString('latin1'), stderr, code };
};

test('[P-03] [S1-15] a letter that one node took by SMTP is read at another by curl, over TLS', async (ctx) => {
  needs(ctx, '/usr/bin/curl');
  expect((await send(farm.ports.smtp, [ALICE])).code).toBe(250);
  const implicit = await curl(`imaps://localhost:${imaps}/INBOX;MAILINDEX=1`);
  expect(implicit).toMatchObject({ stderr: '', code: 0 });
  expect(implicit.text).toMatch(/\r\n\r\nhello\r\n$/);
  const explicit = await curl(`imap://localhost:${imap}/INBOX;UID=1`, '--ssl-reqd');
  expect(explicit).toMatchObject({ text: implicit.text, code: 0 });
  const other = await curl(`imaps://localhost:${farm.ports.imaps}/INBOX;UID=1`);
  expect(other.text).toBe(implicit.text);
});

const SCRIPT = `
import imaplib, ssl, sys, time
host, port, authority, user, password = sys.argv[1:6]
context = ssl.create_default_context(cafile=authority)
m = imaplib.IMAP4_SSL(host, int(port), ssl_context=context)
def ok(answer):
    if answer[0] != 'OK': raise SystemExit(repr(answer))
    return answer[1]
ok(m.login(user, password))
ok(m.create('Python'))
date = imaplib.Time2Internaldate(1000000000)
ok(m.append('Python', '(\\\\Seen)', date, b'Subject: from Python\\r\\n\\r\\nText.\\r\\n'))
count = ok(m.select('Python'))[0]
flags = ok(m.fetch('1', '(FLAGS INTERNALDATE BODY.PEEK[TEXT])'))
ok(m.store('1', '+FLAGS', '(\\\\Deleted $Done)'))
found = ok(m.search(None, 'KEYWORD', '$Done'))[0]
print(count.decode(), found.decode(), flags[0][0].decode(), flags[0][1].decode().strip())
ok(m.expunge())
print(ok(m.status('Python', '(MESSAGES UIDNEXT)'))[0].decode())
m.logout()
`;

test('[P-03] imaplib makes a folder, appends, searches, expunges; the other node agrees', async (ctx) => {
  needs(ctx, '/usr/bin/python3');
  const words = ['/usr/bin/python3', '-c', SCRIPT, 'localhost', String(imaps), farm.authority];
  const { stdout, stderr, code } = await run([...words, ALICE, DEMO_PASSWORD]);
  expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
  const [fetched, status] = stdout.toString().split('\n');
  expect(fetched).toMatch(/^1 1 1 \(FLAGS \(\\Seen.*INTERNALDATE "[ \d]\d-Sep-2001 .* Text\.$/);
  expect(status).toMatch(/^"?Python"? \(MESSAGES 0 UIDNEXT 2\)$/);
  const seen = await curl(
    `imaps://localhost:${farm.ports.imaps}/`,
    '-X',
    'STATUS Python (UIDNEXT)',
  );
  expect(seen.text).toContain('(UIDNEXT 2)');
});
