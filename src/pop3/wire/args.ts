/** Arguments of commands (RFC 1939 §5, §7). Pure: text in, value or undefined out. */

/** Message numbers and line counts: decimal digits, nothing else, at most ten of them. */
export function parseNumber(text: string): number | undefined {
  if (text.length === 0 || text.length > 10) return undefined;
  let value = 0;
  for (let at = 0; at < text.length; at += 1) {
    const digit = text.charCodeAt(at) - 48;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  return value;
}

/** `TOP msg n`: two numbers and one space. */
export function parseTop(text: string): { message: number; lines: number } | undefined {
  const space = text.indexOf(' ');
  if (space < 0) return undefined;
  const message = parseNumber(text.slice(0, space));
  const lines = parseNumber(text.slice(space + 1));
  return message === undefined || lines === undefined ? undefined : { message, lines };
}
