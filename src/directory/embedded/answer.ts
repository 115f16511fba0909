import { encode, encodeInteger, SET, TAG } from './ber.ts';
import { CONTROLS } from './controls.ts';
import type { Found } from './directory.ts';
import { printedName, selects, type Selection } from './entry.ts';
import { RESULT, type ResultName } from './result.ts';

const ALL_OPERATIONAL = '1.3.6.1.4.1.4203.1.5.1'; // RFC 3673

/** LDAPMessage (RFC 4511 §4.1.1). */
export const message = (id: number, ...parts: readonly Buffer[]): Buffer =>
  encode(0x30, encodeInteger(id), ...parts);

/** LDAPResult (RFC 4511 §4.1.9). */
export function resultParts(result: ResultName, text = '', matched = ''): readonly Buffer[] {
  return [
    encodeInteger(RESULT[result], TAG.enumerated),
    encode(TAG.octets, matched),
    encode(TAG.octets, text),
  ];
}

export function searchEntry(
  { entry, visible }: Found,
  show: { wanted: Selection; typesOnly: boolean },
): Buffer {
  const attributes: Buffer[] = [];
  for (const [name, values] of Object.entries(entry.attributes)) {
    if (!selects(show.wanted, name) || !visible(name)) continue;
    attributes.push(attribute(printedName(name), show.typesOnly ? [] : values));
  }
  return encode(0x64, encode(TAG.octets, entry.dn), encode(0x30, ...attributes));
}

const attribute = (name: string, values: readonly string[]): Buffer =>
  encode(
    0x30,
    encode(TAG.octets, name),
    encode(SET, ...values.map((value) => encode(TAG.octets, value))),
  );

/** RFC 4512 §5.1: what a client may know before it binds. */
export function rootDse(given: {
  readonly suffix: string;
  readonly extensions: readonly string[];
  readonly wanted: Selection;
}): Buffer {
  const { suffix, extensions, wanted } = given;
  const facts: Record<string, readonly string[]> = {
    objectClass: ['top'],
    namingContexts: [suffix],
    supportedLDAPVersion: ['3'],
    supportedControl: CONTROLS,
    supportedExtension: extensions,
    supportedFeatures: [ALL_OPERATIONAL],
    vendorName: ['Mailfarm'],
  };
  const shown = Object.entries(facts).filter(
    ([name]) =>
      wanted.names.has(name.toLowerCase()) ||
      (name === 'objectClass' ? wanted.user : wanted.operational) === 'all',
  );
  const parts = shown.map(([name, values]) => attribute(name, values));
  return encode(0x64, encode(TAG.octets, ''), encode(0x30, ...parts));
}
