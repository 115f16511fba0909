/**
 * Exit codes have names, so that systemd and ansible can react: after `config` a restart is of no
 * use, after `tempfail` it is. The numbers are those of sysexits.h;
 * those of the doctor are what monitoring expects of a check.
 */
export const EXIT = {
  ok: { code: 0, means: 'Done' },
  warnings: { code: 1, means: 'doctor: mail flows, and something should be mended' },
  errors: { code: 2, means: 'doctor: something is wrong that holds mail up or endangers it' },
  usage: { code: 64, means: 'The command line is wrong: unknown command, option or argument' },
  data: { code: 65, means: 'What was given to read is not what it should be' },
  'no-input': { code: 66, means: 'A file that was named does not exist or cannot be read' },
  'no-user': { code: 67, means: 'No such user' },
  unavailable: { code: 69, means: 'A service that is needed does not answer (directory, node)' },
  software: { code: 70, means: 'A fault in the program itself; the log has the details' },
  'port-taken': { code: 71, means: 'An address to listen on is taken or not ours' },
  'volume-missing': { code: 72, means: 'A volume is not mounted or is not the one expected' },
  'cannot-create': { code: 73, means: 'A file or directory cannot be written' },
  io: { code: 74, means: 'Reading or writing failed' },
  tempfail: { code: 75, means: 'Not now; trying again later makes sense' },
  permission: { code: 77, means: 'Not allowed' },
  config: { code: 78, means: 'The configuration is wrong; every problem was printed' },
} as const satisfies Readonly<Record<string, { readonly code: number; readonly means: string }>>;

export type ExitName = keyof typeof EXIT;

/** The number of a named exit code, for `process.exitCode`. */
export const exitCode = (name: ExitName): number => EXIT[name].code;
