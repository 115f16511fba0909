import { describe, expect, it } from 'vitest';

import type { BodyPart, FullEmail } from '../jmap/types.ts';
import { suggestions, typedAddresses } from './addresses.ts';
import { htmlOfText, quotedText, sentHtml, textOfHtml } from './html.ts';
import {
  asKind,
  asSender,
  completed,
  forgetsFile,
  letterAbout,
  letterOfDraft,
  newLetter,
  type Beginning,
  type Identity,
} from './letter.ts';

const ME: Identity = {
  id: 'i1',
  name: 'Me',
  email: 'me@example.test',
  replyTo: null,
  bcc: null,
  textSignature: 'Me & Co',
  htmlSignature: '',
  mayDelete: false,
};
const BEGIN: Beginning = {
  id: 'letter1',
  identities: [ME],
  isPlain: true,
  quoteHead: 'On Monday, Ada wrote:',
  clean: (html) => html,
};
const person = (name: string) => ({ name, email: `${name}@example.test` });

const part = (some: Partial<BodyPart>): BodyPart => ({
  partId: null,
  blobId: null,
  size: 3,
  name: null,
  type: 'text/plain',
  charset: null,
  disposition: null,
  cid: null,
  ...some,
});

function email(some: Partial<FullEmail> = {}): FullEmail {
  return {
    id: 'e1',
    messageId: ['one@example.test'],
    references: ['zero@example.test'],
    from: [person('ada')],
    to: [person('me'), person('bob')],
    cc: [person('cy'), person('ADA')],
    subject: 'Plan',
    textBody: [{ partId: '1', type: 'text/plain' }],
    htmlBody: [{ partId: '1', type: 'text/plain' }],
    attachments: [],
    bodyValues: { 1: { value: 'First\n> older\n', isTruncated: false, isEncodingProblem: false } },
    ...some,
  } as FullEmail;
}

describe('[P-04] an answer', () => {
  it('goes to the writer, with the thread’s fields', () => {
    const letter = letterAbout('reply', email(), BEGIN);
    expect(letter.to).toEqual([person('ada')]);
    expect(letter.cc).toEqual([]);
    expect(letter.subject).toBe('Re: Plan');
    expect(letter.inReplyTo).toEqual(['one@example.test']);
    expect(letter.references).toEqual(['zero@example.test', 'one@example.test']);
    expect(letter.body).toContain('On Monday, Ada wrote:\n> First\n>> older');
    expect(letter.body).toContain('-- \nMe & Co');
  });

  it('to all goes to everybody once, and not to oneself', () => {
    const letter = letterAbout('replyAll', email(), BEGIN);
    expect(letter.to).toEqual([person('ada')]);
    expect(letter.cc).toEqual([person('bob'), person('cy')]);
  });

  it('honours Reply-To, and to one’s own letter goes where that went', () => {
    const list = letterAbout('reply', email({ replyTo: [person('list')] }), BEGIN);
    expect(list.to).toEqual([person('list')]);
    const own = letterAbout(
      'replyAll',
      email({ from: [person('me')], to: [person('bob')] }),
      BEGIN,
    );
    expect(own.to).toEqual([person('bob')]);
  });

  it('keeps one prefix and few references', () => {
    const references = Array.from({ length: 200 }, (_, n) => `${n}@example.test`);
    const letter = letterAbout('reply', email({ subject: 'RE: Plan', references }), BEGIN);
    expect(letter.subject).toBe('RE: Plan');
    expect(letter.references).toHaveLength(30);
    expect(letter.references[0]).toBe('0@example.test');
    expect(letter.references.at(-1)).toBe('one@example.test');
  });
});

