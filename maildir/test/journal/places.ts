import type { FolderRef } from '../../src/journal/types.ts';

export const MAILDIR = '/mail1/alice';
export const INBOX: FolderRef = { maildir: MAILDIR, folder: '' };

/** The directory of a folder. */
export const pathOf = ({ maildir, folder }: FolderRef): string =>
  folder === '' ? maildir : `${maildir}/.${folder}`;
