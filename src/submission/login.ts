/** Who may log in to send, as the engine asks it (smtp/command/auth.ts). */
import type { Authenticator } from '../auth/types.ts';
import { DirectoryUnavailable, type Directory } from '../directory/types.ts';
import type { AuthAnswer, Authentication, Credentials, SessionView } from '../smtp/types.ts';

/** Who a bearer token belongs to, asked of somebody who can tell. Must not throw. */
export type VerifyToken = (
  session: SessionView,
  given: { readonly login: string; readonly token: string },
) => Promise<'accepted' | 'refused' | 'unavailable'>;

export interface LoginParts {
  readonly directory: Pick<Directory, 'account'>;
  readonly auth: Authenticator;
  readonly verifyToken?: VerifyToken | undefined;
}

/** Passwords through the authenticator of all protocols; tokens where somebody can judge them. */
export function authentication(parts: LoginParts): Authentication {
  return {
    mechanisms: parts.verifyToken ? ['PLAIN', 'LOGIN', 'XOAUTH2'] : ['PLAIN', 'LOGIN'],
    verify: (session, credentials) =>
      credentials.kind === 'password'
        ? byPassword(parts, session, credentials)
        : byToken(parts, session, credentials),
  };
}

type Password = Extract<Credentials, { kind: 'password' }>;
type Token = Extract<Credentials, { kind: 'token' }>;

async function byPassword(
  { auth }: LoginParts,
  session: SessionView,
  { login, password }: Password,
): Promise<AuthAnswer> {
  const address = session.peer.remoteAddress;
  const verdict = await auth.verify({ login, password, address, service: 'submission' });
  if (verdict.kind !== 'accepted') return verdict;
  const { id, login: own } = verdict.account;
  return { kind: 'accepted', account: { id, login: own } };
}

async function byToken(
  { directory, verifyToken }: LoginParts,
  session: SessionView,
  { login, token }: Token,
): Promise<AuthAnswer> {
  const answer = (await verifyToken?.(session, { login, token })) ?? 'refused';
  if (answer !== 'accepted') return { kind: answer };
  try {
    const account = await directory.account(login);
    if (!account) return { kind: 'refused' };
    if (account.suspended.includes('submission')) return { kind: 'suspended' };
    return { kind: 'accepted', account: { id: account.id, login: account.login } };
  } catch (error) {
    if (error instanceof DirectoryUnavailable) return { kind: 'unavailable' };
    throw error;
  }
}
