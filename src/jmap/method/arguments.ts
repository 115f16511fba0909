/**
 * Arguments of methods (RFC 8620 §3.2), read and checked one by one. A handler reads all of them,
 * says `end`, and then acts: nothing has happened when one is wrong.
 */
import { isRecord } from '../wire/values.ts';
import { MethodError, type Args, type JmapContext } from '../types.ts';

/** RFC 8620 §1.3 */
const INT_MAX = Number.MAX_SAFE_INTEGER;
/** @throws MethodError invalidArguments */
export function invalid(text: string): never {
  throw new MethodError('invalidArguments', text);
}

/** Null is as good as nothing in most places (RFC 8620 §5.3). */
export const isNone = (value: unknown): value is null | undefined =>
  value === null || value === undefined;

/** A string, or what stands for one that is missing or no string. */
export const stringOr = (value: unknown, otherwise: string): string =>
  typeof value === 'string' ? value : otherwise;

/** Reads arguments by name. All methods throw MethodError 'invalidArguments'. */
export class Reader {
  readonly #args: Args;
  readonly #known = new Set<string>();

  constructor(args: Args) {
    this.#args = args;
  }

  /** Undefined where it is null or missing. */
  value(name: string): unknown {
    this.#known.add(name);
    return Object.hasOwn(this.#args, name) ? (this.#args[name] ?? undefined) : undefined;
  }

  string(name: string): string | undefined {
    const value = this.value(name);
    if (value === undefined || typeof value === 'string') return value;
    return invalid(`${name} is a string or null`);
  }

  boolean(name: string): boolean {
    const value = this.value(name) ?? false;
    return typeof value === 'boolean' ? value : invalid(`${name} is true or false`);
  }

  /** UnsignedInt. */
  count(name: string): number | undefined {
    const value = this.integer(name);
    return value === undefined || value >= 0 ? value : invalid(`${name} is no less than 0`);
  }

  /** Int. */
  integer(name: string): number | undefined {
    const value = this.value(name);
    if (value === undefined) return undefined;
    if (typeof value === 'number' && Number.isInteger(value) && Math.abs(value) <= INT_MAX) {
      return value;
    }
    return invalid(`${name} is a whole number`);
  }

  strings(name: string): readonly string[] | undefined {
    const value = this.value(name);
    if (value === undefined) return undefined;
    if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return value;
    return invalid(`${name} is a list of strings`);
  }

  objects(name: string): readonly Args[] | undefined {
    const value = this.value(name);
    if (value === undefined) return undefined;
    if (Array.isArray(value) && value.every(isRecord)) return value;
    return invalid(`${name} is a list of objects`);
  }

  object(name: string): Args | undefined {
    const value = this.value(name);
    return value === undefined || isRecord(value) ? value : invalid(`${name} is an object`);
  }

  /** An object of objects, such as `create` and `update`; in order. */
  table(name: string): ReadonlyMap<string, Args> {
    const found = new Map<string, Args>();
    for (const [key, value] of Object.entries(this.object(name) ?? {})) {
      found.set(key, isRecord(value) ? value : invalid(`${name}/${key} is an object`));
    }
    return found;
  }

  /** Nothing else was given. */
  end(): void {
    const other = Object.keys(this.#args).find((name) => !this.#known.has(name));
    if (other !== undefined) invalid(`There is no argument ${other}`);
  }
}

/** A reader of the arguments of a method on data of an account. @throws MethodError */
export function readerFor(args: Args, context: Pick<JmapContext, 'account'>): Reader {
  const reader = new Reader(args);
  const id = reader.string('accountId') ?? invalid('accountId is missing');
  if (id !== context.account.id) {
    throw new MethodError('accountNotFound', 'There is one account: your own');
  }
  return reader;
}

/** What texts are compared by (RFC 4790); the session tells them. */
export const COLLATIONS: readonly string[] = ['i;ascii-casemap', 'i;unicode-casemap'];

/** Of a comparator (RFC 8620 §5.5). @throws MethodError unsupportedSort */
export function checkCollation(reader: Reader): void {
  const collation = reader.string('collation');
  if (collation === undefined || COLLATIONS.includes(collation)) return;
  throw new MethodError('unsupportedSort', `Texts are compared by ${COLLATIONS.join(' or ')}`);
}
