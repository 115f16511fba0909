/**
 * AUTH mechanism [initial-response] (RFC 4954 §4). Over TLS only: what goes over the wire in the
 * clear is the password. Once in a session, and in no transaction. `*` cancels.
 *
 * A response has a line of its own, so a mechanism is a chain: each step names the next one.
 */
import { REPLIES, ReplyError } from '../replies.ts';
import { parseLogin, parsePlain, parseXoauth2 } from '../sasl.ts';
import type { SmtpSession } from '../session.ts';
import type { AuthAnswer, Credentials, Mechanism } from '../types.ts';

/** Wrong passwords in one session; guessing over many is for the throttle. */
const FAILURES_MAX = 5;

type Step = (session: SmtpSession, response: string) => void | Promise<void>;

const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** What the server says first, and the step that takes the answer. */
const FIRST: Readonly<Record<Mechanism, { readonly challenge: string; readonly step: Step }>> = {
  PLAIN: { challenge: '', step: (session, response) => finish(session, parsePlain(response)) },
  LOGIN: { challenge: base64('Username:'), step: loginName },
  XOAUTH2: { challenge: '', step: (session, response) => finish(session, parseXoauth2(response)) },
};

export function auth(session: SmtpSession, args: string): void | Promise<void> {
  const { authenticate } = session.engine.policy;
  if (!authenticate) throw new ReplyError('unknownCommand');
  if (!session.extended) throw new ReplyError('badSequence');
  if (!session.secure) throw new ReplyError('authTlsFirst');
  if (session.account) throw new ReplyError('authAgain');
  if (session.transaction) throw new ReplyError('authInMail');
  const [name = '', response, ...more] = args.split(' ');
  if (name === '' || more.length > 0) throw new ReplyError('badSyntax');
  const mechanism = authenticate.mechanisms.find((one) => one === name.toUpperCase());
  if (!mechanism) throw new ReplyError('authMechanism');
  const { challenge, step } = FIRST[mechanism];
  if (response === undefined || response === '') return ask(session, challenge, step);
  return step(session, response === '=' ? '' : response);
}

/** 334, and the next line is the response. */
function ask(session: SmtpSession, challenge: string, step: Step): void {
  session.expect((response) => {
    if (response === '*') throw new ReplyError('authCancelled');
    return step(session, response);
  });
  session.send(334, challenge, false);
}

function loginName(session: SmtpSession, response: string): void {
  const login = parseLogin(response);
  if (login === undefined) throw new ReplyError('authSyntax');
  ask(session, base64('Password:'), (_, second) => {
    const password = parseLogin(second);
    return finish(
      session,
      password === undefined ? undefined : { kind: 'password', login, password },
    );
  });
}

async function finish(session: SmtpSession, credentials: Credentials | undefined): Promise<void> {
  const { authenticate } = session.engine.policy;
  if (!credentials || !authenticate) throw new ReplyError('authSyntax');
  const answer = await authenticate.verify(session, credentials);
  if (answer.kind === 'accepted') {
    session.account = answer.account;
    return session.reply('authenticated');
  }
  session.engine.log.info(
    { trace: session.id, peer: session.peer.remoteAddress, result: answer.kind },
    'login refused',
  );
  const refusal = refusalOf(answer);
  // The mechanism's own way to say no: the client answers nothing to it.
  if (credentials.kind === 'token' && refusal.reply === 'authRefused') {
    return ask(session, base64('{"status":"401","schemes":"bearer"}'), () =>
      refuse(session, refusal),
    );
  }
  return refuse(session, refusal);
}

function refusalOf(answer: Exclude<AuthAnswer, { kind: 'accepted' }>): ReplyError {
  switch (answer.kind) {
    case 'refused':
      return new ReplyError('authRefused');
    case 'suspended':
      return new ReplyError('authSuspended');
    case 'unavailable':
      return new ReplyError('authUnavailable');
    case 'throttled': {
      const seconds = Math.ceil(answer.retryAfterMs / 1000);
      return new ReplyError('authThrottled', { detail: `try again in ${seconds} s` });
    }
  }
}

function refuse(session: SmtpSession, refusal: ReplyError): void {
  session.reply(refusal.full);
  if (REPLIES[refusal.reply].code < 500) return;
  session.authFailures += 1;
  if (session.authFailures >= FAILURES_MAX) session.fatal('tooManyErrors', 'limit');
}
