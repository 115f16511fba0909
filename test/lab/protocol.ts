/** What tests inside the laboratory and its root say to each other. */
export const CONTROL_SOCKET = '/run/lab.socket';

export interface ControlRequest {
  readonly argv: readonly string[];
  /** Started and left running, with its output in this file, instead of run to its end. */
  readonly log?: string;
}

export interface ControlAnswer {
  readonly code: number;
  readonly output: string;
  readonly pid: number | undefined;
}

/** One line of the table of calls. */
export interface BudgetRow {
  readonly what: string;
  readonly counted: number;
  /** Calls that NFS.md's rule allows. */
  readonly allowed: number;
  readonly calls: string;
}
