import { envelopeOf } from './envelope.ts';
import { FIELD, FieldReader } from './fields.ts';
import { withParameters } from './parameters.ts';
import type { Extent, MimePart, Parameters } from './types.ts';

/** RFC 2046 §5.1.1 allows 70 octets; others write more. */
export const BOUNDARY_MAX = 1000;

/**
 * A place in a message: octets of the stored file before it, what wire form adds to them, lines.
 */
export interface Position {
  readonly offset: number;
  readonly added: number;
  readonly lines: number;
}

const PLAIN: Parameters = { value: 'text/plain', parameters: [['charset', 'us-ascii']] };
const MESSAGE: Parameters = { value: 'message/rfc822', parameters: [] };
const TYPE = /^([^\s/;]{1,100})\/([^\s/;]{1,100})$/;

/** A part while its octets come by. */
export class Draft {
  readonly parent: Draft | undefined;
  readonly depth: number;
  readonly fields = new FieldReader();
  /** Of a multipart, as its octets are in a delimiter. */
  boundary: string | undefined;
  isOpen = false;
  /** A part around this one with the same boundary. */
  shadowed: Draft | undefined;
  holdsMessage = false;
  /** Type and parameters; from the end of the header on. */
  content: Parameters = PLAIN;
  finished: MimePart | undefined;
  readonly #start: Position;
  #headerEnd: Position;
  readonly #parts: MimePart[] = [];
  #message: MimePart | undefined;
  #messageFields: FieldReader | undefined;

  constructor(parent: Draft | undefined, start: Position) {
    this.parent = parent;
    this.depth = parent ? parent.depth + 1 : 0;
    this.#start = start;
    this.#headerEnd = start;
  }

  endHeader(end: Position): void {
    this.#headerEnd = later(this.#start, end);
    this.content = this.#contentType();
    const { value } = this.content;
    if (value.startsWith('multipart/')) this.boundary = boundaryOf(this.content);
    // One that is encoded, which RFC 2046 §5.2.1 forbids, is read as if it were not.
    else this.holdsMessage = value === 'message/rfc822' || value === 'message/global';
  }

  #contentType(): Parameters {
    const field = this.fields.value(FIELD['content-type']);
    const content = field === undefined ? undefined : withParameters(field);
    if (content && TYPE.test(content.value)) return content;
    // RFC 2046 §5.1.5
    return this.parent?.content.value === 'multipart/digest' ? MESSAGE : PLAIN;
  }

  /** @returns where it ends: not before what is in it ends */
  end(at: Position): Position {
    const end = later(this.#headerEnd, at);
    const part = this.#finish(end);
    this.finished = part;
    const { parent } = this;
    if (parent === undefined) return end;
    if (parent.holdsMessage) {
      parent.#message = part;
      parent.#messageFields = this.fields;
    } else parent.#parts.push(part);
    return end;
  }

  #finish(end: Position): MimePart {
    const { fields, content } = this;
    const slash = content.value.indexOf('/');
    const disposition = fields.value(FIELD['content-disposition']);
    const languages = fields.value(FIELD['content-language']);
    return {
      type: content.value.slice(0, slash),
      subtype: content.value.slice(slash + 1),
      parameters: content.parameters,
      id: fields.value(FIELD['content-id']),
      description: fields.value(FIELD['content-description']),
      encoding: this.encoding,
      md5: fields.value(FIELD['content-md5']),
      disposition: disposition ? withParameters(disposition) : undefined,
      languages: languages ? languagesOf(languages) : [],
      location: fields.value(FIELD['content-location'])?.replace(/\s+/g, ''),
      header: extent(this.#start, this.#headerEnd),
      body: extent(this.#headerEnd, end),
      lines: end.lines - this.#headerEnd.lines,
      parts: this.#parts,
      message: this.#message && {
        envelope: envelopeOf(this.#messageFields as FieldReader),
        part: this.#message,
      },
    };
  }

  /** Content-Transfer-Encoding, its first word. */
  get encoding(): string {
    const value = this.fields.value(FIELD['content-transfer-encoding']);
    if (value === undefined) return '7bit';
    return /^[!-'*+.0-9A-Z^-z|~-]{1,60}/.exec(value)?.[0].toLowerCase() ?? '7bit';
  }

  /** Whether it is to be kept and not to be shown (RFC 2183 §2.2). */
  get isAttachment(): boolean {
    const value = this.fields.value(FIELD['content-disposition']);
    return value !== undefined && /^attachment/i.test(value);
  }
}

const later = (one: Position, other: Position): Position =>
  other.offset < one.offset ? one : other;

const extent = (from: Position, to: Position): Extent => ({
  offset: from.offset,
  end: to.offset,
  wireOctets: to.offset - from.offset + to.added - from.added,
});

function boundaryOf(content: Parameters): string | undefined {
  const found = content.parameters.find(([name]) => name === 'boundary')?.[1].trimEnd();
  if (found === undefined || found === '' || found.length > BOUNDARY_MAX) return undefined;
  return Buffer.from(found).toString('latin1');
}

const languagesOf = (value: string): readonly string[] =>
  value.match(/[A-Za-z0-9-]{1,60}/g)?.slice(0, 100) ?? [];
