import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'vitest';
import { testDirectory } from '../../harness/directory.ts';
import { runOrThrow } from '../../harness/process.ts';
import { PYTHON } from '../python.ts';
import { type ImapServer, expectFilesAgree } from './servers.ts';

/** Every method of imaplib that a server can answer; an assertion that fails ends it. */
const SCRIPT = `
import imaplib, re, ssl, sys, time
host, port, imaps, user, password, authority = sys.argv[1:7]
context = ssl.create_default_context(cafile=authority)

def ok(answer):
    kind, data = answer
    assert kind == 'OK', answer
    return data

def letter(subject, text='A line.'):
    form = 'From: anna@sender.example\\r\\nSubject: %s\\r\\n\\r\\n%s\\r\\n'
    return (form % (subject, text)).encode()

box = imaplib.IMAP4(host, int(port))
assert 'IMAP4REV1' in box.capabilities, box.capabilities
ok(box.noop())
try:
    box.login(user, 'wrong')
    raise SystemExit('a wrong password was taken')
except imaplib.IMAP4.error:
    pass
ok(box.login(user, password))
ok(box.namespace())
assert b'1' == ok(box.select('INBOX'))[0]

# Folders.
ok(box.create('Eins'))
ok(box.create('Eins/Zwei'))
ok(box.rename('Eins/Zwei', 'Eins/Drei'))
ok(box.subscribe('Eins'))
assert any(b'Eins' in row for row in ok(box.lsub()))
ok(box.unsubscribe('Eins'))
assert not any(row and b'Eins' in row for row in ok(box.lsub()))
names = b' '.join(ok(box.list()))
assert b'Eins/Drei' in names and b'Zwei' not in names, names
assert any(b'"/"' in row for row in ok(box.list('""', '%')))
ok(box.delete('Eins/Drei'))
assert box.select('Eins/Drei')[0] == 'NO'

# Messages.
ok(box.select('INBOX'))
for n in range(1, 6):
    flags = '(\\\\Seen)' if n == 2 else None
    ok(box.append('INBOX', flags, time.time() - n, letter('number %d' % n)))
assert ok(box.status('INBOX', '(MESSAGES UNSEEN UIDNEXT UIDVALIDITY)'))[0].find(b'MESSAGES 6') > 0
ok(box.check())
ok(box.noop())
items = 'UID FLAGS RFC822.SIZE INTERNALDATE BODY.PEEK[HEADER.FIELDS (SUBJECT)]'
rows = ok(box.fetch('2:6', '(%s)' % items))
found = [row for row in rows if isinstance(row, tuple)]
assert len(found) == 5, rows
assert found[0][1] == b'Subject: number 1\\r\\n\\r\\n', found[0]
assert b'\\\\Seen' in found[1][0] + rows[rows.index(found[1]) + 1], rows
whole = ok(box.fetch('3', '(RFC822)'))[0][1]
assert whole == letter('number 2'), whole
part = ok(box.partial('1', 'RFC822.TEXT', '1', '4')) if 'PARTIAL' in box.capabilities else None
assert ok(box.fetch('2', '(BODY.PEEK[TEXT]<2.4>)'))[0][1] == b'line'
assert b'ENVELOPE' in ok(box.fetch('2', '(ENVELOPE)'))[0]
assert b'BODYSTRUCTURE' in ok(box.fetch('2', '(BODYSTRUCTURE)'))[0]

# Searches.
def numbers(answer):
    return [int(n) for row in ok(answer) if row for n in row.split()]
assert numbers(box.search(None, 'ALL')) == [1, 2, 3, 4, 5, 6]
assert numbers(box.search(None, 'SUBJECT', '"number 4"')) == [5]
assert numbers(box.search('UTF-8', 'NOT', 'SUBJECT', '"number"')) == [1]
assert 3 in numbers(box.search(None, 'SEEN')) and 2 in numbers(box.search(None, 'UNSEEN'))
assert numbers(box.search(None, 'TEXT', '"nobody wrote this"')) == []
assert numbers(box.search(None, 'OR', 'SUBJECT', '"number 1"', 'SUBJECT', '"number 5"')) == [2, 6]
uids = numbers(box.uid('SEARCH', None, 'ALL'))
assert uids == sorted(uids) and len(uids) == 6
if 'SORT' in box.capabilities:
    assert numbers(box.sort('(REVERSE ARRIVAL)', 'UTF-8', 'ALL'))[0] == 1
    assert numbers(box.sort('(SUBJECT)', 'UTF-8', 'SUBJECT', '"number"')) == [2, 3, 4, 5, 6]
if 'THREAD=REFERENCES' in box.capabilities:
    assert b'(2)' in ok(box.thread('REFERENCES', 'UTF-8', 'ALL'))[0]
if 'QUOTA' in box.capabilities:
    ok(box.getquotaroot('INBOX'))

# Flags.
answer = b' '.join(ok(box.store('4', '+FLAGS', '(\\\\Flagged $Mine)')))
assert b'\\\\Flagged' in answer and b'$Mine' in answer, answer
assert numbers(box.search(None, 'KEYWORD', '$Mine')) == [4]
answer = ok(box.store('4', '-FLAGS', '(\\\\Flagged)'))[0]
assert b'\\\\Flagged' not in answer and b'$Mine' in answer, answer
answer = ok(box.uid('STORE', str(uids[4]), 'FLAGS', '(\\\\Answered \\\\Draft)'))[0]
assert b'\\\\Answered' in answer and b'\\\\Draft' in answer, answer
assert b'UID %d' % uids[4] in answer, answer

# Copies, and the end of some.
ok(box.copy('4', 'Eins'))
ok(box.store('2,5', '+FLAGS', '\\\\Deleted'))
assert [int(n) for n in ok(box.expunge())] in ([2, 4], [5, 2])
assert numbers(box.uid('SEARCH', None, 'ALL')) == [u for i, u in enumerate(uids) if i not in (1, 4)]
box.recent()
box.response('EXISTS')
ok(box.close())
ok(box.select('Eins', readonly=True))
row = ok(box.fetch('1', '(FLAGS RFC822)'))
assert row[0][1] == letter('number 3'), row
assert b'$Mine' in row[0][0] + b''.join(r for r in row if isinstance(r, bytes)), row
try:
    box.store('1', '+FLAGS', '\\\\Flagged') # Refused, or without effect: both are right.
except imaplib.IMAP4.error:
    pass
assert b'Flagged' not in ok(box.fetch('1', '(FLAGS)'))[0]
ok(box.unselect())
if 'ENABLE' in box.capabilities:
    ok(box.enable('CONDSTORE' if 'CONDSTORE' in box.capabilities else 'IMAP4rev2'))
assert box.logout()[0] == 'BYE'

# The other doors.
for open_ in (lambda: imaplib.IMAP4_SSL('localhost', int(imaps), ssl_context=context),
              lambda: imaplib.IMAP4('localhost', int(port))):
    with open_() as secure:
        if not isinstance(secure, imaplib.IMAP4_SSL):
            ok(secure.starttls(context))
        if 'AUTH=PLAIN' in secure.capabilities:
            ok(secure.authenticate('PLAIN', lambda _: ('\\0%s\\0%s' % (user, password)).encode()))
        else:
            ok(secure.login(user, password))
        assert ok(secure.select('INBOX'))[0] == b'4'
`;

export async function imaplibDoesAll(ctx: TestContext, server: ImapServer): Promise<void> {
  const login = await server.user('imaplib');
  const file = join(testDirectory(ctx), 'script.py');
  writeFileSync(file, SCRIPT);
  const where = [login.host, String(login.port), String(login.imaps)];
  const who = [login.user, login.password, login.authority];
  await runOrThrow([PYTHON, '-I', file, ...where, ...who]);
  await expectFilesAgree(ctx, login);
}
