import type { CommandName } from './metrics.ts';
import type { Pop3Session } from './session.ts';
import type { Authorization } from './state.ts';
import type { Transaction } from './transaction.ts';
import type { Done } from '../net/line-transport.ts';
import { auth, pass, user, utf8 } from './command/auth.ts';
import { capa, noop, quit, stls } from './command/small.ts';
import { list, stat, uidl } from './command/list.ts';
import { dele, rset } from './command/dele.ts';
import { retr, top } from './command/retr.ts';

type Run<Rest extends unknown[]> = (session: Pop3Session, argument: string, ...rest: Rest) => Done;

interface Row<State extends string, Rest extends unknown[]> {
  /** Where the command is valid (RFC 1939 §3). The dispatcher looks, no handler does. */
  readonly state: State;
  /** What may follow the keyword; an empty text counts as missing. */
  readonly argument: 'none' | 'optional' | 'required';
  readonly run: Run<Rest>;
}
type AnyRow =
  | Row<'any', []>
  | Row<'authorization', [Authorization]>
  | Row<'transaction', [Transaction]>;
export type CommandRow = AnyRow & { readonly name: CommandName };

/** The whole protocol. */
export const COMMANDS = {
  CAPA: { state: 'any', argument: 'none', run: capa }, // RFC 2449 §5
  QUIT: { state: 'any', argument: 'none', run: quit }, // RFC 1939 §4, §6
  USER: { state: 'authorization', argument: 'required', run: user }, // RFC 1939 §7
  PASS: { state: 'authorization', argument: 'required', run: pass }, // RFC 1939 §7
  AUTH: { state: 'authorization', argument: 'optional', run: auth }, // RFC 5034 §4
  STLS: { state: 'authorization', argument: 'none', run: stls }, // RFC 2595 §4
  UTF8: { state: 'authorization', argument: 'none', run: utf8 }, // RFC 6856 §2.1
  STAT: { state: 'transaction', argument: 'none', run: stat }, // RFC 1939 §5
  LIST: { state: 'transaction', argument: 'optional', run: list }, // RFC 1939 §5
  UIDL: { state: 'transaction', argument: 'optional', run: uidl }, // RFC 1939 §7
  RETR: { state: 'transaction', argument: 'required', run: retr }, // RFC 1939 §5
  TOP: { state: 'transaction', argument: 'required', run: top }, // RFC 1939 §7
  DELE: { state: 'transaction', argument: 'required', run: dele }, // RFC 1939 §5
  RSET: { state: 'transaction', argument: 'none', run: rset }, // RFC 1939 §5
  NOOP: { state: 'transaction', argument: 'none', run: noop }, // RFC 1939 §5
} as const satisfies Record<CommandName, AnyRow>;

const BY_NAME: ReadonlyMap<string, CommandRow> = new Map(
  Object.entries(COMMANDS).map(([name, row]) => [name, { ...row, name: name as CommandName }]),
);

/** The row of a keyword in any case (RFC 1939 §3), or undefined. */
export const lookUp = (keyword: string): CommandRow | undefined =>
  BY_NAME.get(keyword) ?? (keyword.length > 4 ? undefined : BY_NAME.get(keyword.toUpperCase()));
