/** What counts has a form for each plural category of its language. */
export type Plural = Readonly<Partial<Record<Intl.LDMLPluralRule, string>> & { other: string }>;

/** All messages of an English part, in another language: none missing, none too many. */
export type Translation<English> = {
  readonly [K in keyof English]: English[K] extends string ? string : Plural;
};
