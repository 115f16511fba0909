import { ITEM, type YamlMap } from './yaml-map.ts';

/** How servers of a directory are reached. */
export interface LdapAccessFile {
  /** Empty where there is nothing but a snapshot. */
  readonly urls: readonly string[];
  readonly base: string;
  /** Undefined binds anonymously. */
  readonly bind: { readonly dn: string; readonly passwordFile: string } | undefined;
  readonly startTls: boolean;
  /** PEM file of the authorities that may have signed the directory's certificate. */
  readonly ca: string | undefined;
}

/** The part `directory` of a node's file. */
export interface DirectoryFile extends LdapAccessFile {
  /**
   * A file made by `mailfarm directory export` or `compile`, on a local disk: asked while no
   * server answers, or always where there are no `urls`. It may come later.
   */
  readonly snapshot?: string | undefined;
  /** Users in another directory than the farm's own entries. */
  readonly users?: (LdapAccessFile & { readonly map: AttributeMapFile }) | undefined;
}

/** Names of presets in directory/map.ts. */
export const MAP_PRESETS = ['mailfarm', 'posix', 'qmail-ldap', 'courier'] as const;
export const QUOTA_UNITS = ['octets', 'kibibytes', 'maildir++'] as const;

/** Which attribute says what: a preset, and what differs from it. */
export interface AttributeMapFile {
  readonly preset: (typeof MAP_PRESETS)[number];
  readonly classes?: readonly string[];
  readonly login?: string;
  readonly shortLogin?: string;
  readonly aliases?: readonly string[];
  readonly id?: string;
  readonly uid?: string;
  readonly forwards?: string;
  readonly volume?: string;
  readonly path?: {
    readonly attribute: string;
    readonly below?: string;
    readonly append?: string;
  };
  readonly quota?: { readonly attribute: string; readonly unit: (typeof QUOTA_UNITS)[number] };
  readonly site?: string;
  readonly customer?: string;
  readonly removed?: string;
}

/** 1 to 65535. */
const PORT = '(?!0)(?:\\d{1,4}|[1-5]\\d{4}|6[0-4]\\d{3}|65[0-4]\\d\\d|655[0-2]\\d|6553[0-5])';
const LDAP_URL = new RegExp(`^ldaps?://(?:\\[[0-9a-f:.]+\\]|[a-z0-9.-]+)(?::${PORT})?/?$`, 'i');
const DN = /^[a-z][a-z0-9.-]* *=[^\0]+$/i;
const ATTRIBUTE = /^[A-Za-z][A-Za-z0-9-]{0,99}$/;

export function readDirectory(map: YamlMap): DirectoryFile | undefined {
  if (!map.present) return undefined; // Said once, not once more for each key in it.
  const snapshot = map.place('snapshot');
  // A snapshot alone is a directory; what belongs to a server is asked for where there is one.
  const alone = map.has('snapshot') && !map.has('urls');
  const access = readAccess(map, 'directory', alone ? 'optional' : 'required');
  const inside = map.map('users');
  const users = map.has('users') ? readUsers(inside) : undefined;
  if (alone && map.has('users')) {
    map.complain(map.line('users'), 'directory.users needs directory.urls: the farm’s own entries');
  }
  map.finish();
  return access && { ...access, snapshot, users };
}

