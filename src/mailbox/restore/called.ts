import { openFile } from '../takeover/files.ts';
import type { SourceMessage } from '../takeover/source.ts';
import { isCalled } from './names.ts';
import { isGone } from './put.ts';

/** Octets of a message that are looked through for its Message-ID. */
const HEADER_OCTETS_MAX = 64 * 1024;
const FIELD = /^message-id:[ \t]*(?:\r?\n[ \t]+)?(\S+)/im;

interface Named {
  readonly name: string;
  readonly source: SourceMessage;
}

/**
 * Messages that somebody means by this: those of that UIDL, file name or email id, else those of
 * that Message-ID (RFC 5322 §3.6.4), with or without its angle brackets. Headers are read only
 * where no name fits.
 */
export async function nameCalled<M extends Named>(
  messages: readonly M[],
  id: string,
): Promise<ReadonlySet<M>> {
  const byName = messages.filter(({ name }) => isCalled(name, id));
  if (byName.length > 0) return new Set(byName);
  const wanted = bare(id);
  const found = new Set<M>();
  for (const message of messages) {
    const given = FIELD.exec(await headerOf(message.source.file.path))?.[1];
    if (given !== undefined && bare(given) === wanted) found.add(message);
  }
  return found;
}

const bare = (id: string): string => id.replace(/^</, '').replace(/>$/, '');

async function headerOf(path: Buffer): Promise<string> {
  try {
    const file = await openFile(path);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(HEADER_OCTETS_MAX), 0);
      const text = buffer.toString('latin1', 0, bytesRead);
      return text.split(/\r?\n\r?\n/, 1)[0] ?? '';
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isGone(error)) return '';
    throw error;
  }
}
