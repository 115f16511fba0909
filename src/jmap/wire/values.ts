/** RFC 8620 §1.2; longer or other ones are ids of nothing. */
const ID = /^[A-Za-z0-9_-]{1,255}$/;

export const isId = (text: string): boolean => ID.test(text);

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