function readAccess(
  map: YamlMap,
  name: string,
  need: 'required' | 'optional',
): LdapAccessFile | undefined {
  const given = need === 'required' || map.has('urls');
  const urls = (given ? map.list('urls', 'required', 'texts') : []).map((item) => {
    const expected = 'a URL such as ldaps://ldap1.example.test:636';
    return { line: item.line(ITEM), url: item.text(ITEM, 'required', expected, LDAP_URL) };
  });
  const base = map.text('base', need, 'a DN such as dc=example,dc=test', DN);
  const dn = map.text('bind-dn', 'optional', 'a DN such as cn=front1,dc=example,dc=test', DN);
  const passwordFile = map.path('password-file', 'optional', 'file');
  const startTls = map.value('start-tls', 'optional', 'true or false', (v) =>
    typeof v === 'boolean' ? v : undefined,
  );
  const ca = map.path('ca', 'optional', 'file');
  for (const { line, url } of urls) {
    if (startTls && url?.toLowerCase().startsWith('ldaps:')) {
      map.complain(line, `${name}.urls: ${url} is TLS from the start; start-tls is for ldap:`);
    }
  }
  const [has, lacks] = map.has('bind-dn')
    ? ['bind-dn', 'password-file']
    : ['password-file', 'bind-dn'];
  if (map.has(has) && !map.has(lacks)) {
    map.complain(map.line(has), `${name}.${has} needs ${name}.${lacks} beside it`);
  }
  if (base === undefined && need === 'required') return undefined;
  return {
    urls: urls.flatMap(({ url }) => url ?? []),
    base: base ?? '',
    bind: dn !== undefined && passwordFile !== undefined ? { dn, passwordFile } : undefined,
    startTls: startTls ?? false,
    ca,
  };
}

function readUsers(map: YamlMap): DirectoryFile['users'] {
  if (!map.present) return undefined;
  const access = readAccess(map, 'directory.users', 'required');
  const names = `one of ${MAP_PRESETS.join(', ')}, or a mapping with preset`;
  const preset = (value: unknown) => MAP_PRESETS.find((name) => name === value);
  const read = map.isMap('map')
    ? readMap(map.map('map'))
    : { preset: map.value('map', 'required', names, preset) };
  map.finish();
  const known = read?.preset;
  return access && known && { ...access, map: { ...read, preset: known } };
}

function readMap(map: YamlMap): AttributeMapFile | undefined {
  const preset = map.value('preset', 'required', `one of ${MAP_PRESETS.join(', ')}`, (value) =>
    MAP_PRESETS.find((name) => name === value),
  );
  const name = (key: string, from = map, need: 'required' | 'optional' = 'optional') =>
    from.text(key, need, 'the name of an attribute', ATTRIBUTE);
  const names = (key: string) =>
    map.has(key)
      ? map.list(key, 'optional', 'texts').flatMap((item) => name(ITEM, item, 'required') ?? [])
      : undefined;
  const quota = map.has('quota') ? readQuota(map.map('quota')) : undefined;
  const path = map.has('path') ? readPath(map.map('path')) : undefined;
  const read = {
    classes: names('classes'),
    aliases: names('aliases'),
    login: name('login'),
    shortLogin: name('short-login'),
    id: name('id'),
    uid: name('uid'),
    forwards: name('forwards'),
    volume: name('volume'),
    site: name('site'),
    customer: name('customer'),
    removed: name('removed'),
    quota,
    path,
  };
  map.finish();
  const given = Object.entries(read).filter(([, value]) => value !== undefined);
  return preset && { preset, ...(Object.fromEntries(given) as Omit<AttributeMapFile, 'preset'>) };
}

function readQuota(map: YamlMap): AttributeMapFile['quota'] {
  const attribute = map.text('attribute', 'required', 'the name of an attribute', ATTRIBUTE);
  const unit = map.value('unit', 'required', `one of ${QUOTA_UNITS.join(', ')}`, (value) =>
    QUOTA_UNITS.find((known) => known === value),
  );
  map.finish();
  return attribute !== undefined && unit !== undefined ? { attribute, unit } : undefined;
}

function readPath(map: YamlMap): AttributeMapFile['path'] {
  const attribute = map.text('attribute', 'required', 'the name of an attribute', ATTRIBUTE);
  const below = map.text('below', 'optional', 'an absolute path', /^\/[^\0]*$/);
  const append = map.text('append', 'optional', 'a path such as /Maildir', /^\/[^\0]*$/);
  map.finish();
  if (attribute === undefined) return undefined;
  return {
    attribute,
    ...(below === undefined ? {} : { below }),
    ...(append === undefined ? {} : { append }),
  };
}
