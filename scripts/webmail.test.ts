import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, it } from 'vitest';

import { ROOT, walk } from './tree.ts';
import { buildWebmail } from './webmail.ts';

const KILOBYTE = 1024;
/** The shell: what a browser fetches before the first list is asked for. */
const SHELL_MAX = 120 * KILOBYTE;

const folder = mkdtempSync(path.join(tmpdir(), 'mailfarm-webmail-'));
const place = path.join(folder, 'dist');
afterAll(() => rmSync(folder, { recursive: true }));

it('[P-04] the shell of the webmail is under 120 KB compressed, and nothing stands inline', async () => {
  expect(await buildWebmail(ROOT, place)).toBe(true);
  const page = readFileSync(path.join(place, 'index.html'), 'utf8');
  const named = [...page.matchAll(/(?:src|href)="\/([^"]+)"/g)].map(([, name]) => name ?? '');
  expect(named.some((name) => name.endsWith('.js'))).toBe(true);
  expect(named.some((name) => name.endsWith('.css'))).toBe(true);
  const octets = ['index.html', ...named].map(
    (name) => statSync(path.join(place, `${name}.br`)).size,
  );
  const shell = octets.reduce((sum, one) => sum + one, 0);
  expect(shell).toBeGreaterThan(10 * KILOBYTE); // Else it was not the whole shell.
  expect(shell).toBeLessThan(SHELL_MAX);
  expect(page).not.toMatch(/<style|<script(?![^>]*\ssrc=)|\son\w+=|\sstyle=/);
});

it('builds again only when something has changed', async () => {
  const built = walk(place);
  expect(await buildWebmail(ROOT, place)).toBe(false);
  expect(walk(place)).toEqual(built);
  expect(existsSync(`${place}.${process.pid}`)).toBe(false);
});
