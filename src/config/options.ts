/**
 * An option is one row: kind, default, bounds and prose. The parser, the types, the manual
 * (src/configuration.md) and `mailfarm config options --json` are made from the row, so they
 * cannot drift apart. Each module declares its own rows in its `options.ts`.
 *
 * Units: bytes are octets, durations are milliseconds.
 */
export type NumberKind = 'count' | 'bytes' | 'duration';

/** What items of a list are. */
export type ListOf = 'address-range' | 'address-port' | 'text';

export type OptionRow =
  | {
      readonly kind: NumberKind;
      readonly default: number;
      readonly min: number;
      readonly max: number;
      readonly doc: string;
    }
  | {
      readonly kind: 'choice';
      readonly default: string;
      readonly values: readonly string[];
      readonly doc: string;
    }
  | { readonly kind: 'text'; readonly default: string; readonly doc: string }
  /**
   * `of`: 'address-range' is an IPv4 or IPv6 address or CIDR range; 'address-port' an address,
   * with a port where it has one.
   */
  | {
      readonly kind: 'list';
      readonly default: readonly string[];
      readonly of: ListOf;
      readonly doc: string;
    };

/** Option names are dotted, lower case, with hyphens: `smtp.message.max`. */
export type OptionTable = Readonly<Record<string, OptionRow>>;

type ValueOf<R extends OptionRow> = R extends { kind: NumberKind }
  ? number
  : R extends { kind: 'choice'; values: readonly (infer V)[] }
    ? V
    : R extends { kind: 'list' }
      ? readonly string[]
      : string;

/** The values of a table: `OptionValues<typeof SMTP_OPTIONS>['smtp.message.max']` is a number. */
export type OptionValues<T extends OptionTable> = { readonly [K in keyof T]: ValueOf<T[K]> };

/** Every option at its default. */
export function defaults<const T extends OptionTable>(table: T): OptionValues<T> {
  const entries = Object.entries(table).map(([name, row]) => [name, row.default]);
  return Object.fromEntries(entries) as OptionValues<T>;
}
