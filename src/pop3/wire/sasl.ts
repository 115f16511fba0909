import { decodeText } from './text.ts';

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

export type PlainResponse =
  | { readonly kind: 'credentials'; readonly login: string; readonly password: string }
  | { readonly kind: 'bad-base64' | 'bad-message' | 'bad-text' };

/**
 * A PLAIN response: base64 of `[authzid] NUL authcid NUL passwd` (RFC 4616 §2). An
 * authorization identity is accepted only where it is the login itself: nobody acts for others.
 */
export function parsePlain(base64: string): PlainResponse {
  if (!BASE64.test(base64)) return { kind: 'bad-base64' };
  const parts = Buffer.from(base64, 'base64').toString('latin1').split('\0');
  const [identity, name, secret] = parts;
  if (parts.length !== 3 || identity === undefined || !name || !secret) {
    return { kind: 'bad-message' };
  }
  if (identity !== '' && identity !== name) return { kind: 'bad-message' };
  const login = decodeText(name);
  const password = decodeText(secret);
  if (login === undefined || password === undefined) return { kind: 'bad-text' };
  return { kind: 'credentials', login, password };
}
