import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
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
  usage:
    '[--part PART | --into DIR] [--form FORM] [--suffix DN] [--database DN] ' +
    '[--admin-password-file FILE] [--frontend-password-file FILE]',
  summary: 'Prints what an OpenLDAP server is told to hold a farm: schema, rights, indexes, tree',
  examples: [
    'mailfarm schema --suffix dc=example,dc=test > mailfarm.ldif',
    'mailfarm schema --form slapd.conf --part schema > /etc/ldap/schema/mailfarm.schema',
    'mailfarm schema --form slapd.conf --into /etc/ldap/mailfarm',
    'mailfarm schema --part frame --suffix dc=example,dc=test > frame.ldif',
  ],
  options: {
    part: {
      type: 'string',
      value: 'PART',
      choices: CHOICES,
      doc: 'What to print; frame is the tree to begin with, and all is everything but it',
    },
    into: {
      type: 'string',
      value: 'DIR',
      doc: 'Writes a file for each part but the frame: schema.conf, or schema.ldif, …',
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
    'admin-password-file': {
      type: 'string',
      value: 'FILE',
      doc: 'Password of cn=admin in the frame; one is made where none is given',
    },
    'frontend-password-file': {
      type: 'string',
      value: 'FILE',
      doc: 'The same of cn=frontend, the identity of front ends',
    },
  },
  args: [0, 0],
  run: async (call) => {
    const part = chosen(call, 'part', CHOICES, 'all');
    const form = chosen<Form>(call, 'form', FORMS, 'cn=config');
    const suffix = flagText(call, 'suffix') ?? DEFAULT_SUFFIX;
    const database = flagText(call, 'database');
    const into = flagText(call, 'into');
    if (into !== undefined && call.flags['part'] !== undefined) {
      throw new UsageError('--into writes all parts: --part is for one');
    }
    try {
      if (into !== undefined) await writeParts(into, { form, suffix, database });
      else if (part === 'frame') await printFrame(call, suffix);
      else await call.out.raw(text(part, { form, suffix, database }));
    } catch (error) {
      if (error instanceof SuffixError) throw new UsageError(`--suffix ${error.message}`);
      throw error;
    }
  },
};

const text = (part: Part | 'all', options: Parameters<typeof configuration>[1]): string =>
  part === 'all' ? wholeConfiguration(options) : configuration(part, options);

/** Five parts by one process: a server that is set up wants each in a file of its own. */
async function writeParts(
  directory: string,
  options: Parameters<typeof configuration>[1],
): Promise<void> {
  const ending = options.form === 'slapd.conf' ? 'conf' : 'ldif';
  const texts = PARTS.map((part) => [part, configuration(part, options)] as const);
  for (const [part, content] of texts) {
    await writeFile(join(directory, `${part}.${ending}`), content);
  }
}

/** Passwords that were made here go to the terminal, not into the file. */
async function printFrame(call: Call, suffix: string): Promise<void> {
  const given = { admin: passwordIn(call, 'admin'), frontend: passwordIn(call, 'frontend') };
  const random = (): string => randomBytes(24).toString('base64url');
  const passwords = { admin: given.admin ?? random(), frontend: given.frontend ?? random() };
  await call.out.raw(await frameLdif(suffix, passwords));
  const made = (['admin', 'frontend'] as const).filter((name) => given[name] === undefined);
  for (const name of made) call.out.note(`Password of cn=${name},${suffix}: ${passwords[name]}`);
  if (made.length === 0) return;
  call.out.note('They stand in the tree as hashes: keep them now, nothing shows them again.');
}

function passwordIn(call: Call, name: 'admin' | 'frontend'): string | undefined {
  const path = flagText(call, `${name}-password-file`);
  if (path === undefined) return undefined;
  const password = readFileSync(path, 'utf8').replace(/\r?\n$/, '');
  if (password !== '') return password;
  throw new UsageError(`--${name}-password-file: ${path} is empty`);
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
