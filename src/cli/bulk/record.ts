/** One user as a file has it: attributes as LDAP names them, and the line where it begins. */
export interface FileRecord {
  readonly line: number;
  /** Attribute, in the spelling of the file, to its values; without `objectClass` of ours. */
  readonly values: ReadonlyMap<string, readonly string[]>;
}

/** What is wrong with a part of a file. */
export interface FileProblem {
  readonly line: number;
  readonly message: string;
}

/** What a reader of files yields, in the order of the file. */
export type Read =
  | { readonly kind: 'record'; readonly record: FileRecord }
  | { readonly kind: 'problem'; readonly problem: FileProblem }
  /** An entry that is no user: another branch of a whole directory. */
  | { readonly kind: 'other'; readonly line: number };

export const problem = (line: number, message: string): Read => ({
  kind: 'problem',
  problem: { line, message },
});

/** attributedescr of RFC 4512 §2.5, names and no OIDs. */
export const isAttributeName = (text: string): boolean =>
  /^[A-Za-z][A-Za-z0-9-]{0,127}(;[A-Za-z0-9-]{1,64})*$/.test(text);

/** Longer values are refused: nothing in an entry of ours comes near. */
export const VALUE_OCTETS_MAX = 256 * 1024;
