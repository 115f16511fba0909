/**
 * Blob ids (RFC 8620 §6, RFC 8621 §4.1.2). They say what they are, so that no node has to remember
 * any:
 *
 *     m<email id>                              a message, in wire form
 *     p<offset>-<end>-<encoding>-<email id>    the decoded content of a part
 *     u<id>                                    an uploaded file (`uploads.ts`)
 *
 * A client can write any id it likes. It reads its own account only, whatever the id says, and what
 * `p` names has to be a part as the message's structure has it: nobody is given a piece of a
 * message that is none of its parts, such as half of a header.
 */
import type { MimePart } from '../message/mime/types.ts';
import { transferDecoder } from '../message/mime/transfer.ts';
import type { EmailPlace, MailVersion, MailView } from '../mailbox/view.ts';
import type { BlobPart, Blobs, KeptBlob, OpenBlob } from './types.ts';
import type { Uploads } from './uploads.ts';

const PART = /^p([0-9a-z]{1,11})-([0-9a-z]{1,11})-([biq])-([A-Za-z0-9_-]+)$/;

/** Those of one request. */
export class AccountBlobs implements Blobs {
  readonly #view: MailView;
  readonly #uploads: Uploads;
  #look: Promise<MailVersion> | undefined;

  constructor(view: MailView, uploads: Uploads) {
    this.#view = view;
    this.#uploads = uploads;
  }

  ofEmail(emailId: string): string {
    return `m${emailId}`;
  }

  ofPart(emailId: string, { offset, end, encoding }: BlobPart): string {
    return `p${offset.toString(36)}-${end.toString(36)}-${codeOf(encoding)}-${emailId}`;
  }

  async open(blobId: string): Promise<OpenBlob | undefined> {
    if (blobId.startsWith('m')) return this.#openEmail(blobId.slice(1));
    if (blobId.startsWith('u')) return this.#uploads.open(this.#view.mail.facts, blobId);
    const [, offset, end, code, emailId] = PART.exec(blobId) ?? [];
    if (offset === undefined || end === undefined || emailId === undefined) return undefined;
    const wanted = { offset: Number.parseInt(offset, 36), end: Number.parseInt(end, 36) };
    return this.#openPart(emailId, { ...wanted, code });
  }

  keep(content: AsyncIterable<Uint8Array>, type: string): Promise<KeptBlob> {
    return this.#uploads.keep(this.#view.mail.facts, content, type);
  }

  /**
   * One that another node put here a moment ago is looked for before it is said not to be: once for
   * each request, however many ids of nothing are in it.
   */
  async #placeOf(emailId: string): Promise<EmailPlace | undefined> {
    const [known] = this.#view.version.places(emailId);
    if (known !== undefined) return known;
    this.#look ??= this.#view.refresh();
    await this.#look;
    const [found] = this.#view.version.places(emailId);
    return found;
  }

  async #openEmail(emailId: string): Promise<OpenBlob | undefined> {
    const place = await this.#placeOf(emailId);
    if (place === undefined) return undefined;
    const { folder } = place.in;
    return {
      octets: await folder.octets(place.message),
      type: 'message/rfc822',
      name: undefined,
      read: () => folder.read(place.message),
    };
  }

  async #openPart(
    emailId: string,
    { offset, end, code }: { offset: number; end: number; code: string | undefined },
  ): Promise<OpenBlob | undefined> {
    const place = await this.#placeOf(emailId);
    if (place === undefined) return undefined;
    const { folder } = place.in;
    for await (const summary of folder.summaries([place.message], 'all')) {
      const part = summary && findPart(summary.structure, offset, end);
      if (!part || codeOf(part.encoding) !== code) return undefined;
      const read = (): AsyncIterable<Buffer> =>
        offset === end
          ? nothing()
          : decoded(folder.read(place.message, { offset, end }), part.encoding);
      return {
        octets: code === 'i' ? part.body.wireOctets : undefined,
        type: `${part.type}/${part.subtype}`,
        name: nameOf(part),
        read,
      };
    }
    return undefined;
  }
}

/** Whatever else an encoding is called, the content is taken as it is. */
function codeOf(encoding: string): string {
  if (encoding === 'base64') return 'b';
  return encoding === 'quoted-printable' ? 'q' : 'i';
}

function findPart(part: MimePart, offset: number, end: number): MimePart | undefined {
  if (part.body.offset === offset && part.body.end === end) return part;
  const below = part.message ? [part.message.part] : part.parts;
  for (const one of below) {
    const found = findPart(one, offset, end);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** RFC 2183 §2.3; RFC 2046 had it among the parameters of the type. */
function nameOf({ disposition, parameters }: MimePart): string | undefined {
  return (
    disposition?.parameters.find(([name]) => name === 'filename')?.[1] ??
    parameters.find(([name]) => name === 'name')?.[1]
  );
}

/** Pieces of the source are used up before the next is asked for. */
async function* decoded(source: AsyncIterable<Buffer>, encoding: string): AsyncGenerator<Buffer> {
  const decoder = transferDecoder(encoding);
  for await (const piece of source) yield decoder.push(piece);
  yield decoder.end();
}

async function* nothing(): AsyncGenerator<Buffer> {}
