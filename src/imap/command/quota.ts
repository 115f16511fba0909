import { Refusal } from '../replies.ts';
import type { ImapSession } from '../session.ts';
import type { Authenticated, Selected } from '../state.ts';
import type { Args } from '../wire/args.ts';

type State = Authenticated | Selected;

/** The one quota root: all of the user's mail. */
const ROOT = '';

/** GETQUOTA root (RFC 9208 §4.1.2). */
export async function getQuota(session: ImapSession, args: Args, state: State): Promise<void> {
  args.space();
  const root = args.astring();
  args.end();
  if (root !== ROOT) throw new Refusal('NONEXISTENT', 'The only quota root is ""');
  await sayQuota(session, state);
  session.ok('GETQUOTA completed');
}

/** GETQUOTAROOT mailbox (RFC 9208 §4.1.3). */
export async function getQuotaRoot(session: ImapSession, args: Args, state: State): Promise<void> {
  args.space();
  const name = args.mailbox();
  args.end();
  const folder = await state.mail.open(name);
  folder.close();
  session.untagged(`QUOTAROOT ${session.mailbox(name)} ""`);
  await sayQuota(session, state);
  session.ok('GETQUOTAROOT completed');
}

/** STORAGE is in units of 1,024 octets (RFC 9208 §5.1); no resource where there is no limit. */
async function sayQuota(session: ImapSession, state: State): Promise<void> {
  const { octets, octetsMax } = await state.mail.quota();
  const used = Math.ceil(octets / 1024);
  const storage = octetsMax > 0 ? `STORAGE ${used} ${Math.ceil(octetsMax / 1024)}` : '';
  session.untagged(`QUOTA "" (${storage})`);
}
