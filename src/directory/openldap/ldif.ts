/** RFC 2849 SAFE-STRING; everything else is base64. */
const SAFE = /^(?![ :<])[\u0001-\u0009\u000b\u000c\u000e-\u007f]*(?<! )$/;
/** Characters of a line; RFC 2849 note 2 recommends fewer than 77. */
const LINE = 76;

/** One entry as LDIF (RFC 2849), lines folded, with an empty line at its end. */
export function ldifRecord(
  dn: string,
  attributes: Readonly<Record<string, string | readonly string[]>>,
): string {
  let text = ldifLine('dn', dn);
  for (const [name, given] of Object.entries(attributes)) {
    for (const value of typeof given === 'string' ? [given] : given) text += ldifLine(name, value);
  }
  return `${text}\n`;
}

/** Text as comment lines. */
export const comment = (text: string): string =>
  text
    .split('\n')
    .map((line) => `#${line === '' ? '' : ` ${line}`}\n`)
    .join('');

function ldifLine(name: string, value: string): string {
  const line = SAFE.test(value)
    ? `${name}: ${value}`
    : `${name}:: ${Buffer.from(value).toString('base64')}`;
  let folded = line.slice(0, LINE);
  for (let at = LINE; at < line.length; at += LINE - 1) {
    folded += `\n ${line.slice(at, at + LINE - 1)}`;
  }
  return `${folded}\n`;
}