it('[P-04] what is forwarded takes its files along, and is no answer', () => {
  const attachments = [part({ blobId: 'p1', name: 'a.pdf', disposition: 'attachment' })];
  const letter = letterAbout('forward', email({ attachments }), BEGIN);
  expect(letter.files).toMatchObject([{ blobId: 'p1', name: 'a.pdf', cid: undefined }]);
  expect([letter.to, letter.inReplyTo]).toEqual([[], []]);
  expect(letter.subject).toBe('Fwd: Plan');
  expect(letter.about).toEqual({ email: 'e1', keyword: '$forwarded' });
});

it('[P-04] a draft is taken up as it was, pictures and all', () => {
  const draft = letterOfDraft(
    email({
      htmlBody: [part({ partId: '2', type: 'text/html' })],
      bodyValues: {
        2: { value: '<img src="cid:x">', isTruncated: false, isEncodingProblem: false },
      },
      attachments: [part({ blobId: 'p1', cid: 'x', type: 'image/png', disposition: 'inline' })],
    }),
    BEGIN,
  );
  expect(draft).toMatchObject({ draft: 'e1', isUnsettled: false });
  // Its own states are told from those of another page that has the draft open.
  expect(draft.messageId).toBe(`one.page-${BEGIN.id}@example.test`);
  expect(draft.files).toMatchObject([{ cid: 'x', blobId: 'p1' }]);
});

it('a forgotten file is noticed in one’s own words only', () => {
  const plain = (body: string) => forgetsFile({ ...newLetter(BEGIN), body });
  expect(plain('See the attachment.')).toBe(true);
  expect(plain('Прилагаю план, см. вложение')).toBe(true);
  expect(plain('Thanks\n> see the attachment')).toBe(false);
  expect(plain('I am attached to it? No: fond of it')).toBe(true);
  expect(plain('Nothing of that kind')).toBe(false);
});

describe('text and HTML', () => {
  it('text of HTML has its lists, quotations and lines', () => {
    const html =
      '<div>One &amp; two</div><div><br></div><ul><li>a</li><li>b</li></ul>' +
      '<blockquote><div>Said</div><blockquote>Before</blockquote></blockquote>';
    expect(textOfHtml(html)).toBe('One & two\n\n- a\n- b\n> Said\n>> Before');
    expect(textOfHtml('<ol><li>x</li><li>y</li></ol>')).toBe('1. x\n2. y');
  });

  it('there and back says the same', () => {
    const text = 'a < b & "c"\n\n  two  blanks';
    expect(textOfHtml(htmlOfText(text)).replaceAll('\u00a0', ' ')).toContain('a < b & "c"\n\n');
    const letter = { ...newLetter(BEGIN), body: 'One\nTwo' };
    expect(asKind(asKind(letter, false), true).body).toBe('One\nTwo');
  });

  it('quotations are quoted once more', () => {
    expect(quotedText('a\n> b\n\n')).toBe('> a\n>> b');
  });

  it('pictures are sent by their Content-ID, wherever they were shown from', () => {
    const shown = '<p><img src="blob:x" alt="A &quot;b&quot;" data-cid="c@d"></p>';
    expect(sentHtml(shown)).toBe('<p><img src="cid:c@d" alt="A &quot;b&quot;"></p>');
  });
});

describe('addresses', () => {
  it('are read as people type and paste them', () => {
    const { found, rest } = typedAddresses('Ada L <ada@x.test>, "B, C" <b@x.test>; d@x.test\nfoo');
    expect(found).toEqual([
      { name: 'Ada L', email: 'ada@x.test' },
      { name: 'B, C', email: 'b@x.test' },
      { name: null, email: 'd@x.test' },
    ]);
    expect(rest).toBe('foo');
  });

  it('are suggested by any of their names, the frequent first', () => {
    const contact = (name: string, email_: string, count: number) => ({
      id: email_,
      name,
      email: email_,
      count,
      at: 0,
    });
    const all = [
      contact('Ada Lovelace', 'ada@x.test', 1),
      contact('Lora', 'lora@x.test', 5),
      contact('Bob', 'bob@lovely.test', 9),
    ];
    const names = (text: string) => suggestions(all, text, []).map((one) => one.name);
    expect(names('lo')).toEqual(['Bob', 'Lora', 'Ada Lovelace']);
    expect(names('ada l')).toEqual(['Ada Lovelace']);
    expect(suggestions(all, 'lo', [{ name: null, email: 'BOB@lovely.test' }])).toHaveLength(2);
    expect(names('')).toEqual([]);
  });
});

