/** The configuration as text: lines of a slapd.conf(5), or LDIF for slapd-config(5). */
import type { Layout } from '../schema.ts';
import { accessRules } from './access.ts';
import { configurable, limits, MODULES, overlays, PASSWORD_HASH } from './config.ts';
import { comment, ldifRecord } from './ldif.ts';
import { attributeTypes, indexes, objectClasses } from './schema.ts';

export const FORMS = ['cn=config', 'slapd.conf'] as const;
export type Form = (typeof FORMS)[number];

/** `database` is what stands within a database beside indexes and access: overlays, limits. */
export const PARTS = ['schema', 'modules', 'indexes', 'access', 'database'] as const;
export type Part = (typeof PARTS)[number];

export interface PrintOptions {
  readonly form: Form;
  /** @throws SuffixError for one that cannot stand in a configuration */
  readonly suffix: string;
  /** DN of the database's entry in cn=config; Debian's is the default. */
  readonly database?: string | undefined;
}

export const DEFAULT_DATABASE = 'olcDatabase={1}mdb,cn=config';

/** All parts, in the order in which a server takes them. */
export const wholeConfiguration = (options: PrintOptions): string =>
  PARTS.map((part) => configuration(part, options)).join('\n');

/** One part, with comments that say where it belongs. Nothing in it is secret. */
export function configuration(part: Part, options: PrintOptions): string {
  const names = configurable(options.suffix);
  const at = options.database ?? DEFAULT_DATABASE;
  return options.form === 'slapd.conf' ? CONF[part](names) : LDIF[part](names, at);
}

const CONF: Readonly<Record<Part, (names: Layout) => string>> = {
  schema: () =>
    comment(
      'Schema of Mailfarm. Keep it as /etc/ldap/schema/mailfarm.schema and write into slapd.conf,\n' +
        'behind the line that includes core.schema:\n' +
        '  include /etc/ldap/schema/mailfarm.schema',
    ) +
    attributeTypes()
      .map((text) => `attributetype ${text}\n`)
      .join('') +
    objectClasses()
      .map((text) => `objectclass ${text}\n`)
      .join(''),
  modules: () =>
    comment('At the head of slapd.conf, before any database.') +
    MODULES.map((name) => `moduleload ${name}\n`).join('') +
    `password-hash ${PASSWORD_HASH}\n`,
  indexes: () =>
    comment('In the section of the database (behind "database mdb").') +
    indexes()
      .map(([name, kinds]) => `index ${name} ${kinds}\n`)
      .join(''),
  access: (names) =>
    comment(
      'In the section of the database. The order matters, and no other "access to" line of this\n' +
        'database may stand before these.',
    ) +
    accessRules(names)
      .map(
        ({ to, by, doc }) =>
          `${comment(doc)}access to ${to}\n${by.map((one) => `  by ${one}\n`).join('')}`,
      )
      .join(''),
  database: (names) =>
    comment('In the section of the database, overlays behind everything else of it.') +
    `rootdn "${names.admin}"\n` +
    limits(names)
      .map((text) => `limits ${text}\n`)
      .join('') +
    overlays(names)
      .map(
        ({ name, settings, doc }) =>
          `${comment(doc)}overlay ${name}\n${settings
            .map(({ conf, value }) => `${conf} ${confValue(conf, value)}\n`)
            .join('')}`,
      )
      .join(''),
};

/** slapd.conf splits at spaces; what is one argument is quoted, a flag has none. */
function confValue(conf: string, value: string): string {
  if (value === 'TRUE') return '';
  return ONE_ARGUMENT.has(conf) ? `"${value}"` : value;
}

const ONE_ARGUMENT: ReadonlySet<string> = new Set(['refint_nothing', 'unique_uri']);

const LDIF: Readonly<Record<Part, (names: Layout, database: string) => string>> = {
  schema: () =>
    comment('Schema of Mailfarm, for:\n' + '  ldapadd -Y EXTERNAL -H ldapi:/// -f schema.ldif') +
    ldifRecord('cn=mailfarm,cn=schema,cn=config', {
      objectClass: 'olcSchemaConfig',
      cn: 'mailfarm',
      olcAttributeTypes: attributeTypes(),
      olcObjectClasses: objectClasses(),
    }),
  modules: () =>
    comment('Modules, for:\n' + '  ldapadd -Y EXTERNAL -H ldapi:/// -f modules.ldif') +
    ldifRecord('cn=module{0},cn=config', {
      changetype: 'modify',
      add: 'olcModuleLoad',
      olcModuleLoad: MODULES,
    }) +
    ldifRecord('olcDatabase={-1}frontend,cn=config', {
      changetype: 'modify',
      replace: 'olcPasswordHash',
      olcPasswordHash: PASSWORD_HASH,
    }),
  indexes: (_names, database) =>
    comment(
      'Indexes; they replace those that the database has. slapd builds them in the background.\n' +
        '  ldapadd -Y EXTERNAL -H ldapi:/// -f indexes.ldif',
    ) +
    ldifRecord(database, {
      changetype: 'modify',
      replace: 'olcDbIndex',
      olcDbIndex: indexes().map(([name, kinds]) => `${name} ${kinds}`),
    }),
  access: (names, database) =>
    comment(
      'Access rules; they replace those that the database has.\n' +
        '  ldapadd -Y EXTERNAL -H ldapi:/// -f access.ldif',
    ) +
    ldifRecord(database, {
      changetype: 'modify',
      replace: 'olcAccess',
      olcAccess: accessRules(names).map(
        ({ to, by }, index) => `{${index}}to ${to} ${by.map((one) => `by ${one}`).join(' ')}`,
      ),
    }),
  database: (names, database) =>
    comment(
      'Limits and overlays; the limits replace those that the database has.\n' +
        '  ldapadd -Y EXTERNAL -H ldapi:/// -f database.ldif',
    ) +
    ldifRecord(database, {
      changetype: 'modify',
      replace: 'olcRootDN',
      olcRootDN: names.admin,
    }) +
    ldifRecord(database, {
      changetype: 'modify',
      replace: 'olcLimits',
      olcLimits: limits(names).map((text, index) => `{${index}}${text}`),
    }) +
    overlays(names)
      .map(({ name, objectClass, settings, doc }) => {
        const values: Record<string, string[]> = {};
        for (const { attribute, value } of settings) (values[attribute] ??= []).push(value);
        return (
          comment(doc) +
          ldifRecord(`olcOverlay=${name},${database}`, {
            changetype: 'add',
            objectClass: ['olcOverlayConfig', objectClass],
            olcOverlay: name,
            ...values,
          })
        );
      })
      .join(''),
};
