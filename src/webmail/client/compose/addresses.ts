import type { Address } from '../jmap/types.ts';

/** Somebody whom mail was sent to before, or whom the user wrote down. */
export interface Contact extends Address {
  readonly id: string;
  /** When last, milliseconds since 1970. */
  readonly at: number;
  /** How often. */
  readonly count: number;
}

const EMAIL = /^[^\s@<>",;:()\\]+@[^\s@<>",;:()\\]+$/u;

export const isAddress = (text: string): boolean => text.length <= 320 && EMAIL.test(text);

/**
 * What was typed or pasted, as addresses: `Ada <ada@…>, "L, B" <b@…>; c@…`. What is no address
 * stays as it was.
 */
export function typedAddresses(text: string): {
  readonly found: readonly Address[];
  readonly rest: string;
} {
  const pieces = text.match(/(?:"(?:[^"\\]|\\.)*"|<[^>]*>|[^,;\n"<])+/g) ?? [];
  const found: Address[] = [];
  const rest: string[] = [];
  for (const piece of pieces.map((one) => one.trim()).filter((one) => one !== '')) {
    const [, name, email] = /^(.*?)\s*<([^>]*)>$/su.exec(piece) ?? [undefined, '', piece];
    const said = (name ?? '')
      .replace(/^"(.*)"$/s, '$1')
      .replace(/\\(.)/g, '$1')
      .trim();
    const address = (email ?? '').trim();
    if (isAddress(address)) found.push({ name: said === '' ? null : said, email: address });
    else rest.push(piece);
  }
  return { found, rest: rest.join(', ') };
}

const SHOWN_MAX = 6;

/** Of those who begin so, in any of their names: who is written to often and lately first. */
export function suggestions(
  contacts: readonly Contact[],
  typed: string,
  taken: readonly Address[],
): readonly Contact[] {
  const wanted = typed.trim().toLocaleLowerCase();
  if (wanted === '') return [];
  const out = new Set(taken.map((one) => one.email.toLowerCase()));
  return contacts
    .filter((one) => !out.has(one.email.toLowerCase()) && matches(one, wanted))
    .toSorted((a, b) => b.count - a.count || b.at - a.at)
    .slice(0, SHOWN_MAX);
}

function matches({ name, email }: Address, wanted: string): boolean {
  const words = `${name ?? ''} ${email.replace('@', ' ')} ${email}`
    .toLocaleLowerCase()
    .split(/\s+/);
  return (
    words.some((word) => word.startsWith(wanted)) ||
    (name ?? '').toLocaleLowerCase().startsWith(wanted)
  );
}
