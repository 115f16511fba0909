/**
 * Styles of a message without what fetches, moves, or looks outside. The browser's own parser reads
 * them, so that what is judged is what would be applied; escapes and comments are gone by then.
 * Imports, fonts, animations and everything else that is no plain rule are left out, so are
 * variables, whose values are not read before they are used.
 */

/** A value that names something to fetch, or is put together later. */
const FETCHES =
  /url\(|image\(|image-set\(|src\(|cross-fade\(|element\(|var\(|env\(|attr\(|paint\(/i;

/** Of the frame's height, which is made from that of the content: each would follow the other. */
const OF_HEIGHT = /\d(?:[sld]?v(?:h|b|min|max))\b/i;

/** @returns a style sheet with the rules that may stay; '' where nothing does */
export function cleanSheet(text: string): string {
  return rulesOf(text).map(keptRule).join('\n');
}

/** Of a `style` attribute. */
export function cleanStyle(text: string): string {
  // What stands behind a `}` is no declaration, and is no rule of ours either.
  const [first] = rulesOf(`x{${text}}`);
  return first instanceof CSSStyleRule ? keptDeclarations(first.style) : '';
}

function rulesOf(text: string): readonly CSSRule[] {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(text); // Leaves @import out.
  return [...sheet.cssRules];
}

function keptRule(rule: CSSRule): string {
  if (rule instanceof CSSStyleRule) {
    return `${rule.selectorText}{${keptDeclarations(rule.style)}}`;
  }
  if (rule instanceof CSSMediaRule) {
    return `@media ${rule.conditionText}{${[...rule.cssRules].map(keptRule).join('')}}`;
  }
  return '';
}

function keptDeclarations(style: CSSStyleDeclaration): string {
  const kept: string[] = [];
  for (const name of style) {
    const value = style.getPropertyValue(name);
    if (name.startsWith('--') || FETCHES.test(value) || OF_HEIGHT.test(value)) continue;
    const important = style.getPropertyPriority(name) === '' ? '' : ' !important';
    // A sheet stands as text in an element: nothing in it may end that.
    if (!value.includes('<') && value !== '') kept.push(`${name}:${value}${important}`);
  }
  return kept.join(';');
}
