/**
 * Between text and the HTML of our own editor. What comes in here is ours, or was cleaned: nothing
 * of this is a defence.
 */
const ENTITIES: Readonly<Record<string, string>> = {
  '&amp;': '&',
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#39;': "'",
  '&nbsp;': ' ',
};

export const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, (sign) => `&${{ '&': 'amp', '<': 'lt', '>': 'gt', '"': 'quot' }[sign]};`);

/** Each line a line; links are not made. */
export const htmlOfText = (text: string): string =>
  escaped(text).replace(/\r?\n/g, '<br>').replace(/ {2}/g, ' &nbsp;');

/** Quoted once more. */
export const quotedText = (text: string): string =>
  text
    .trimEnd()
    .split(/\r?\n/)
    .map((line) => (line.startsWith('>') ? `>${line}` : `> ${line}`.trimEnd()))
    .join('\n');

/** Elements that begin a line, and end it. */
const BLOCKS = /^(p|div|h[1-6]|ul|ol|li|tr|table|pre|blockquote|hr)$/;

/** What HTML says, as text: lists with marks, quotations with `>`. */
export function textOfHtml(html: string): string {
  const lines: string[] = [];
  let line = '';
  let quotes = 0;
  const counts: (number | undefined)[] = [];
  const end = (force = false): void => {
    if (line.trim() === '' && !force) {
      line = '';
      return;
    }
    const mark = quotes === 0 ? '' : `${'>'.repeat(quotes)} `;
    lines.push(`${mark}${line}`.replace(/(?<!--) +$/, ''));
    line = '';
  };
  for (const [token] of html.matchAll(/<[^>]*>|[^<]+/g)) {
    const [, closing = '', name = ''] = /^<(\/?)([a-z][a-z0-9]*)/i.exec(token) ?? [];
    const tag = name.toLowerCase();
    const isEnd = closing !== '';
    if (tag === '') {
      line += plain(token);
      continue;
    }
    if (tag === 'br') end(true);
    if (!BLOCKS.test(tag)) continue;
    end();
    if (tag === 'blockquote') quotes = Math.max(0, quotes + (isEnd ? -1 : 1));
    if (tag === 'p' && isEnd) lines.push(quotes === 0 ? '' : '>'.repeat(quotes));
    if (tag === 'ol' || tag === 'ul') {
      if (isEnd) counts.pop();
      else counts.push(tag === 'ol' ? 0 : undefined);
    }
    if (tag === 'li' && !isEnd) line = itemMark(counts);
  }
  end();
  return lines
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trimEnd();
}

function itemMark(counts: (number | undefined)[]): string {
  const count = counts.at(-1);
  if (count === undefined) return '- ';
  counts[counts.length - 1] = count + 1;
  return `${count + 1}. `;
}

const plain = (token: string): string =>
  token
    .replace(/[\r\n\t ]+/g, ' ')
    .replace(/&(amp|lt|gt|quot|nbsp|#39);/g, (entity) => ENTITIES[entity] ?? entity);

/** As it is sent: pictures by their Content-ID (RFC 2392), wherever the page shows them from. */
export const sentHtml = (html: string): string =>
  html.replace(/<img\b[^>]*\bdata-cid="([^"]+)"[^>]*>/g, (tag, cid: string) => {
    const alt = /\balt="([^"]*)"/.exec(tag)?.[1] ?? '';
    return `<img src="cid:${cid}" alt="${alt}">`;
  });
