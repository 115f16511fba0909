import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { folderNameFault } from '#maildir';
import { diskName, folderName, namesOf, shownName } from './folder-names.ts';
import { StoredForm } from './stored-form.ts';
import { courierNames, dovecotNames } from './subscriptions.ts';
import { decodeUtf7, encodeUtf7 } from './utf7.ts';
import { wireForm } from './wire.ts';

const DISK: readonly (readonly [name: string, disk: string])[] = [
  ['INBOX', ''],
  ['Sent', 'Sent'],
  ['a/b/c', 'a.b.c'],
  ['INBOX/x', 'INBOX.x'],
  ['Entwürfe', 'Entw&APw-rfe'],
  ['a&b', 'a&-b'],
  ['a.b', 'a&AC4-b'],
  ['..', '&AC4ALg-'],
  ['../../etc', '&AC4ALg-.&AC4ALg-.etc'],
  ['日本語', '&ZeVnLIqe-'], // RFC 3501 §5.1.3 has the last two signs of it.
  ['😀', '&2D3eAA-'],
];

describe('names on disk', () => {
  test.each(DISK)('%s lies in .%s, and is shown again', (name, disk) => {
    expect(folderName(name)).toBe(name);
    expect(diskName(name)).toBe(disk);
    expect(shownName(disk)).toBe(name);
  });

  test('RFC 3501 §5.1.3: its own example', () => {
    expect(encodeUtf7('~peter/mail/台北/日本語')).toBe('~peter/mail/&U,BTFw-/&ZeVnLIqe-');
    expect(decodeUtf7('~peter/mail/&U,BTFw-/&ZeVnLIqe-')).toBe('~peter/mail/台北/日本語');
  });

  test('what other tools made is shown as it lies on disk, and found there', () => {
    const odd = ['Entwürfe', 'a&b', '&AGE-', 'x&AC8-y', '&Jjo', '&2D0-'];
    const names = namesOf(odd);
    expect([...names]).toEqual([['INBOX', ''], ...odd.map((disk) => [disk, disk])]);
  });

  test('of two that are shown alike the one has the name that we would have written', () => {
    for (const disks of [
      ['Entw&APw-rfe', 'Entwürfe'],
      ['Entwürfe', 'Entw&APw-rfe'],
    ]) {
      expect(namesOf(disks).get('Entwürfe')).toBe('Entw&APw-rfe');
    }
    expect([...namesOf(['inbox', 'InBoX.y', 'INBOX'])]).toEqual([['INBOX', '']]);
  });

  test('any name leads to one folder directly in the Maildir, and back', () => {
    const part = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), (parts) => {
        let name: string;
        try {
          name = folderName(parts.join('/'));
        } catch {
          return;
        }
        const disk = diskName(name);
        if (name === 'INBOX') return;
        expect(folderNameFault(disk)).toBeUndefined();
        expect(disk).toMatch(/^[ -~]+$/);
        expect(disk.split('.')).toHaveLength(name.split('/').length);
        expect(shownName(disk)).toBe(name);
      }),
      { numRuns: 500 },
    );
  });

  test('any octets of a peer are decoded to text or to nothing', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 40 }), (text) => {
        const decoded = decodeUtf7(`&${text}`);
        expect(decoded?.isWellFormed() ?? true).toBe(true);
      }),
    );
  });
});

test('folders of other tools whose names decode alike, or that would be INBOX', () => {
  const disks = ['a', '&AGE-', 'inbox', 'Inbox', 'INBOX.b', 'inbox.c', 'x&AOQ-', 'x\u00e4', '&'];
  expect([...namesOf(disks)]).toEqual([
    ['INBOX', ''],
    ['a', 'a'],
    ['&AGE-', '&AGE-'],
    ['INBOX/b', 'INBOX.b'],
    ['x\u00e4', 'x&AOQ-'],
    ['&', '&'],
  ]);
  expect(namesOf(disks.toReversed())).toEqual(namesOf(disks));
});

describe('subscriptions that other tools left', () => {
  test('Dovecot, version 1 and 2', () => {
    expect(dovecotNames('INBOX\nSent\nArchive.2026\nEntw&APw-rfe\na/b\n\n.\n')).toEqual([
      'INBOX',
      'Sent',
      'Archive/2026',
      'Entwürfe',
      'a/b',
    ]);
    const second = 'V\t2\n\nSent\nArchive\t2026\nEntw&APw-rfe\ntab\u0001tx\na.b\n';
    expect(dovecotNames(second)).toEqual(['Sent', 'Archive/2026', 'Entwürfe', 'a.b']);
    expect(dovecotNames('')).toEqual([]);
  });

  test('Courier', () => {
    const text = 'INBOX\nINBOX.Sent\nINBOX.Archive.2026\nINBOX.Entw&APw-rfe\n#shared.x\nother\n';
    expect(courierNames(text)).toEqual(['INBOX', 'Sent', 'Archive/2026', 'Entwürfe']);
  });
});

describe('stored form', () => {
  const convert = (wire: Buffer, size: number): { stored: Buffer; form: StoredForm } => {
    const form = new StoredForm();
    const pieces: Buffer[] = [];
    for (let at = 0; at < wire.length; at += size) {
      pieces.push(form.convert(wire.subarray(at, at + size)));
    }
    return { stored: Buffer.concat([...pieces, form.end()]), form };
  };

  test('is its definition, in pieces of any size, and comes back with every line end whole', () => {
    const octet = fc.constantFrom(...Buffer.from('\r\n\r\nab'), 0xff);
    fc.assert(
      fc.property(
        fc.array(octet, { maxLength: 60 }),
        fc.integer({ min: 1, max: 9 }),
        (all, size) => {
          const wire = Buffer.from(all);
          const { stored, form } = convert(wire, size);
          const text = wire.toString('latin1').replaceAll('\r\n', '\n');
          expect(stored.toString('latin1')).toBe(text);
          const back = wireForm('every-lf').convert(stored);
          expect(back.toString('latin1')).toBe(text.replaceAll('\n', '\r\n'));
          expect([form.octets, form.wireOctets]).toEqual([stored.length, back.length]);
        },
      ),
    );
  });
});
