import { folderName } from '../../mailbox/folder-names.ts';
import { isSpecialUse } from '../../mailbox/special-use.ts';
import type { SpecialUse } from '../../mailbox/mail.ts';
import { Refusal } from '../replies.ts';
import type { ImapSession } from '../session.ts';
import type { Authenticated, Selected } from '../state.ts';
import type { Args } from '../wire/args.ts';

type State = Authenticated | Selected;

/**
 * CREATE mailbox [(USE (use))] (RFC 9051 §6.3.4, RFC 6154 §3). A separator at the end says that
 * there will be folders below; here every folder may have some.
 */
export async function create(session: ImapSession, args: Args, state: State): Promise<void> {
  args.space();
  const name = args.mailbox();
  const use = args.takes(' ') ? readUse(args) : undefined;
  args.end();
  await state.mail.create(name.replace(/\/$/, ''), use);
  session.shared.folderEvents.changed(state.account.id);
  session.ok('CREATE completed');
}

function readUse(args: Args): SpecialUse | undefined {
  args.expect('(');
  if (!args.takesWord('USE')) args.fail('USE is the only parameter of CREATE');
  args.space();
  const uses = args.list(() => args.flag());
  args.expect(')');
  if (uses.length > 1) throw new Refusal('USEATTR', 'A folder has one special use here');
  if (uses[0] === undefined) return undefined;
  const use = uses[0].slice(1).toLowerCase();
  const known = `${use.charAt(0).toUpperCase()}${use.slice(1)}`;
  if (!isSpecialUse(known)) throw new Refusal('USEATTR', 'This special use is not known');
  return known;
}

/** DELETE mailbox (RFC 9051 §6.3.5). */
export async function deleteFolder(session: ImapSession, args: Args, state: State): Promise<void> {
  args.space();
  const name = folderName(args.mailbox());
  args.end();
  await state.mail.remove(name);
  session.shared.folderEvents.changed(state.account.id);
  if (state.name === 'selected' && state.folder.name === name) session.leaveFolder();
  session.ok('DELETE completed');
}

/** RENAME from to (RFC 9051 §6.3.6). */
export async function rename(session: ImapSession, args: Args, state: State): Promise<void> {
  args.space();
  const from = folderName(args.mailbox());
  args.space();
  const to = folderName(args.mailbox().replace(/\/$/, ''));
  args.end();
  await state.mail.rename(from, to);
  session.shared.folderEvents.changed(state.account.id, { from, to });
  if (state.name === 'selected') await follow(session, state, from, to);
  session.ok('RENAME completed');
}

/** The folder that is open goes on under its new name, with its numbers (RFC 2180 §3.4). */
async function follow(
  session: ImapSession,
  state: Selected,
  from: string,
  to: string,
): Promise<void> {
  const { name } = state.folder;
  if (from === 'INBOX' || (name !== from && !name.startsWith(`${from}/`))) return;
  const folder = await state.mail.open(`${to}${name.slice(from.length)}`);
  session.select({ ...state, folder });
}

/** SUBSCRIBE mailbox (RFC 9051 §6.3.7): of any name, there or not. */
export async function subscribe(session: ImapSession, args: Args, state: State): Promise<void> {
  args.space();
  const name = args.mailbox();
  args.end();
  await state.mail.subscribe(name, 'yes');
  session.shared.folderEvents.changed(state.account.id);
  session.ok('SUBSCRIBE completed');
}

/** UNSUBSCRIBE mailbox (RFC 9051 §6.3.8). */
export async function unsubscribe(session: ImapSession, args: Args, state: State): Promise<void> {
  args.space();
  const name = args.mailbox();
  args.end();
  await state.mail.subscribe(name, 'no');
  session.shared.folderEvents.changed(state.account.id);
  session.ok('UNSUBSCRIBE completed');
}
