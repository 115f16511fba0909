import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { nameFlags } from '../src/index.ts';
import { deliver, readAll } from './engine.ts';
import { realEngine, withTree } from './tree.ts';

// An independent Maildir, Python's mailbox module, beside ours on the same files.

const run = promisify(execFile);
const python = spawnSync('python3', ['-c', 'import mailbox']).status === 0;
const OURS = Buffer.from('Subject: ours\n\nFrom Node, 8-bit \xe9, no final newline', 'latin1');

/** Runs Python with `box`, the Maildir opened; prints what `script` leaves in `out`. */
async function inPython(maildir: string, script: string): Promise<unknown> {
  const program = `
import json, mailbox, sys
box = mailbox.Maildir(sys.argv[1], create=False)
out = None
${script}
print(json.dumps(out))
`;
  const { stdout } = await run('python3', ['-c', program, maildir]);
  return JSON.parse(stdout);
}

test.skipIf(!python)(
  '[P-14] Python reads, flags and removes what we wrote',
  () =>
    withTree(async (root) => {
      const engine = realEngine();
      const maildir = `${root}/alice`;
      await engine.create(maildir, { root });
      await engine.createFolder(maildir, 'Sent.2026');
      await deliver(engine, [maildir, `${maildir}/.Sent.2026`], OURS);

      const read = 'out = [box.get_bytes(key).decode("latin1") for key in box.keys()]';
      expect(await inPython(maildir, read)).toEqual([OURS.toString('latin1')]);
      expect(await inPython(maildir, 'out = box.list_folders()')).toEqual(['Sent.2026']);
      const inFolder = read.replaceAll('box', 'box.get_folder("Sent.2026")');
      expect(await inPython(maildir, inFolder)).toEqual([OURS.toString('latin1')]);

      await inPython(
        maildir,
        `
for key, message in box.items():
    message.set_subdir("cur")
    message.set_flags("RS")
    box[key] = message
`,
      );
      const [entry] = await engine.list(maildir);
      expect(entry?.directory).toBe('cur');
      expect(nameFlags(entry?.name ?? '')).toBe('RS');
      await inPython(maildir, 'box.clear()');
      expect(await engine.list(maildir)).toEqual([]);
    }),
  60_000,
);

test.skipIf(!python)(
  '[P-14] we read, flag and remove what Python wrote',
  () =>
    withTree(async (root) => {
      const engine = realEngine();
      const maildir = `${root}/bob`;
      await inPython(maildir.replace('bob', ''), 'mailbox.Maildir(sys.argv[1] + "bob")');
      await inPython(
        maildir,
        `
message = mailbox.MaildirMessage("Subject: theirs\\n\\nFrom Python\\n")
message.set_flags("F")
message.set_subdir("cur")
box.add(message)
box.add_folder("Drafts").add("Subject: draft\\n\\n\\n")
`,
      );
      expect(await engine.exists(maildir)).toBe(true);
      expect(await engine.folders(maildir)).toEqual(['Drafts']);
      expect(await engine.list(`${maildir}/.Drafts`)).toHaveLength(1);
      const [entry] = await engine.list(maildir);
      if (entry === undefined) throw new Error('nothing listed');
      const bytes = await readAll(engine, maildir, entry, 7);
      expect(bytes.toString()).toBe('Subject: theirs\n\nFrom Python\n');

      const flagged = await engine.setFlags({ maildir, entry, add: 'S', remove: '' });
      await engine.setSizes({ maildir, entry: flagged, octets: 29, wireOctets: 32 });
      const flags = 'out = [message.get_flags() for message in box]';
      expect(await inPython(maildir, flags)).toEqual(['FS']);
      await engine.remove({ maildir, entries: await engine.list(maildir) });
      expect(await inPython(maildir, 'out = len(box)')).toBe(0);
      await engine.removeFolder(maildir, 'Drafts');
      expect(await inPython(maildir, 'out = box.list_folders()')).toEqual([]);
    }),
  60_000,
);
