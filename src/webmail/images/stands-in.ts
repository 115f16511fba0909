/** Whether an address stands in a message, so that nobody has us fetch what no message asks for. */

/** Octets of HTML that are looked through; longer messages show their first pictures only. */
const LOOKED_THROUGH_MAX = 8 * 1024 * 1024;

/** `needle` as the browser found it in an attribute: references to characters are resolved. */
export async function standsIn(
  content: AsyncIterable<Uint8Array>,
  needle: string,
): Promise<boolean> {
  const pieces: Uint8Array[] = [];
  let octets = 0;
  for await (const piece of content) {
    pieces.push(piece);
    octets += piece.length;
    if (octets > LOOKED_THROUGH_MAX) break;
  }
  // Octets, whatever the charset: addresses are ASCII nearly always, else UTF-8.
  const html = Buffer.concat(pieces).toString('latin1');
  const wanted = Buffer.from(needle, 'utf8').toString('latin1');
  return html.includes(wanted) || resolved(html).includes(wanted);
}

const resolved = (html: string): string =>
  html.replaceAll(/&(?:amp|#0*38|#x0*26);?/gi, '&').replaceAll(/&#x0*2f;?|&#0*47;?/gi, '/');
