import type { Clock } from '../base/clock.ts';
import type { Output } from './output.ts';

/** An option of a command. Without `value` it is a switch. */
export interface OptionRow {
  readonly type: 'string' | 'boolean';
  readonly multiple?: boolean;
  readonly short?: string;
  /** What stands for the value in help: `FILE` and `DIR` are completed as such. */
  readonly value?: string;
  /** What the value can be; shown and completed. */
  readonly choices?: readonly string[];
  readonly doc?: string;
}
export type OptionRows = Readonly<Record<string, OptionRow>>;

/** What a command is given: parsed arguments, and the only ways to the outside. */
export interface Call {
  /** Positional arguments after the command's own words. */
  readonly args: readonly string[];
  readonly flags: Readonly<Record<string, string | boolean | readonly string[] | undefined>>;
  readonly out: Output;
  readonly json: boolean;
  readonly env: NodeJS.ProcessEnv;
  /** All of standard input as text, without the final line end. */
  readonly readInput: () => Promise<string>;
  /** All of standard input as it is. */
  readonly readBytes?: () => Promise<Buffer>;
  /** Asks at the terminal for what must not be shown; undefined where there is no terminal. */
  readonly askSecret?: (question: string) => Promise<string | undefined>;
  /** Asks at the terminal whether to go on; undefined where there is no terminal. */
  readonly confirm?: (question: string) => Promise<boolean | undefined>;
  /** The machine's clock where there is none. */
  readonly clock?: Clock;
}

/** One row of the command table. */
export interface Command {
  /** Arguments after the name, as help shows them. */
  readonly usage: string;
  readonly summary: string;
  readonly examples?: readonly string[];
  readonly options?: OptionRows;
  /** Positional arguments, least and most. */
  readonly args: readonly [min: number, max: number];
  /** Words that the first argument is one of. */
  readonly words?: readonly string[];
  /** @returns the exit code, 0 when nothing is returned. */
  readonly run: (call: Call) => Promise<number | void>;
}
export type Group = Readonly<Record<string, Command>>;

/** The caller used the command wrongly: the message and the usage are shown, exit code `usage`. */
export class UsageError extends Error {}

export const flagText = (call: Call, name: string): string | undefined => {
  const value = call.flags[name];
  return typeof value === 'string' ? value : undefined;
};

export const flagList = (call: Call, name: string): readonly string[] => {
  const value = call.flags[name];
  if (typeof value === 'string') return [value];
  return Array.isArray(value) ? (value as readonly string[]) : [];
};

export const flagOn = (call: Call, name: string): boolean => call.flags[name] === true;

/** An option that is given with an empty text takes the value away. */
export const flagGiven = (call: Call, name: string): string | null | undefined => {
  const text = flagText(call, name);
  return text === '' ? null : text;
};

/** The same for an option that may stand several times: one empty text is none of them. */
export const flagListGiven = (call: Call, name: string): readonly string[] | undefined =>
  call.flags[name] === undefined ? undefined : flagList(call, name).filter((text) => text !== '');

const COUNT_DIGITS_MAX = 9;

/** @throws UsageError for what is not a whole number */
export function flagCount(call: Call, name: string): number | undefined {
  const text = flagText(call, name);
  if (text === undefined) return undefined;
  if (!/^\d+$/.test(text) || text.length > COUNT_DIGITS_MAX) {
    throw new UsageError(`--${name}: ${quoted(text)} is not a whole number`);
  }
  return Number(text);
}

const QUOTED_MAX = 60;

/** Text of unknown origin in a message: in quotes, and short. The output makes it harmless. */
export const quoted = (text: string): string =>
  `"${text.length > QUOTED_MAX ? `${text.slice(0, QUOTED_MAX)}…` : text}"`;

export const word = (call: Call, index: number): string => call.args[index] ?? '';

/** What was done: the thing for programs, a sentence for people. */
export const done = (call: Call, what: object, text: string): void =>
  call.json ? call.out.json(what) : call.out.line(text);
