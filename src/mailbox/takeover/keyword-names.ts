import type { Problems } from './problems.ts';

/** A keyword that IMAP can say (RFC 9051 §9, flag-keyword): an atom. */
const KEYWORD = /^[^\u0000-\u0020"%()*\\\]{\u007f-\uffff]{1,200}$/;

const isKeyword = (name: string): boolean => KEYWORD.test(name);

/** The names that can be said; the others are counted. */
export function saidKeywords(
  names: readonly (string | undefined)[],
  where: string,
  problems: Problems,
): readonly string[] {
  const said = names.filter((name) => name !== undefined && isKeyword(name)) as string[];
  problems.add('keyword-lost', where, names.length - said.length);
  return said;
}

const LETTERS = /[DFPRST]/g;

/** Letters of a name's flags that are the same everywhere, sorted. */
export const lettersIn = (flags: string): string =>
  [...new Set(flags.match(LETTERS) ?? [])].toSorted().join('');
