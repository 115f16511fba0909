import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { asRoot } from './inside.ts';
import { deliver, engineOf, SharedMaildir } from './mailboxes.ts';

/** One host is cut off while it reads a letter. @returns ms another takes to flag and delete it */
export async function withReaderCutOff(): Promise<number> {
  const box = new SharedMaildir();
  await box.create('c1');
  const [one, two] = [engineOf('c1'), engineOf('c2')];
  await deliver(two, box.on('c2'), 'x'.repeat(300_000));
  const [entry] = await one.list(box.on('c1'));
  if (entry === undefined) throw new Error('not listed');
  await one.read({ maildir: box.on('c1'), entry, offset: 0, length: 1000 });
  const held = openSync(join(box.on('c1'), entry.directory, entry.name), 'r');
  try {
    await asRoot('ip', 'link', 'set', 'lab0c1', 'down');
    const began = performance.now();
    const maildir = box.on('c2');
    const flagged = await two.setFlags({ maildir, entry, add: 'S', remove: '' });
    const [error] = await two.remove({ maildir, entries: [flagged] });
    if (error !== undefined) throw error;
    return performance.now() - began;
  } finally {
    await asRoot('ip', 'link', 'set', 'lab0c1', 'up');
    closeSync(held);
    await one.list(box.on('c1')); // It is back.
  }
}
