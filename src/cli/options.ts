import type { OptionRows } from './command.ts';

/** Options that every command understands. */
export const COMMON_OPTIONS = {
  json: { type: 'boolean', doc: 'The result for programs: one JSON document' },
  config: { type: 'string', value: 'FILE', doc: 'Where the directory is described' },
  as: {
    type: 'string',
    value: 'LOGIN',
    doc: 'Who works: an administrator with a level of their own',
  },
  'password-file': { type: 'string', value: 'FILE', doc: 'Where the password for --as is' },
  help: { type: 'boolean', short: 'h', doc: 'Shows the command’s arguments and examples' },
} as const satisfies OptionRows;