describe('[P-04] another sender', () => {
  const other: Identity = { ...ME, id: 'i2', textSignature: 'The "other" $& one' };

  it.each([true, false])(
    'brings the signature that goes with it, and back (plain: %s)',
    (isPlain) => {
      const letter = newLetter({ ...BEGIN, isPlain });
      const changed = asSender(letter, ME, other);
      expect(changed.identityId).toBe('i2');
      expect(changed.body).not.toContain('Co');
      expect(isPlain ? changed.body : textOfHtml(changed.body)).toContain(
        '-- \nThe "other" $& one',
      );
      const edited = { ...changed, body: changed.body.replaceAll('&quot;', '"') };
      expect(asSender(edited, other, ME).body).toBe(letter.body);
    },
  );

  it('leaves a signature that the user has changed', () => {
    const letter = { ...newLetter(BEGIN), body: 'Words\n\n-- \nMe & Company' };
    const mine = { ...ME, textSignature: 'Me & Co.' };
    expect(asSender(letter, mine, other).body).toBe(letter.body);
  });
});

describe('[P-04] a letter that was begun before it was known who writes', () => {
  const again = (isPlain: boolean, about?: FullEmail) => (identities: readonly Identity[]) => {
    const begin = { ...BEGIN, isPlain, identities };
    return about ? letterAbout('replyAll', about, begin) : newLetter(begin);
  };
  const begun = (isPlain: boolean, about?: FullEmail) => {
    const make = again(isPlain, about);
    return { letter: make([]), again: make };
  };
  const text = (body: string, isPlain: boolean): string => (isPlain ? body : textOfHtml(body));

  it.each([true, false])('is as if it had been known, plain: %s', (isPlain) => {
    for (const about of [undefined, email()]) {
      const first = begun(isPlain, about);
      const { messageId, ...made } = completed(first.letter, [ME], first);
      const { messageId: other, ...wanted } = first.again([ME]);
      expect(made).toEqual(wanted);
      expect(messageId).not.toBe(other);
    }
  });

  it.each([true, false])('keeps what was typed, plain: %s', (isPlain) => {
    const fresh = begun(isPlain);
    const body = isPlain ? 'Words' : '<div>Words</div>';
    const written = completed({ ...fresh.letter, body }, [ME], fresh);
    expect(text(written.body, isPlain)).toMatch(/^Words\n+-- \nMe & Co$/);
    // An answer: before the quotation and its head.
    const answer = begun(isPlain, email());
    const typed = { ...answer.letter, body: body + answer.letter.body, to: [person('cy')] };
    const done = completed(typed, [ME], answer);
    expect(text(done.body, isPlain)).toMatch(/^Words\n+-- \nMe & Co\n+On Monday, Ada wrote:\n>/);
    expect(done.to).toEqual([person('cy')]);
    expect(done.cc).toEqual([person('bob'), person('cy')]);
  });

  it('of a page that was closed is signed too; a saved one is not signed twice', () => {
    const { letter } = begun(true);
    const found = completed({ ...letter, body: 'Words' }, [ME], undefined);
    expect(found).toMatchObject({ identityId: 'i1', body: 'Words\n\n-- \nMe & Co' });
    expect(completed(found, [ME], undefined)).toBe(found);
    const draft = { ...letter, draft: 'd1', body: 'Words' };
    expect(completed(draft, [ME], undefined)).toMatchObject({ identityId: 'i1', body: 'Words' });
  });
});
