/**
 * Builds the webmail's browser code into `src/webmail/dist`, which git ignores, when its sources
 * have changed since. `npm start` and `npm test` run it, and a node in a checkout that finds
 * nothing to serve; a release carries what it made. Two that build at once do no harm: each builds
 * aside, and the last puts its result, which is the same, in place.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { build } from 'vite';

import { ROOT, read, walk } from './tree.ts';

const CLIENT = 'src/webmail/client';
const PLACE = 'src/webmail/dist';
/** What the build was made of. */
const STAMP = 'sources.txt';

/** Names what the build depends on: the client's files, and the packages that go into it. */
function sourcesStamp(root: string): string {
  const hash = createHash('sha256');
  const files = walk(root, CLIENT).filter((file) => !/\.test\.tsx?$|\/testing\//.test(file));
  for (const file of [...files, 'scripts/webmail.ts']) {
    hash.update(`${file}\0${read(root, file)}\0`);
  }
  const { packages } = JSON.parse(read(root, 'package-lock.json')) as {
    packages: Record<string, { version?: string }>;
  };
  for (const name of ['preact', 'vite', 'dompurify']) {
    hash.update(`${name} ${packages[`node_modules/${name}`]?.version}\0`);
  }
  return hash.digest('hex');
}

/** @returns whether it had to be built */
export async function buildWebmail(root: string, place = path.join(root, PLACE)): Promise<boolean> {
  const stamp = sourcesStamp(root);
  const stampFile = path.join(place, STAMP);
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return false;
  const aside = `${place}.${process.pid}`;
  // The bundler asks, before it asks for its options: another word (`test`, from vitest) would have
  // it write code for development, with the names of this machine's folders in it.
  process.env['NODE_ENV'] = 'production';
  await build({
    configFile: false,
    root: path.join(root, CLIENT),
    logLevel: 'warn',
    build: {
      outDir: aside,
      emptyOutDir: true,
      target: 'es2024',
      // Everything is a file of its own: the page's policy allows nothing inline.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      reportCompressedSize: false,
    },
  });
  for (const file of walk(aside)) compress(path.join(aside, file));
  writeFileSync(path.join(aside, STAMP), stamp);
  replace(aside, place);
  return true;
}

/** Compressed once, as small as can be: no request waits for it. */
function compress(file: string): void {
  if (!/\.(html|js|css|svg)$/.test(file)) return;
  const body = readFileSync(file);
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
    [constants.BROTLI_PARAM_SIZE_HINT]: body.length,
  };
  writeFileSync(`${file}.br`, brotliCompressSync(body, { params }));
  writeFileSync(`${file}.gz`, gzipSync(body, { level: 9 }));
}

function replace(aside: string, place: string): void {
  const old = `${place}.old.${process.pid}`;
  mkdirSync(path.dirname(place), { recursive: true });
  if (existsSync(place)) renameSync(place, old);
  try {
    renameSync(aside, place);
  } catch (error) {
    // Another has just put the same there.
    if (!existsSync(path.join(place, STAMP))) throw error;
    rmSync(aside, { recursive: true });
  }
  rmSync(old, { recursive: true, force: true });
}

if (import.meta.main) {
  const isBuilt = await buildWebmail(ROOT);
  if (isBuilt) process.stderr.write('mailfarm: built the webmail\n');
}
