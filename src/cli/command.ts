import type { ParseArgsOptionsConfig } from 'node:util';
import type { Output } from './output.ts';

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
}

/** One row of the command table. */
export interface Command {
  /** Arguments after the name, as help shows them. */
  readonly usage: string;
  readonly summary: string;
  readonly examples?: readonly string[];
  readonly options?: ParseArgsOptionsConfig;
  /** Positional arguments, least and most. */
  readonly args: readonly [min: number, max: number];
  /** @returns the exit code, 0 when nothing is returned. */
  readonly run: (call: Call) => Promise<number | void>;
}

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
