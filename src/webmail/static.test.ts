import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync, brotliCompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startWeb, type TestWeb } from '../http/testing/web.ts';
import { staticRoutes } from './static.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'mailfarm-static-'));
const page = '<!doctype html><title>Mail</title>';
const script = 'export const x = 1;\n'.repeat(100);
let web: TestWeb;

beforeAll(async () => {
  mkdirSync(path.join(folder, 'assets'));
  writeFileSync(path.join(folder, 'index.html'), page);
  writeFileSync(path.join(folder, 'sources.txt'), 'secret');
  for (const [name, body] of [['assets/index-abc.js', script]] as const) {
    writeFileSync(path.join(folder, name), body);
    writeFileSync(path.join(folder, `${name}.br`), brotliCompressSync(body));
    writeFileSync(path.join(folder, `${name}.gz`), gzipSync(body));
  }
  web = await startWeb([staticRoutes(folder)]);
});

afterAll(async () => {
  await web.close();
  rmSync(folder, { recursive: true });
});

const get = (where: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${web.base}${where}`, { headers });

describe('the page of the webmail', () => {
  it('may run and fetch what its own host serves, and nothing inline', async () => {
    const response = await get('/');
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    const policy = response.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self';");
    expect(policy).toContain("style-src 'self';");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toMatch(/unsafe|\*|https?:/);
    expect(await response.text()).toBe(page);
  });

  it('is asked for each time, and answered by its ETag', async () => {
    const first = await get('/');
    expect(first.headers.get('cache-control')).toBe('no-cache');
    const etag = first.headers.get('etag') ?? '';
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`]) {
      expect((await get('/', { 'If-None-Match': known })).status).toBe(304);
    }
    expect((await get('/', { 'If-None-Match': '"other"' })).status).toBe(200);
  });
});

describe('an asset', () => {
  it.each([
    ['br, gzip', 'br'],
    ['gzip', 'gzip'],
    ['br;q=0, gzip', 'gzip'],
    ['identity', null],
  ])('for %s comes as %s, and is kept for a year', async (accepted, coding) => {
    const response = await get('/assets/index-abc.js', { 'Accept-Encoding': accepted });
    expect(response.headers.get('content-encoding')).toBe(coding);
    expect(response.headers.get('vary')).toBe('accept-encoding');
    expect(response.headers.get('cache-control')).toContain('immutable');
    expect(await response.text()).toBe(script);
  });

  it.each([
    '/assets/none.js',
    '/assets/..%2Fsources.txt',
    '/assets/..%2Findex.html',
    '/assets/%2e%2e%2fsources.txt',
    '/assets/index-abc.js.br',
    '/sources.txt',
    '/assets/',
    '/assets/__proto__',
  ])('%s is not there, and that is not remembered', async (where) => {
    const response = await get(where);
    expect(response.status).toBe(404);
    expect(response.headers.get('cache-control')).toBe('no-store');
  });
});
