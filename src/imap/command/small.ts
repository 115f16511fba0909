import { TLSSocket } from 'node:tls';
import type { Done } from '../../net/line-transport.ts';
import { CompressedSocket } from '../compressed-socket.ts';
import { prefixOf } from '../names.ts';
import { ID_TEXT_MAX } from '../options.ts';
import type { ImapSession } from '../session.ts';
import type { Args } from '../wire/args.ts';
import { quoted } from '../wire/text.ts';

/** CAPABILITY (RFC 9051 §6.1.1): computed from the table of commands and what is valid now. */
export function capability(session: ImapSession, args: Args): Done {
  args.end();
  session.untagged(`CAPABILITY ${session.shared.capabilities(session.facts)}`);
  session.ok('CAPABILITY completed');
}

/** NOOP (RFC 9051 §6.1.2): with a folder it looks at the files now. */
export async function noop(session: ImapSession, args: Args): Promise<void> {
  args.end();
  if (session.state.name === 'selected') await session.state.folder.refresh();
  session.ok('NOOP completed');
}

/** LOGOUT (RFC 9051 §6.1.3). */
export function logout(session: ImapSession, args: Args): Done {
  args.end();
  session.bye('Goodbye');
  session.ok('LOGOUT completed');
}

/** Fields of ID (RFC 2971 §3.3). */
const ID_FIELDS_MAX = 30;

/** ID (RFC 2971 §3.1). What the client says of itself goes to the log, cut. */
export function id(session: ImapSession, args: Args): Done {
  args.space();
  const said: string[] = [];
  if (!args.takesWord('NIL')) {
    const words = args.list(() => args.nstring());
    if (words.length % 2 !== 0) args.fail('A field of ID has no value');
    if (words.length > ID_FIELDS_MAX * 2) args.fail('ID has too many fields');
    for (let at = 0; at < words.length; at += 2) {
      if (/^(?:name|version)$/i.test(words[at] ?? '')) said.push(words[at + 1] ?? '');
    }
  }
  args.end();
  const printable = said.join(' ').replaceAll(/[^ -~]/g, '?');
  session.client = printable === '' ? undefined : printable.slice(0, ID_TEXT_MAX);
  session.untagged('ID ("name" "Mailfarm")');
  session.ok('ID completed');
}

/** STARTTLS (RFC 9051 §6.2.1). Once, before login. */
export function starttls(session: ImapSession, args: Args): Done {
  args.end();
  if (session.secure) return session.bad('TLS is up already');
  const { secureContext } = session.shared;
  if (secureContext === undefined) return session.no('CANNOT', 'TLS is not available');
  const options = { isServer: true, SNICallback: session.shared.sni };
  session.switchSocket(
    'Begin TLS negotiation',
    (plain) => new TLSSocket(plain, { ...options, secureContext: secureContext(undefined) }),
  );
  session.secure = true;
  session.client = undefined; // What was said before TLS is forgotten.
}

/** ENABLE (RFC 9051 §6.3.1): what is not known is passed over. */
export function enable(session: ImapSession, args: Args): Done {
  const names: string[] = [];
  do {
    args.space();
    names.push(args.word());
  } while (!args.atEnd);
  const { enabled } = session;
  const before = { ...enabled };
  for (const name of names) {
    if (name === 'CONDSTORE') enabled.condstore = true;
    if (name === 'QRESYNC') enabled.qresync = enabled.condstore = true;
    if (name === 'UTF8=ACCEPT') enabled.utf8 = enabled.utf8Accept = true;
    if (name === 'IMAP4REV2') enabled.rev2 = enabled.utf8 = true;
  }
  const now = names.filter(
    (name) =>
      (name === 'CONDSTORE' && !before.condstore) ||
      (name === 'QRESYNC' && !before.qresync) ||
      (name === 'UTF8=ACCEPT' && !before.utf8Accept) ||
      (name === 'IMAP4REV2' && !before.rev2),
  );
  const shown = [...new Set(now)].map((name) => (name === 'IMAP4REV2' ? 'IMAP4rev2' : name));
  session.untagged(['ENABLED', ...shown].join(' '));
  session.ok('ENABLE completed');
}

/** NAMESPACE (RFC 9051 §6.3.10): the user's own folders; nobody's else are shown. */
export function namespace(session: ImapSession, args: Args): Done {
  args.end();
  const { values } = session.shared;
  const separator = quoted(values['imap.separator']);
  session.untagged(`NAMESPACE ((${quoted(prefixOf(values))} ${separator})) NIL NIL`);
  session.ok('NAMESPACE completed');
}

/** COMPRESS DEFLATE (RFC 4978 §3). */
export function compress(session: ImapSession, args: Args): Done {
  args.space();
  const mechanism = args.word();
  args.end();
  if (mechanism !== 'DEFLATE') return session.bad('Unknown compression');
  if (session.shared.values['imap.compress'] === 'no') {
    return session.no('CANNOT', 'Compression is not offered');
  }
  if (session.compressed) return session.no('COMPRESSIONACTIVE', 'DEFLATE is active already');
  session.compressed = true;
  session.switchSocket('DEFLATE active', (plain) => CompressedSocket.over(plain));
}
