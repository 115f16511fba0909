/** What a session compares with, begins with and says. */
import type { Enabled } from './state.ts';

// eslint-disable-next-line no-control-regex
export const TAG = /^[^\u0000-\u001f\u007f-\u00ff(){ %*"\\+]{1,255}$/;
export const ASCII = /^[ -~]*$/;
export const ONLY_LITERAL = /^ ~?\{\d+\+?\}$/;
export const TLS_ERROR = /^ERR_(?:SSL|TLS)_/;

export const NOTHING_ENABLED: Enabled = {
  condstore: false,
  qresync: false,
  rev2: false,
  utf8: false,
  utf8Accept: false,
};

export const DRAINED = 'This server is going down, connect again';

export const EXPIRED = {
  'login-timeout': 'No login in time, closing',
  'input-timeout': 'A literal did not come in time, closing',
  'idle-timeout': 'Idle for too long, closing',
} as const;

export const isLoopback = (peer: { readonly remoteAddress: string }): boolean =>
  peer.remoteAddress.startsWith('127.') || peer.remoteAddress === '::1';
