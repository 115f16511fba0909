/** Trees with an error planted in them, in which each checker is shown to fail. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';

import { ROOT } from './tree.ts';

/** A new folder with these files, gone after the test. Call it inside a test. */
export function plant(files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(path.join(tmpdir(), 'mailfarm planted '));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  add(root, files);
  return root;
}

export function add(root: string, files: Readonly<Record<string, string>>): void {
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
    writeFileSync(path.join(root, file), text);
    if (text.startsWith('#!')) chmodSync(path.join(root, file), 0o755);
  }
}

/** Gives a planted tree our packages. */
export function linkPackages(root: string): void {
  symlinkSync(path.join(ROOT, 'node_modules'), path.join(root, 'node_modules'));
}

/** Makes git track these files of a planted tree. */
export function track(root: string, ...files: readonly string[]): void {
  for (const args of [
    ['init', '-q'],
    ['add', '--', ...files],
  ]) {
    const result = spawnSync('git', args, { cwd: root, encoding: 'utf8' });
    if (result.status !== 0) throw new Error(result.stderr);
  }
}

/** Findings as text, for `expect`. */
export const texts = (findings: readonly { readonly text: string }[]): string[] =>
  findings.map((finding) => finding.text);
