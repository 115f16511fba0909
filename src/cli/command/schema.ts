import { randomBytes } from 'node:crypto';
import { SuffixError } from '../../directory/openldap/config.ts';
import { frameLdif } from '../../directory/openldap/frame.ts';
import {
  configuration,
  DEFAULT_DATABASE,
  FORMS,
  PARTS,
  wholeConfiguration,
  type Form,
  type Part,
} from '../../directory/openldap/print.ts';
import { DEFAULT_SUFFIX } from '../../directory/schema.ts';
import { flagText, UsageError, type Call, type Command } from '../command.ts';

const CHOICES = ['all', ...PARTS, 'frame'] as const;

export const schema: Command = {
  usage: '[--part PART] [--form FORM] [--suffix DN] [--database DN]',
  summary: 'Prints what an OpenLDAP server is told to hold a farm: schema, rights, indexes, tree',
  examples: [
    'mailfarm schema --suffix dc=example,dc=test > mailfarm.ldif',
    'mailfarm schema --form slapd.conf --part schema > /etc/ldap/schema/mailfarm.schema',
    'mailfarm schema --part frame --suffix dc=example,dc=test > frame.ldif',
  ],
  options: {
    part: {
      type: 'string',
      value: 'PART',
      choices: CHOICES,
      doc: 'What to print; frame is the tree to begin with, and all is everything but it',
    },
    form: {
      type: 'string',
      value: 'FORM',
      choices: FORMS,
      doc: 'How the server is configured; Debian has cn=config',
    },
    suffix: { type: 'string', value: 'DN', doc: `Head of the tree; ${DEFAULT_SUFFIX} by default` },
    database: {
      type: 'string',
      value: 'DN',
      doc: `The database's own entry in cn=config; ${DEFAULT_DATABASE} by default`,
    },
  },
  args: [0, 0],
  run: async (call) => {
    const part = chosen(call, 'part', CHOICES, 'all');
    const form = chosen<Form>(call, 'form', FORMS, 'cn=config');
    const suffix = flagText(call, 'suffix') ?? DEFAULT_SUFFIX;
    const database = flagText(call, 'database');
    try {
      if (part === 'frame') await printFrame(call, suffix);
      else await call.out.raw(text(part, { form, suffix, database }));
    } catch (error) {
      if (error instanceof SuffixError) throw new UsageError(`--suffix ${error.message}`);
      throw error;
    }
  },
};

const text = (part: Part | 'all', options: Parameters<typeof configuration>[1]): string =>
  part === 'all' ? wholeConfiguration(options) : configuration(part, options);

/** The passwords go to the terminal, not into the file. */
async function printFrame(call: Call, suffix: string): Promise<void> {
  const random = (): string => randomBytes(24).toString('base64url');
  const passwords = { admin: random(), frontend: random() };
  await call.out.raw(await frameLdif(suffix, passwords));
  call.out.note(`Password of cn=admin,${suffix}: ${passwords.admin}`);
  call.out.note(`Password of cn=frontend,${suffix}: ${passwords.frontend}`);
  call.out.note('They stand in the tree as hashes: keep them now, nothing shows them again.');
}

function chosen<T extends string>(
  call: Call,
  name: string,
  choices: readonly T[],
  otherwise: T,
): T {
  const given = flagText(call, name);
  if (given === undefined) return otherwise;
  const found = choices.find((choice) => choice === given);
  if (found !== undefined) return found;
  throw new UsageError(`--${name} is one of ${choices.join(', ')}, not ${JSON.stringify(given)}`);
}
