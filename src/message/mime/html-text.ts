/**
 * The text of HTML, for searching and previews: never to be shown as HTML. Linear in its length,
 * whatever it is; nothing is fetched, nothing is built.
 */
const BREAKS = new Set(
  [
    'address article blockquote br dd div dl dt fieldset footer form h1 h2 h3 h4 h5 h6',
    'header hr li main nav ol p pre section table td th title tr ul',
  ].flatMap((names) => names.split(' ')),
);
/** Elements whose content is no text. */
const SILENT = new Map(
  ['script', 'style', 'template', 'noscript', 'textarea', 'select'].map((tag) => [
    tag,
    new RegExp(`</${tag}`, 'gi'),
  ]),
);

const ENTITIES: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: ' ',
  copy: '©',
  reg: '®',
  trade: '™',
  euro: '€',
  pound: '£',
  yen: '¥',
  cent: '¢',
  sect: '§',
  para: '¶',
  deg: '°',
  middot: '·',
  bull: '•',
  hellip: '…',
  ndash: '–',
  mdash: '—',
  lsquo: '‘',
  rsquo: '’',
  sbquo: '‚',
  ldquo: '“',
  rdquo: '”',
  bdquo: '„',
  laquo: '«',
  raquo: '»',
  lsaquo: '‹',
  rsaquo: '›',
  times: '×',
  divide: '÷',
  plusmn: '±',
  frac12: '½',
  frac14: '¼',
  frac34: '¾',
  iexcl: '¡',
  iquest: '¿',
  szlig: 'ß',
  agrave: 'à',
  aacute: 'á',
  acirc: 'â',
  atilde: 'ã',
  auml: 'ä',
  aring: 'å',
  aelig: 'æ',
  ccedil: 'ç',
  egrave: 'è',
  eacute: 'é',
  ecirc: 'ê',
  euml: 'ë',
  igrave: 'ì',
  iacute: 'í',
  icirc: 'î',
  iuml: 'ï',
  eth: 'ð',
  ntilde: 'ñ',
  ograve: 'ò',
  oacute: 'ó',
  ocirc: 'ô',
  otilde: 'õ',
  ouml: 'ö',
  oslash: 'ø',
  ugrave: 'ù',
  uacute: 'ú',
  ucirc: 'û',
  uuml: 'ü',
  yacute: 'ý',
  thorn: 'þ',
  yuml: 'ÿ',
  Agrave: 'À',
  Aacute: 'Á',
  Acirc: 'Â',
  Atilde: 'Ã',
  Auml: 'Ä',
  Aring: 'Å',
  AElig: 'Æ',
  Ccedil: 'Ç',
  Egrave: 'È',
  Eacute: 'É',
  Ecirc: 'Ê',
  Euml: 'Ë',
  Igrave: 'Ì',
  Iacute: 'Í',
  Icirc: 'Î',
  Iuml: 'Ï',
  ETH: 'Ð',
  Ntilde: 'Ñ',
  Ograve: 'Ò',
  Oacute: 'Ó',
  Ocirc: 'Ô',
  Otilde: 'Õ',
  Ouml: 'Ö',
  Oslash: 'Ø',
  Ugrave: 'Ù',
  Uacute: 'Ú',
  Ucirc: 'Û',
  Uuml: 'Ü',
  Yacute: 'Ý',
  THORN: 'Þ',
  zwnj: '',
  zwj: '',
  shy: '',
  ensp: ' ',
  emsp: ' ',
  thinsp: ' ',
};

/** Tags become nothing, blocks a line end; entities become characters; scripts and styles go. */
export function htmlToText(html: string): string {
  const out: string[] = [];
  let at = 0;
  while (at < html.length) {
    const open = html.indexOf('<', at);
    if (open < 0) break;
    if (open > at) out.push(html.slice(at, open));
    if (html.startsWith('<!--', open)) {
      const close = html.indexOf('-->', open + 4);
      at = close < 0 ? html.length : close + 3;
      continue;
    }
    const name = TAG.exec(html.slice(open, open + 24));
    if (name === null) {
      out.push('<');
      at = open + 1;
      continue;
    }
    at = tagEnd(html, open + name[0].length);
    const tag = name[1]?.toLowerCase() ?? '';
    if (BREAKS.has(tag)) out.push('\n');
    const closing = SILENT.get(tag);
    if (closing === undefined || html[open + 1] === '/') continue;
    closing.lastIndex = at;
    at = closing.exec(html)?.index ?? html.length;
  }
  if (at < html.length) out.push(html.slice(at));
  return decodeEntities(out.join(''));
}

const TAG = /^<\/?([A-Za-z][A-Za-z0-9]{0,20})|^<[!?]/;

/** Behind the `>` of a tag, which may hold some in quotes. */
function tagEnd(html: string, start: number): number {
  for (let at = start; at < html.length; at++) {
    const char = html[at];
    if (char === '>') return at + 1;
    if (char === '"' || char === "'") {
      const close = html.indexOf(char, at + 1);
      // A quote that nobody closes is none, or all that follows would be lost.
      if (close < 0) {
        const end = html.indexOf('>', at);
        return end < 0 ? html.length : end + 1;
      }
      at = close;
    }
  }
  return html.length;
}

const decodeEntities = (text: string): string =>
  text.includes('&')
    ? text.replace(/&(?:#(\d{1,7})|#[xX]([0-9A-Fa-f]{1,6})|([A-Za-z]{2,8}\d{0,2}));?/g, entity)
    : text;

function entity(
  whole: string,
  decimal: string | undefined,
  hex: string | undefined,
  name: string | undefined,
): string {
  if (name !== undefined) return Object.hasOwn(ENTITIES, name) ? (ENTITIES[name] ?? '') : whole;
  const code = decimal === undefined ? parseInt(hex ?? '', 16) : Number(decimal);
  const possible = code > 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
  return possible ? String.fromCodePoint(code) : '\ufffd';
}
