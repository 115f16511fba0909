import type { Group } from '../command.ts';
import { runExport } from '../bulk/export.ts';
import { runImport } from '../bulk/import.ts';
import { QUERY_OPTIONS } from './user-list.ts';

const FORMAT = {
  type: 'string',
  choices: ['ldif', 'csv'],
  doc: 'By the name of the file, else LDIF',
} as const;

export const USER_FILE_COMMANDS: Group = {
  'user import': {
    usage: 'FILE|- [--format ldif|csv] [--dry-run] [--update] [--continue]',
    summary: 'Adds the users of a file; those that are there already, alike, are left',
    examples: [
      'mailfarm user import users.csv --dry-run',
      'mailfarm user import users.csv --hash ssha512',
      'mailfarm user export --hashes --as root@example.test | ssh other mailfarm user import - ',
    ],
    options: {
      format: FORMAT,
      'dry-run': { type: 'boolean', doc: 'Checks everything and changes nothing' },
      update: { type: 'boolean', doc: 'Changes users who are there and differ' },
      continue: { type: 'boolean', doc: 'Leaves out what is wrong; else nothing is written' },
      jobs: { type: 'string', value: 'N', doc: 'Changes on their way at a time; 32 by default' },
      hash: {
        type: 'string',
        choices: ['argon2', 'ssha512'],
        doc: 'For passwords in the clear; argon2 by default, which takes 20 ms each',
      },
    },
    args: [1, 1],
    run: runImport,
  },
  'user export': {
    usage: '[--format ldif|csv] [--hashes] [--domain D] [--filter FILTER]',
    summary: 'Prints users as a file that user import reads',
    examples: [
      'mailfarm user export > users.ldif',
      "mailfarm user export --format csv --filter '(mwSite=north)' > north.csv",
    ],
    options: {
      format: FORMAT,
      hashes: { type: 'boolean', doc: 'With the hashes of passwords; LDIF only' },
      ...QUERY_OPTIONS,
    },
    args: [0, 0],
    run: runExport,
  },
};
