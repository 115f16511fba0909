/**
 * Messages in the user's language. `en` is the list of keys and every language has them all (the
 * compiler says so, and a test); what counts has a form for each plural category of its language.
 */
import { EN } from './en/index.ts';
import type { Plural, Translation } from './translation.ts';

export type Key = keyof typeof EN;
export type Catalogue = Translation<typeof EN>;
export type Values = Readonly<Record<string, string | number>>;

/** Languages that are complete; each names itself. Others than English are fetched when chosen. */
export const LANGUAGES = {
  en: { name: 'English', direction: 'ltr', load: () => Promise.resolve<Catalogue>(EN) },
  ru: {
    name: 'Русский',
    direction: 'ltr',
    load: async (): Promise<Catalogue> => (await import('./ru/index.ts')).RU,
  },
} as const satisfies Record<
  string,
  { name: string; direction: 'ltr' | 'rtl'; load: () => Promise<Catalogue> }
>;

export type Language = keyof typeof LANGUAGES;

export const isLanguage = (name: string): name is Language => Object.hasOwn(LANGUAGES, name);

/** The first language of the browser that we have, else English. */
export function preferredLanguage(wanted: readonly string[]): Language {
  for (const tag of wanted) {
    const name = tag.split('-')[0]?.toLowerCase() ?? '';
    if (isLanguage(name)) return name;
  }
  return 'en';
}

/** All that is said to the user goes through one of these. */
export class Text {
  readonly language: Language;
  readonly #catalogue: Catalogue;
  readonly #plurals: Intl.PluralRules;
  readonly #numbers: Intl.NumberFormat;

  constructor(language: Language, catalogue: Catalogue) {
    this.language = language;
    this.#catalogue = catalogue;
    this.#plurals = new Intl.PluralRules(language);
    this.#numbers = new Intl.NumberFormat(language);
  }

  /** The message, with `{name}` replaced by values; `count` chooses the form. */
  readonly say = (key: Key, values: Values = {}): string => {
    const message = this.#catalogue[key];
    const form = typeof message === 'string' ? message : this.#form(message, values['count']);
    return form.replace(/\{(\w+)\}/g, (whole, name: string) => {
      const value = Object.hasOwn(values, name) ? values[name] : undefined;
      if (value === undefined) return whole;
      return typeof value === 'number' ? this.number(value) : value;
    });
  };

  number(value: number): string {
    return this.#numbers.format(value);
  }

  #form(message: Plural, count: string | number | undefined): string {
    return message[this.#plurals.select(Number(count ?? 0))] ?? message.other;
  }
}
