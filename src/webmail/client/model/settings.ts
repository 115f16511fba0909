import { isLanguage, type Language } from '../i18n/text.ts';
import { Observable } from '../observable.ts';

/** How this browser shows mail. */
export interface Choices {
  /** `auto`: as the browser prefers. */
  readonly language: Language | 'auto';
  readonly theme: 'auto' | 'light' | 'dark';
  readonly density: 'compact' | 'roomy';
  /** Rows are conversations. */
  readonly threads: boolean;
  /** Letters are begun as plain text. */
  readonly plain: boolean;
  /** Single keys are commands (WCAG 2.2, 2.1.4: they can be switched off). */
  readonly shortcuts: boolean;
  /** `auto`: as the language is written. */
  readonly direction: 'auto' | 'ltr' | 'rtl';
}

const DEFAULTS: Choices = {
  language: 'auto',
  theme: 'auto',
  density: 'compact',
  threads: true,
  plain: false,
  shortcuts: true,
  direction: 'auto',
};

const ALLOWED: { readonly [K in keyof Choices]: (value: unknown) => boolean } = {
  language: (value) => value === 'auto' || (typeof value === 'string' && isLanguage(value)),
  theme: (value) => value === 'auto' || value === 'light' || value === 'dark',
  density: (value) => value === 'compact' || value === 'roomy',
  threads: (value) => typeof value === 'boolean',
  plain: (value) => typeof value === 'boolean',
  shortcuts: (value) => typeof value === 'boolean',
  direction: (value) => value === 'auto' || value === 'ltr' || value === 'rtl',
};

const STORED_AS = 'mailfarm.choices';

/** Kept in the browser: a phone and a desk are not set alike. */
export class Settings extends Observable {
  readonly #storage: Pick<Storage, 'getItem' | 'setItem'>;
  #choices: Choices;

  constructor(storage: Pick<Storage, 'getItem' | 'setItem'>) {
    super();
    this.#storage = storage;
    this.#choices = { ...DEFAULTS, ...read(storage) };
  }

  get choices(): Choices {
    return this.#choices;
  }

  choose(some: Partial<Choices>): void {
    this.#choices = { ...this.#choices, ...some };
    try {
      this.#storage.setItem(STORED_AS, JSON.stringify(this.#choices));
    } catch {
      // Private browsing: for this page only.
    }
    this.changed();
  }
}

/** What is stored and still has a meaning. */
function read(storage: Pick<Storage, 'getItem'>): Partial<Choices> {
  try {
    const stored = JSON.parse(storage.getItem(STORED_AS) ?? '{}') as Record<string, unknown>;
    return Object.fromEntries(
      Object.entries(ALLOWED)
        .filter(([name, allows]) => Object.hasOwn(stored, name) && allows(stored[name]))
        .map(([name]) => [name, stored[name]]),
    );
  } catch {
    return {};
  }
}
