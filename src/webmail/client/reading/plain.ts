/** Plain text as what it says: lines, what they quote, links in them. */
import { linkOf, type Link } from './links.ts';

export interface Block {
  readonly kind: 'said' | 'quoted';
  readonly text: string;
}

/** Quotes are folded from here; a line or two is part of what somebody says. */
const FOLDED_FROM = 4;

export function blocksOf(text: string): readonly Block[] {
  const blocks: { kind: Block['kind']; lines: string[] }[] = [];
  for (const line of text.split(/\r?\n/)) {
    const kind = line.startsWith('>') ? 'quoted' : 'said';
    const last = blocks.at(-1);
    if (last?.kind === kind) last.lines.push(line);
    else blocks.push({ kind, lines: [line] });
  }
  return blocks.map(({ kind, lines }) => ({
    kind: kind === 'quoted' && lines.length < FOLDED_FROM ? 'said' : kind,
    text: lines.join('\n'),
  }));
}

export type Piece = string | (Link & { readonly text: string });

const LINK = /\b(?:https?:\/\/|mailto:)[^\s<>"]{1,2000}/giu;

/** A text cut at its links; the pieces together are the text. */
export function piecesOf(text: string): readonly Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  for (const match of text.matchAll(LINK)) {
    const shown = withoutEnd(match[0]);
    const link = linkOf(shown);
    if (!link) continue;
    pieces.push(text.slice(at, match.index), { ...link, text: shown });
    at = match.index + shown.length;
  }
  pieces.push(text.slice(at));
  return pieces.filter((piece) => piece !== '');
}

/** What ends a sentence is no part of the link, nor is a bracket that opened before it. */
function withoutEnd(text: string): string {
  let end = text.length;
  for (; end > 0; end -= 1) {
    const last = text[end - 1] ?? '';
    const isOpen = last === ')' && text.slice(0, end).includes('(');
    if (isOpen || !/[.,;:!?'’”»)\]]/.test(last)) break;
  }
  return text.slice(0, end);
}
