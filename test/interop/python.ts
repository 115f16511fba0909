import { runOrThrow } from '../harness/process.ts';
import type { Content } from './mailbox.ts';

export const PYTHON = '/usr/bin/python3';

const PRELUDE = `
import hashlib, json, mailbox, sys
box = mailbox.Maildir(sys.argv[1], create=False)
def stored(folder, key):
    with folder.get_file(key) as file:
        return file.read()
def contents(folder):
    found = []
    for key in folder.keys():
        wire = stored(folder, key).replace(b'\\n', b'\\r\\n')
        message = folder.get_message(key)
        found.append({'flags': message.get_flags(), 'hash': hashlib.sha256(wire).hexdigest()})
    return found
`;

/** Runs lines of Python with `box`, a mailbox.Maildir. @returns what they print, as JSON. */
export async function python(maildir: string, script: string): Promise<unknown> {
  const printed = await runOrThrow([PYTHON, '-I', '-c', PRELUDE + script, maildir]);
  return printed.length === 0 ? undefined : JSON.parse(printed.toString('utf8'));
}

export interface PythonView {
  readonly inbox: Content[];
  readonly folders: Record<string, Content[]>;
}

/** All that mailbox.Maildir sees. */
export const pythonView = (maildir: string): Promise<PythonView> =>
  python(
    maildir,
    `
folders = {name: contents(box.get_folder(name)) for name in box.list_folders()}
print(json.dumps({'inbox': contents(box), 'folders': folders}))
`,
  ) as Promise<PythonView>;
