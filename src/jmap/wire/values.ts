/** RFC 8620 §1.2; longer or other ones are ids of nothing. */
const ID = /^[A-Za-z0-9_-]{1,255}$/;

export const isId = (text: string): boolean => ID.test(text);

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Of a value in JSON beside its text: quotes, a comma. */
const VALUE_OCTETS = 4;

/** About the octets of a value in JSON; no more of it is looked at than `max` of them. */
export function jsonSize(value: unknown, max: number): number {
  const open: unknown[] = [value];
  let octets = 0;
  while (open.length > 0 && octets <= max) {
    const one = open.pop();
    octets += VALUE_OCTETS + (typeof one === 'string' ? one.length : 0);
    if (Array.isArray(one)) for (const item of one as readonly unknown[]) open.push(item);
    else if (isRecord(one)) {
      for (const [name, item] of Object.entries(one)) {
        octets += name.length;
        open.push(item);
      }
    }
  }
  return octets;
}
