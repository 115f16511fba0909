import { type Folder, type FolderState, MailError } from '../mailbox/mail.ts';
import type { Selected } from './state.ts';

export const isNoFolder = (error: unknown): boolean =>
  error instanceof MailError && error.kind === 'no-such-folder';

/** Was it deleted or renamed since it was opened? Our own trouble is no answer to that. */
export async function isGone(folder: Folder): Promise<boolean> {
  try {
    await folder.refresh();
    return false;
  } catch (error) {
    return isNoFolder(error);
  }
}

/** The folder has other numbers than the client knows: no UID of before names anything in it. */
export const isReplaced = ({ view }: Selected, { uidValidity }: FolderState): boolean =>
  view.state.uidValidity !== uidValidity;
