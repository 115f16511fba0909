import type { Account } from '../../directory/types.ts';
import type { Maildrop } from '../../mailbox/types.ts';
import type { Release } from '../context.ts';
import type { LoginResult } from '../metrics.ts';
import { loginDelay, opened, REPLY, throttled } from '../replies.ts';
import type { Pop3Session } from '../session.ts';
import type { Authorization } from '../state.ts';
import type { Done } from '../../net/line-transport.ts';
import { parsePlain } from '../wire/sasl.ts';
import { decodeText } from '../wire/text.ts';

/** USER name (RFC 1939 §7). Says nothing about the name; a second USER replaces the first. */
export function user(session: Pop3Session, argument: string): Done {
  if (!session.passwordAllowed) return refusePlaintext(session);
  const name = decodeText(argument);
  if (name === undefined) return session.bad(REPLY.badText);
  session.named(name);
  session.say(REPLY.user);
}

/** PASS string (RFC 1939 §7): all after the space, spaces too. Only after USER. */
export function pass(session: Pop3Session, argument: string, state: Authorization): Done {
  if (!session.passwordAllowed) return refusePlaintext(session);
  if (state.user === undefined) return session.bad(REPLY.userFirst);
  const password = decodeText(argument);
  session.forgetUser();
  if (password === undefined) return session.bad(REPLY.badText);
  return logIn(session, state.user, password);
}

/** AUTH mechanism [initial-response] (RFC 5034 §4). AUTH alone lists the mechanisms. */
export function auth(session: Pop3Session, argument: string): Done {
  if (argument === '') {
    const names = session.passwordAllowed ? 'PLAIN\r\n' : '';
    return session.say(REPLY.mechanisms + names + REPLY.end);
  }
  const space = argument.indexOf(' ');
  const mechanism = space < 0 ? argument : argument.slice(0, space);
  if (mechanism.toUpperCase() !== 'PLAIN') return session.bad(REPLY.mechanismUnknown);
  if (!session.passwordAllowed) return refusePlaintext(session);
  session.forgetUser();
  if (space >= 0) return saslResponse(session, argument.slice(space + 1));
  session.expectSaslResponse();
  session.say(REPLY.saslContinue);
}

/** The response to AUTH PLAIN, in its own line or with the command; `*` cancels. */
export function saslResponse(session: Pop3Session, response: string): Done {
  if (response === '*') return session.say(REPLY.saslCancelled);
  const plain = parsePlain(response === '=' ? '' : response);
  switch (plain.kind) {
    case 'bad-base64':
      return session.bad(REPLY.saslBadBase64);
    case 'bad-message':
      return session.bad(REPLY.saslBadPlain);
    case 'bad-text':
      return session.bad(REPLY.badText);
    case 'credentials':
      return logIn(session, plain.login, plain.password);
  }
}

/** UTF8 (RFC 6856 §2.1). Names and passwords are UTF-8 in any case, messages go as they are. */
export function utf8(session: Pop3Session): Done {
  session.say(REPLY.utf8);
}

function refusePlaintext(session: Pop3Session): void {
  session.shared.tally.login('plaintext');
  session.say(session.shared.secureContext ? REPLY.tlsFirst : REPLY.plaintextNever);
}

async function logIn(session: Pop3Session, login: string, password: string): Promise<void> {
  const { shared } = session;
  const address = session.peer.remoteAddress;
  const verdict = await shared.auth.verify({ login, password, address, service: 'pop3' });
  switch (verdict.kind) {
    case 'refused':
      return refuse(session, 'refused', REPLY.loginRefused);
    case 'suspended':
      return refuse(session, 'suspended', REPLY.loginSuspended);
    case 'throttled':
      return refuse(session, 'throttled', throttled(verdict.retryAfterMs));
    case 'unavailable':
      return refuse(session, 'unavailable', REPLY.loginUnavailable);
    case 'accepted':
      return open(session, verdict.account);
  }
}

/** Only credentials that were tested and found wrong count against the client. */
function refuse(session: Pop3Session, result: LoginResult, reply: string): void {
  session.shared.tally.login(result);
  if (result === 'refused' || result === 'suspended') session.loginFailed(reply);
  else session.say(reply);
}

/** Opens the mailbox of who is known by now. A session that is gone by then opens nothing. */
async function open(session: Pop3Session, account: Account): Promise<void> {
  const { shared } = session;
  if (session.closed) return;
  if (!shared.loginDelay.admit(account.id)) {
    const seconds = Math.ceil(shared.values['pop3.login-delay'] / 1000);
    return refuse(session, 'login-delay', loginDelay(seconds));
  }
  const release = await shared.exclusive?.(account);
  if (release === 'in-use') return refuse(session, 'in-use', REPLY.inUse);
  let drop: Maildrop;
  try {
    drop = await shared.store.openMaildrop(account);
  } catch (error) {
    shared.tally.login('mailbox-unavailable');
    await giveBack(release);
    throw error; // The boundary answers.
  }
  shared.tally.login('accepted');
  shared.onLogin?.(session.peer.remoteAddress, account);
  session.enter(account, drop, release);
  session.say(opened(drop.count));
}

const giveBack = async (release: Release | undefined): Promise<void> => release?.();
