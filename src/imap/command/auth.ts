import type { Account } from '../../directory/types.ts';
import type { Mail } from '../../mailbox/mail.ts';
import { parseLogin, parsePlain } from '../../smtp/sasl.ts';
import type { LoginResult } from '../metrics.ts';
import type { Code } from '../replies.ts';
import type { ImapSession } from '../session.ts';
import type { Args } from '../wire/args.ts';

type Words = readonly [login: string, password: string];

/** LOGIN user password (RFC 9051 §6.2.3). */
export async function login(session: ImapSession, args: Args): Promise<void> {
  args.space();
  const name = args.text();
  args.space();
  const password = args.text();
  args.end();
  if (!session.passwordAllowed) return refusePlaintext(session);
  if (CONTROLS.test(name + password)) return session.bad('A name has no control characters');
  await logIn(session, [name, password]);
}

// eslint-disable-next-line no-control-regex
const CONTROLS = /[\u0000-\u001f\u007f-\u009f]/; // NUL above all: it ends names elsewhere.

/** AUTHENTICATE mechanism [initial-response] (RFC 9051 §6.2.2). */
export async function authenticate(session: ImapSession, args: Args): Promise<void> {
  args.space();
  const mechanism = args.word();
  const first = args.takes(' ') ? args.rest() : undefined;
  if (mechanism !== 'PLAIN' && mechanism !== 'LOGIN') {
    return session.no('CANNOT', 'Unknown mechanism');
  }
  if (!session.passwordAllowed) return refusePlaintext(session);
  const words = await (mechanism === 'PLAIN' ? plain(session, first) : twoLines(session, first));
  if (words === 'cancelled') session.bad('Authentication cancelled');
  else if (words === undefined) session.bad('This is no response of the mechanism');
  else await logIn(session, words);
}

type Exchange = Words | 'cancelled' | undefined;

async function plain(session: ImapSession, first: string | undefined): Promise<Exchange> {
  const response = first === undefined ? await ask(session, '') : first;
  if (response === '*') return 'cancelled';
  const parsed = parsePlain(response === '=' ? '' : response);
  return parsed?.kind === 'password' ? [parsed.login, parsed.password] : undefined;
}

/** The mechanism LOGIN: the name, then the password. */
async function twoLines(session: ImapSession, first: string | undefined): Promise<Exchange> {
  const named = first ?? (await ask(session, 'VXNlcm5hbWU6'));
  if (named === '*') return 'cancelled';
  const name = parseLogin(named);
  if (name === undefined) return undefined;
  const secret = await ask(session, 'UGFzc3dvcmQ6');
  if (secret === '*') return 'cancelled';
  const password = parseLogin(secret);
  return password === undefined ? undefined : [name, password];
}

function ask(session: ImapSession, challenge: string): Promise<string> {
  session.say(`+ ${challenge}\r\n`);
  return session.takeLine();
}

function refusePlaintext(session: ImapSession): void {
  session.shared.tally.login('plaintext');
  const tls = session.shared.secureContext ? ', send STARTTLS first' : '';
  session.no('PRIVACYREQUIRED', `No login without TLS here${tls}`);
}

async function logIn(session: ImapSession, [name, password]: Words): Promise<void> {
  const { shared } = session;
  const address = session.peer.remoteAddress;
  const verdict = await shared.auth.verify({ login: name, password, address, service: 'imap' });
  switch (verdict.kind) {
    case 'refused':
      return refuse(session, 'refused', 'AUTHENTICATIONFAILED', 'Wrong user name or password');
    case 'suspended':
      return refuse(session, 'suspended', 'AUTHORIZATIONFAILED', 'IMAP is suspended for you');
    case 'throttled': {
      const seconds = Math.ceil(verdict.retryAfterMs / 1000);
      const text = `Too many failed logins, try again in ${seconds} seconds`;
      return refuse(session, 'throttled', 'UNAVAILABLE', text);
    }
    case 'unavailable':
      return refuse(session, 'unavailable', 'UNAVAILABLE', 'Login is not possible at the moment');
    case 'accepted':
      return open(session, verdict.account);
  }
}

/** Only credentials that were tested and found wrong count against the client. */
function refuse(session: ImapSession, result: LoginResult, code: Code, text: string): void {
  session.shared.tally.login(result);
  if (result === 'refused' || result === 'suspended') session.loginFailed(code, text);
  else session.no(code, text);
}

/** Opens the mail of who is known by now. A session that is gone by then opens nothing. */
async function open(session: ImapSession, account: Account): Promise<void> {
  const { shared } = session;
  if (isOver(session)) return;
  let mail: Mail;
  try {
    mail = await shared.store.openMail(account);
  } catch (error) {
    shared.tally.login('mailbox-unavailable');
    throw error; // The boundary answers.
  }
  if (isOver(session)) return mail.close();
  shared.tally.login('accepted');
  shared.onLogin?.(session.peer.remoteAddress, account);
  session.enter(account, mail);
  session.ok('Logged in', `CAPABILITY ${shared.capabilities(session.facts)}`);
}

/** Closed, or told BYE: it waited for too long. */
const isOver = (session: ImapSession): boolean => session.state.name === 'logout';
