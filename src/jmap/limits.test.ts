/** What one user may make a worker do: small requests that mean much work or much memory. */
import { request as httpRequest } from 'node:http';
import { afterEach, expect, test, vi } from 'vitest';
import { startJmap, type TestJmap, type TestJmapOptions } from './testing/server.ts';
import { CAPABILITIES } from './types.ts';

const clean: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const step of clean.splice(0).toReversed()) await step();
});

async function start(options: TestJmapOptions = {}): Promise<TestJmap> {
  const jmap = await startJmap(options);
  clean.push(() => jmap.close());
  return jmap;
}

const CORE = [CAPABILITIES.core];

test('references that double the response of the call before are refused, not written out', async () => {
  const jmap = await start();
  const twice = (of: string) => ({ resultOf: of, name: 'Core/echo', path: '' });
  const calls = Array.from({ length: 60 }, (_, at) =>
    at === 0
      ? ['Core/echo', { a: 'x'.repeat(100) }, 'c0']
      : ['Core/echo', { '#a': twice(`c${at - 1}`), '#b': twice(`c${at - 1}`) }, `c${at}`],
  );
  const { status, body } = await jmap.api({ using: CORE, methodCalls: calls });
  expect(status).toBe(200);
  const responses = body['methodResponses'] as [string, { type?: string }, string][];
  expect(responses.find(([name]) => name === 'error')?.[1].type).toBe('requestTooLarge');
  expect(JSON.stringify(body).length).toBeLessThan(30_000_000);
});

test('a thousand references to one large result are refused', async () => {
  const jmap = await start();
  const reference = { resultOf: 'c0', name: 'Core/echo', path: '/a' };
  const many = Object.fromEntries(Array.from({ length: 1_000 }, (_, at) => [`#x${at}`, reference]));
  const [, second] = await jmap.calls(
    ['Core/echo', { a: 'x'.repeat(1_000_000) }],
    ['Core/echo', many],
  );
  expect(second?.[1]).toMatchObject({ type: 'requestTooLarge' });
});

test('requests whose bodies are still on their way count as under way', async () => {
  const jmap = await start({ values: { 'jmap.request.concurrent': 4 } });
  const open = Array.from({ length: 4 }, () => {
    const one = httpRequest(`${jmap.base}/jmap/api`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'content-length': 1_000_000 },
    });
    one.on('error', () => {});
    one.write('{');
    return one;
  });
  await vi.waitFor(() => expect(jmap.asked).toBe(4));
  const more = await jmap.api({ using: CORE, methodCalls: [] });
  expect(more).toMatchObject({ status: 429, body: { limit: 'maxConcurrentRequests' } });
  for (const one of open) one.destroy();
  await vi.waitFor(async () => {
    expect((await jmap.api({ using: CORE, methodCalls: [] })).status).toBe(200);
  });
});
