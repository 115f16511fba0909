import type { Problems } from './problems.ts';

export const FORMATS = ['dovecot', 'courier', 'qmail', 'cyrus'] as const;
export type Format = (typeof FORMATS)[number];

/** A file as another server left it. */
export interface SourceFile {
  /** Octets as the file system has them: a name need not be UTF-8. */
  readonly path: Buffer;
  readonly directory: 'new' | 'cur';
  /** Its name, one character an octet. */
  readonly name: string;
  readonly modifiedMs: number;
}

export interface SourceMessage {
  readonly file: SourceFile;
  /** Letters of Maildir that we keep: D F P R S T. */
  readonly letters: string;
  readonly keywords: readonly string[];
  readonly uid: number | undefined;
  /** What POP3 clients know it by; undefined where the other server never said one. */
  readonly uidl: string | undefined;
  /** In seconds, where that is in no name and no file's time. */
  readonly date?: number;
}

export interface SourceFolder {
  /** As users see it: `INBOX`, `Archive/2026`. */
  readonly name: string;
  /** On our disk, without its leading dot; '' is INBOX. */
  readonly disk: string;
  /** Undefined: nobody was ever told numbers of this folder, or they cannot be used. */
  readonly numbers: { readonly uidValidity: number; readonly uidNext: number } | undefined;
  readonly messages: readonly SourceMessage[];
}

export interface Source {
  readonly format: Format;
  /** The directory itself, links followed. */
  readonly from: string;
  /** INBOX first. */
  readonly folders: readonly SourceFolder[];
  readonly subscriptions: readonly string[];
}

/** What a format's reader is told. */
export interface ReadOptions {
  /** How POP3 made its UIDLs, in the words of `uidl-format.ts`. */
  readonly uidlFormat: string | undefined;
  readonly problems: Problems;
}

/** What was given is none of the formats. The message is for the administrator. */
export class SourceError extends Error {}
