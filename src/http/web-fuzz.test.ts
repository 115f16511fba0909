import { expect, test } from 'vitest';
import { seededRandom } from '../../test/fixtures/random.ts';
import { connectClient } from '../net/testing/client.ts';
import { startWeb } from './testing/web.ts';

const SEED = Number(process.env['FUZZ_SEED'] ?? 1);
const RUNS = Number(process.env['MAILFARM_FUZZ_RUNS'] ?? 1_000);

const WORDS = [
  'GET ',
  'POST ',
  'HEAD ',
  'OPTIONS ',
  'TRACE ',
  'CONNECT ',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  '/echo',
  '/page',
  '/file/a%2fb',
  '/%',
  '/%00',
  '//x/../page',
  'http://other.example/page',
  '*',
  '?a=b&a[__proto__]=c',
  ' HTTP/1.1\r\n',
  ' HTTP/1.0\r\n',
  ' HTTP/9.9\r\n',
  'Host: x\r\n',
  'Host: x\r\nHost: y\r\n',
  'Content-Type: application/json\r\n',
  'Content-Type: \xff/;;=\r\n',
  'Content-Length: 2\r\n',
  'Content-Length: -1\r\n',
  'Content-Length: 99999999999999999999\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: identity, chunked\r\n',
  'Connection: keep-alive\r\n',
  'Connection: close\r\n',
  'Connection: Upgrade\r\nUpgrade: websocket\r\n',
  'Expect: 100-continue\r\n',
  'Expect: 200-ok\r\n',
  'Cookie: __Host-x="\r\n',
  'Authorization: Basic \xff\r\n',
  'Range: bytes=0-\r\n',
  '\r\n',
  '\r\n\r\n',
  '{}',
  '{"a":1}',
  '2\r\n{}\r\n0\r\n\r\n',
  'ffffffffffffffff\r\n',
  '0\r\n\r\n',
  '\0',
  '\n',
  '\r',
  'x'.repeat(20_000),
] as const;

function hostile(next: (below: number) => number): Buffer {
  let text = next(3) === 0 ? '' : 'GET /page HTTP/1.1\r\nHost: x\r\n';
  for (let parts = next(12); parts > 0; parts -= 1) {
    if (next(14) > 0) text += WORDS[next(WORDS.length)];
    else for (let n = next(40); n > 0; n -= 1) text += String.fromCharCode(next(256));
  }
  return Buffer.from(text, 'latin1');
}

test(
  `${RUNS} hostile inputs: no crash, no fault, and it answers after each (FUZZ_SEED=${SEED})`,
  async () => {
    const web = await startWeb([
      (app) => {
        app.get('/page', async () => ({ page: true }));
        app.post('/echo', async ({ body }) => ({ body }));
        app.get('/file/:name', async ({ params }) => params);
      },
    ]);
    const next = seededRandom(SEED).below;
    for (let run = 0; run < RUNS; run += 1) {
      const input = hostile(next);
      const client = connectClient(web.port);
      client.socket.end(input);
      const answer = await client.closed();
      const reply = await fetch(`${web.base}/page`);
      const shown = (): string =>
        `run ${run}, FUZZ_SEED=${SEED}: ${JSON.stringify(input.toString('latin1'))}`;
      expect(await reply.json(), shown()).toEqual({ page: true });
      expect(answer, shown()).toMatch(/^(?:$|HTTP\/1\.1 [1-5]\d\d )/);
      expect(answer, shown()).not.toMatch(/^HTTP\/1\.1 500/m);
    }
    expect(web.errors()).toEqual([]);
    await web.close();
  },
  Math.max(120_000, RUNS * 50),
);
