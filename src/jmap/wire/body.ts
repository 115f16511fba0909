/**
 * The parts of a message as JMAP shows them (RFC 8621 §4.1.4): which are its text, which are
 * attached.
 */
import { decodeWords } from '../../message/encoded-word.ts';
import type { MimePart } from '../../message/mime/types.ts';

/** A part with the id that it has in its message. */
export interface BodyPart {
  /** `1`, `2.1` as in IMAP (RFC 9051 §6.4.5.1); null for multiparts. */
  readonly partId: string | null;
  /** Lower case, with the slash. */
  readonly type: string;
  /** Name of the file, where one is given. */
  readonly name: string | null;
  readonly part: MimePart;
  /** Of a multipart. */
  readonly subParts: readonly BodyPart[] | null;
}

export interface BodyLists {
  readonly text: readonly BodyPart[];
  readonly html: readonly BodyPart[];
  readonly attachments: readonly BodyPart[];
}

/** The tree of a message. Messages within it are parts, and not looked into. */
export function bodyStructure(root: MimePart): BodyPart {
  if (root.type !== 'multipart') return leaf(root, '1');
  return multipart(root, '');
}

const multipart = (part: MimePart, path: string): BodyPart => ({
  partId: null,
  type: typeOf(part),
  name: fileName(part),
  part,
  subParts: part.parts.map((one, at) => {
    const id = `${path}${at + 1}`;
    return one.type === 'multipart' ? multipart(one, `${id}.`) : leaf(one, id);
  }),
});

const leaf = (part: MimePart, partId: string): BodyPart => ({
  partId,
  type: typeOf(part),
  name: fileName(part),
  part,
  subParts: null,
});

const typeOf = ({ type, subtype }: MimePart): string => `${type}/${subtype}`;

/** RFC 8621 §4.1.4, `name`. */
function fileName({ disposition, parameters }: MimePart): string | null {
  const of = (
    list: readonly (readonly [string, string])[] | undefined,
    name: string,
  ): string | undefined => list?.find(([one]) => one === name)?.[1];
  const name = of(disposition?.parameters, 'filename') ?? of(parameters, 'name');
  return name === undefined ? null : decodeWords(name).normalize('NFC');
}

/** All parts that are no multiparts, in order. */
export function leavesOf(root: BodyPart): readonly BodyPart[] {
  const leaves: BodyPart[] = [];
  const open: BodyPart[] = [root];
  for (let one = open.pop(); one; one = open.pop()) {
    if (one.subParts === null) leaves.push(one);
    else open.push(...one.subParts.toReversed());
  }
  return leaves;
}

interface Lists {
  text: BodyPart[] | undefined;
  html: BodyPart[] | undefined;
  readonly attachments: BodyPart[];
}

/** The algorithm of RFC 8621 §4.1.4, name by name. */
export function bodyLists(root: BodyPart): BodyLists {
  const [text, html, attachments]: BodyPart[][] = [[], [], []];
  const lists = { text, html, attachments: attachments as BodyPart[] };
  sort([root], { subtype: 'mixed', inAlternative: false }, lists);
  return { text: text as BodyPart[], html: html as BodyPart[], attachments: lists.attachments };
}

interface Around {
  readonly subtype: string;
  readonly inAlternative: boolean;
}

function sort(parts: readonly BodyPart[], around: Around, given: Lists): void {
  const lists = { ...given }; // What an alternative takes out of a list counts for its own parts.
  const textLength = lists.text?.length ?? -1;
  const htmlLength = lists.html?.length ?? -1;
  parts.forEach((one, at) => {
    if (one.part.type === 'multipart') {
      const { subtype } = one.part;
      const inAlternative = around.inAlternative || subtype === 'alternative';
      sort(one.subParts ?? [], { subtype, inAlternative }, lists);
    } else if (!isInline(one, around, at)) lists.attachments.push(one);
    else if (around.subtype === 'alternative') alternative(one, lists);
    else {
      if (around.inAlternative && one.type === 'text/plain') lists.html = undefined;
      if (around.inAlternative && one.type === 'text/html') lists.text = undefined;
      lists.text?.push(one);
      lists.html?.push(one);
      if ((!lists.text || !lists.html) && isMedia(one)) lists.attachments.push(one);
    }
  });
  const { text, html } = lists;
  if (around.subtype !== 'alternative' || !text || !html) return;
  const [foundText, foundHtml] = [text.length > textLength, html.length > htmlLength];
  if (!foundText && foundHtml) text.push(...html.slice(htmlLength));
  if (!foundHtml && foundText) html.push(...text.slice(textLength));
}

function alternative(one: BodyPart, lists: Lists): void {
  if (one.type === 'text/plain') lists.text?.push(one);
  else if (one.type === 'text/html') lists.html?.push(one);
  else lists.attachments.push(one);
}

/** Whether it is of the body and no attachment. */
function isInline(one: BodyPart, around: Around, at: number): boolean {
  if (one.part.disposition?.value === 'attachment') return false;
  const isText = one.type === 'text/plain' || one.type === 'text/html';
  if (!isText && !isMedia(one)) return false;
  // Of multipart/related the first alone; a later text with a name of a file is attached.
  return at === 0 || (around.subtype !== 'related' && (isMedia(one) || one.name === null));
}

const isMedia = ({ part: { type } }: BodyPart): boolean =>
  type === 'image' || type === 'audio' || type === 'video';

/**
 * §4.1.4: whether there is something to be offered as a file. What has an id and does not say that
 * it is an attachment is a picture that the text shows.
 */
export const hasAttachment = (root: MimePart): boolean =>
  bodyLists(bodyStructure(root)).attachments.some(({ part: { disposition, id } }) =>
    disposition === undefined ? id === undefined : disposition.value !== 'inline',
  );
