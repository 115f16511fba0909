/**
 * The webmail's browser code, as `scripts/webmail.ts` built it: read once, kept in memory,
 * compressed beforehand. Names of assets carry a hash of what is in them, so that a browser asks
 * once for each; the page itself is asked for each time, and answered by its ETag.
 *
 * During an upgrade two versions are served by different nodes: a page of one may ask the other for
 * an asset that it has not. It is told 404 without being remembered, and the page, loaded again,
 * comes whole from either.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { WebProblem, type WebRoutes } from '../http/web-types.ts';

const DIST = path.join(import.meta.dirname, 'dist');
/** In a checkout; a release has no scripts, and carries what they made. */
const BUILDER = path.join(import.meta.dirname, '../../scripts/webmail.ts');

/**
 * What the page may do: run and fetch what this host serves, and nothing else. No script and no
 * style stands in the page itself, so that a message that gets out of its frame can run none.
 */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "connect-src 'self'",
  "frame-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

type Coding = 'br' | 'gzip' | 'identity';

/** A file in each of its codings (RFC 9110 §8.4). */
interface Asset {
  readonly type: string;
  readonly etag: string;
  readonly bodies: Readonly<Partial<Record<Coding, Buffer>>>;
}

type Assets = ReadonlyMap<string, Asset>;

/** The page and its assets, from the folder that the build made. */
export const staticRoutes =
  (dist: string = DIST): WebRoutes =>
  (app) => {
    let assets: Promise<Assets> | undefined;
    const load = (): Promise<Assets> => {
      // Tried again by the next request where it failed: somebody may have built it meanwhile.
      assets ??= readAssets(dist).catch((error: unknown) => {
        assets = undefined;
        throw error;
      });
      return assets;
    };
    app.get('/', async (request, reply) => {
      reply.header('content-security-policy', PAGE_POLICY);
      reply.header('cache-control', 'no-cache');
      return serve(await load(), 'index.html', request, reply);
    });
    app.get<{ Params: { name: string } }>('/assets/:name', async (request, reply) => {
      const found = await load();
      const name = `assets/${request.params.name}`;
      if (found.has(name)) reply.header('cache-control', 'public, max-age=31536000, immutable');
      return serve(found, name, request, reply);
    });
  };

/** @throws WebProblem 404 */
function serve(
  assets: Assets,
  name: string,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const asset = assets.get(name);
  if (!asset) throw new WebProblem({ status: 404, title: 'There is nothing here' });
  reply.headers({ etag: asset.etag, vary: 'accept-encoding' });
  const known = request.headers['if-none-match'] ?? '';
  if (known.split(',').some((tag) => tag.trim().replace(/^W\//, '') === asset.etag)) {
    return reply.code(304).send();
  }
  const coding = codingFor(request.headers['accept-encoding'], asset);
  if (coding !== 'identity') reply.header('content-encoding', coding);
  reply.header('content-type', asset.type);
  return reply.send(asset.bodies[coding]);
}

/** The smallest that the browser takes; what it weighs with `q=0` it does not take. */
function codingFor(accepted: string | string[] | undefined, asset: Asset): Coding {
  const taken = String(accepted ?? '')
    .split(',')
    .filter((one) => !/;\s*q=0(\.0*)?\s*$/.test(one))
    .map((one) => one.split(';')[0]?.trim().toLowerCase());
  for (const coding of ['br', 'gzip'] as const) {
    if (taken.includes(coding) && asset.bodies[coding]) return coding;
  }
  return 'identity';
}

async function readAssets(dist: string): Promise<Assets> {
  if (!existsSync(path.join(dist, 'index.html'))) await build();
  const names = await readdir(dist, { recursive: true });
  const assets = new Map<string, Asset>();
  for (const name of names) {
    const type = TYPES[path.extname(name)];
    if (type === undefined) continue;
    const identity = await readFile(path.join(dist, name));
    const etag = `"${createHash('sha256').update(identity).digest('base64url').slice(0, 22)}"`;
    const bodies: Partial<Record<Coding, Buffer>> = { identity };
    if (names.includes(`${name}.br`)) bodies.br = await readFile(path.join(dist, `${name}.br`));
    if (names.includes(`${name}.gz`)) bodies.gzip = await readFile(path.join(dist, `${name}.gz`));
    assets.set(name.split(path.sep).join('/'), { type, etag, bodies });
  }
  return assets;
}

/** @throws WebProblem 503, where this is no checkout, or it does not build */
async function build(): Promise<void> {
  const code = existsSync(BUILDER)
    ? await new Promise<number | null>((resolve) => {
        const child = spawn(process.execPath, [BUILDER], { stdio: 'ignore' });
        child.on('error', () => resolve(1)).on('close', resolve);
      })
    : 1;
  if (code === 0) return;
  throw new WebProblem({
    status: 503,
    title: 'The webmail is not built on this node',
    detail: 'Run `node scripts/webmail.ts` in the checkout, or install a whole release.',
  });
}
