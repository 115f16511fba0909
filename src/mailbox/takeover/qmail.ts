import { nameBase, nameFlags } from '#maildir';
import { maildirFiles } from './files.ts';
import { lettersIn } from './keyword-names.ts';
import type { ReadOptions, SourceFile, SourceFolder, SourceMessage } from './source.ts';

/**
 * A Maildir without numbers: qmail's, Postfix's, maildrop's. IMAP gets new numbers. qmail-pop3d's
 * UIDL is the file's name up to the colon, sizes and all.
 */
export async function qmailFolder(
  place: { readonly path: string; readonly name: string; readonly disk: string },
  { problems }: ReadOptions,
): Promise<SourceFolder> {
  const { path, name, disk } = place;
  const message = (file: SourceFile): SourceMessage => ({
    file,
    letters: lettersIn(nameFlags(file.name)),
    keywords: [],
    uid: undefined,
    uidl: disk === '' ? nameBase(file.name) : undefined,
  });
  const messages = (await maildirFiles(path, problems)).map(message);
  return { name, disk, numbers: undefined, messages };
}
