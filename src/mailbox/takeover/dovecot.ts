import { nameBase, nameFlags, nameKey } from '#maildir';
import { dovecotNames } from '../subscriptions.ts';
import { maildirFiles, readable, readIfThere, readOctets } from './files.ts';
import { lettersIn, saidKeywords } from './keyword-names.ts';
import type { Problems } from './problems.ts';
import { parseNumbers, type Row } from './rows.ts';
import type { ReadOptions, SourceFile, SourceFolder, SourceMessage } from './source.ts';
import { DOVECOT_UIDL, parseUidlFormat, type UidlParts } from './uidl-format.ts';

/**
 * Dovecot's Maildirs. In each folder `dovecot-uidlist` has the numbers, and `dovecot-keywords` what
 * the letters a to z of file names mean. A UIDL is what an earlier import left in the row (P;
 * empty: the file's name), else made by `pop3_uidl_format`.
 *
 * Standards: doc.dovecot.org, "Maildir mailbox format"
 */
export async function dovecotFolder(
  place: { readonly path: string; readonly name: string; readonly disk: string },
  { uidlFormat, problems }: ReadOptions,
): Promise<SourceFolder> {
  const { path, name, disk } = place;
  const list = await readOctets(`${path}/dovecot-uidlist`);
  const where = `${path}/dovecot-uidlist`;
  const numbers = list === undefined ? undefined : parseNumbers(list, where, problems);
  const letters = parseKeywords(await readOctets(`${path}/dovecot-keywords`), path, problems);
  const uidlOf = parseUidlFormat(uidlFormat ?? DOVECOT_UIDL);
  const message = (file: SourceFile): SourceMessage => {
    const row = numbers?.rows.get(nameKey(file.name));
    const flags = nameFlags(file.name);
    const keywords = (flags.match(/[a-z]/g) ?? []).map((letter) => letters.get(letter));
    return {
      file,
      letters: lettersIn(flags),
      keywords: saidKeywords(keywords, readable(file.name), problems),
      uid: row?.uid,
      uidl:
        row === undefined || numbers === undefined || disk !== ''
          ? undefined
          : rowUidl(row, file, (parts) => uidlOf?.({ ...parts, ...numbers, uid: row.uid })),
    };
  };
  const messages = (await maildirFiles(path, problems)).map(message);
  return { name, disk, numbers, messages };
}

function rowUidl(
  row: Row,
  file: SourceFile,
  make: (parts: Pick<UidlParts, 'base' | 'guid'>) => string | undefined,
): string | undefined {
  const base = nameBase(file.name);
  const given = row.fields.get('P');
  if (given === '') return base;
  return given ?? make({ base, guid: row.fields.get('G') ?? base });
}

/** Lines of a number and a name: 0 is the letter a. */
export function parseKeywords(
  text: string | undefined,
  where: string,
  problems: Problems,
): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const line of (text ?? '').split('\n')) {
    if (line === '') continue;
    const match = /^(\d{1,2}) (.+)$/.exec(line);
    const number = Number(match?.[1] ?? 26);
    if (match === null || number > 25) problems.add('line-broken', `${where}/dovecot-keywords`);
    else names.set(String.fromCharCode(0x61 + number), match[2] ?? '');
  }
  return names;
}

export async function dovecotSubscriptions(path: string): Promise<readonly string[]> {
  return dovecotNames((await readIfThere(`${path}/subscriptions`))?.toString() ?? '');
}
