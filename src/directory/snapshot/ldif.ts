import type { Entry } from 'ldapts';
import { valuesOf } from '../client/entries.ts';
import type { Reading } from './records.ts';

/** RFC 2849 SAFE-STRING; everything else is base64. */
const SAFE = /^(?![ :<])[\u0001-\u0009\u000b\u000c\u000e-\u007f]*(?<! )$/;

const line = (name: string, value: string): string =>
  SAFE.test(value) ? `${name}: ${value}\n` : `${name}:: ${Buffer.from(value).toString('base64')}\n`;

function* entryLines(entry: Entry): Generator<string> {
  yield line('dn', entry.dn);
  for (const name of Object.keys(entry)) {
    if (name === 'dn') continue;
    for (const value of valuesOf(entry, name)) yield line(name, value);
  }
  yield '\n';
}

/** A reading as LDIF (RFC 2849), from which `compileText` makes the same snapshot. */
export function* readingToLdif(reading: Reading): Generator<string> {
  yield 'version: 1\n\n';
  const { suffix, contextCsn, farm, administrators } = reading;
  const root = { dn: suffix, objectClass: ['organizationalUnit'], contextCSN: [...contextCsn] };
  const single = [root, farm && { objectClass: ['mwFarm'], ...farm }, administrators];
  const branches = [
    reading.domains,
    reading.sites,
    reading.lists,
    reading.rules,
    reading.volumes,
    reading.nodes,
    reading.users,
  ];
  for (const entry of single) if (entry) yield* entryLines(entry);
  for (const entries of branches) for (const entry of entries) yield* entryLines(entry);
}
