import type { Done } from '../net/line-transport.ts';
import { append } from './command/append.ts';
import { authenticate, login } from './command/auth.ts';
import { copy } from './command/copy.ts';
import { expunge, uidExpunge } from './command/expunge.ts';
import { fetch } from './command/fetch.ts';
import { create, deleteFolder, rename, subscribe, unsubscribe } from './command/folders.ts';
import { idle } from './command/idle.ts';
import { list, lsub } from './command/list.ts';
import { move } from './command/move.ts';
import { notify } from './command/notify.ts';
import { getQuota, getQuotaRoot } from './command/quota.ts';
import { search } from './command/search.ts';
import { check, close, examine, select, unselect } from './command/select.ts';
import {
  capability,
  compress,
  enable,
  id,
  logout,
  namespace,
  noop,
  starttls,
} from './command/small.ts';
import { sort } from './command/sort.ts';
import { status } from './command/status.ts';
import { store } from './command/store.ts';
import { thread } from './command/thread.ts';
import type { CommandName } from './metrics.ts';
import type { ImapSession } from './session.ts';
import type { Authenticated, Selected } from './state.ts';
import type { By } from './view.ts';
import type { Args } from './wire/args.ts';

interface Row<State extends string, Rest extends unknown[]> {
  /**
   * Where the command is valid (RFC 9051 §3): `authenticated` is with or without a folder. The
   * dispatcher looks, no handler does.
   */
  readonly state: State;
  /**
   * Reads all arguments, `end()` too, before it does anything; answers with one of `ok`, `no`,
   * `bad`, or throws SyntaxFault, Refusal, StoreError, MailError.
   */
  readonly run: (session: ImapSession, args: Args, ...rest: Rest) => Done;
  /** By message numbers: no EXPUNGE may be told while it runs (RFC 9051 §7.5.1). */
  readonly expunges?: 'later';
  /** Takes its literals itself, as they come. */
  readonly streams?: 'literals';
}
type AnyRow =
  | Row<'any', []>
  | Row<'not-authenticated', []>
  | Row<'authenticated', [Authenticated | Selected]>
  | Row<'selected', [Selected, By]>;
export type CommandRow = AnyRow & { readonly name: CommandName; readonly by: By };

/** The whole protocol. RFC 9051 but where another is named. */
export const COMMANDS = {
  CAPABILITY: { state: 'any', run: capability }, // §6.1.1
  NOOP: { state: 'any', run: noop }, // §6.1.2
  LOGOUT: { state: 'any', run: logout }, // §6.1.3
  ID: { state: 'any', run: id }, // RFC 2971 §3.1
  STARTTLS: { state: 'not-authenticated', run: starttls }, // §6.2.1
  AUTHENTICATE: { state: 'not-authenticated', run: authenticate }, // §6.2.2
  LOGIN: { state: 'not-authenticated', run: login }, // §6.2.3
  ENABLE: { state: 'authenticated', run: enable }, // §6.3.1
  SELECT: { state: 'authenticated', run: select }, // §6.3.2
  EXAMINE: { state: 'authenticated', run: examine }, // §6.3.3
  CREATE: { state: 'authenticated', run: create }, // §6.3.4
  DELETE: { state: 'authenticated', run: deleteFolder }, // §6.3.5
  RENAME: { state: 'authenticated', run: rename }, // §6.3.6
  SUBSCRIBE: { state: 'authenticated', run: subscribe }, // §6.3.7
  UNSUBSCRIBE: { state: 'authenticated', run: unsubscribe }, // §6.3.8
  LIST: { state: 'authenticated', run: list }, // §6.3.9
  LSUB: { state: 'authenticated', run: lsub }, // RFC 3501 §6.3.9
  NAMESPACE: { state: 'authenticated', run: namespace }, // §6.3.10
  STATUS: { state: 'authenticated', run: status }, // §6.3.11
  APPEND: { state: 'authenticated', run: append, streams: 'literals' }, // §6.3.12
  IDLE: { state: 'authenticated', run: idle }, // §6.3.13
  NOTIFY: { state: 'authenticated', run: notify }, // RFC 5465 §3
  GETQUOTA: { state: 'authenticated', run: getQuota }, // RFC 9208 §4.1.2
  GETQUOTAROOT: { state: 'authenticated', run: getQuotaRoot }, // RFC 9208 §4.1.3
  COMPRESS: { state: 'authenticated', run: compress }, // RFC 4978 §3
  CHECK: { state: 'selected', run: check }, // RFC 3501 §6.4.1
  CLOSE: { state: 'selected', run: close }, // §6.4.1
  UNSELECT: { state: 'selected', run: unselect }, // §6.4.2
  EXPUNGE: { state: 'selected', run: expunge }, // §6.4.3
  SEARCH: { state: 'selected', run: search, expunges: 'later' }, // §6.4.4
  SORT: { state: 'selected', run: sort, expunges: 'later' }, // RFC 5256 §3
  THREAD: { state: 'selected', run: thread, expunges: 'later' }, // RFC 5256 §3
  FETCH: { state: 'selected', run: fetch, expunges: 'later' }, // §6.4.5
  STORE: { state: 'selected', run: store, expunges: 'later' }, // §6.4.6
  COPY: { state: 'selected', run: copy }, // §6.4.7
  MOVE: { state: 'selected', run: move }, // §6.4.8
  'UID EXPUNGE': { state: 'selected', run: uidExpunge }, // §6.4.9
  'UID SEARCH': { state: 'selected', run: search }, // §6.4.9
  'UID SORT': { state: 'selected', run: sort }, // RFC 5256 §3
  'UID THREAD': { state: 'selected', run: thread }, // RFC 5256 §3
  'UID FETCH': { state: 'selected', run: fetch }, // §6.4.9
  'UID STORE': { state: 'selected', run: store }, // §6.4.9
  'UID COPY': { state: 'selected', run: copy }, // §6.4.9
  'UID MOVE': { state: 'selected', run: move }, // §6.4.9
} as const satisfies Record<CommandName, AnyRow>;

const BY_NAME: ReadonlyMap<string, CommandRow> = new Map(
  Object.entries(COMMANDS).map(([name, row]): [string, CommandRow] => [
    name,
    { ...row, name: name as CommandName, by: name.startsWith('UID ') ? 'uid' : 'sequence' },
  ]),
);

const NAME_LENGTH_MAX = Math.max(...[...BY_NAME.keys()].map((name) => name.length));

/** The row that the text from `at` names, in any case, and where its arguments begin. */
export function lookUp(
  text: string,
  at: number,
): { readonly row: CommandRow; readonly end: number } | undefined {
  const space = text.indexOf(' ', at);
  const end = space < 0 ? text.length : space;
  if (end - at > NAME_LENGTH_MAX) return undefined;
  const name = text.slice(at, end).toUpperCase();
  if (name === 'UID') {
    const next = text.indexOf(' ', end + 1);
    const second = next < 0 ? text.length : next;
    if (second - end > NAME_LENGTH_MAX) return undefined;
    const row = BY_NAME.get(`UID ${text.slice(end + 1, second).toUpperCase()}`);
    return row && { row, end: second };
  }
  const row = BY_NAME.get(name);
  return row && { row, end };
}
