/** Fields of a user in files: names for people beside those of the directory. */

/** Name for people, in lower case, to the attribute; `password` stands for itself. */
const ALIASES: Readonly<Record<string, string>> = {
  login: 'cn',
  alias: 'mailAlias',
  aliases: 'mailAlias',
  forward: 'mailForward',
  forwards: 'mailForward',
  keep: 'mwForwardKeep',
  quota: 'mwQuota',
  volume: 'mwVolume',
  path: 'mwPath',
  suspended: 'mwSuspended',
  customer: 'customerID',
  site: 'mwSite',
  /** In the clear: hashed before it is written. */
  password: 'password',
};

/** Attributes of a user that files may carry, as the directory spells them. */
const ATTRIBUTES = [
  'cn',
  'uid',
  'userPassword',
  'mailAlias',
  'mailForward',
  'mwForwardKeep',
  'mwVolume',
  'mwPath',
  'mwQuota',
  'mwSuspended',
  'customerID',
  'mwSite',
  'description',
] as const;

const BY_NAME: ReadonlyMap<string, string> = new Map([
  ...ATTRIBUTES.map((name) => [name.toLowerCase(), name] as const),
  ...Object.entries(ALIASES),
]);

export const FIELD_NAMES: readonly string[] = [...BY_NAME.keys()];

/** The attribute that a name stands for, or `password`; undefined for one that is not ours. */
export const fieldOf = (name: string): string | undefined => BY_NAME.get(name.toLowerCase());

const SPACED: ReadonlySet<string> = new Set(['mailAlias', 'mailForward', 'mwSuspended']);
/** Whether the values of a field have no spaces in them, so that one can stand between them. */
export const isSpaced = (field: string): boolean => SPACED.has(field);

/** Kept by the server, or by us alone: files may have them, nobody reads them from there. */
const DROPPED: ReadonlySet<string> = new Set([
  'entryuuid',
  'entrycsn',
  'contextcsn',
  'createtimestamp',
  'modifytimestamp',
  'creatorsname',
  'modifiersname',
  'structuralobjectclass',
  'subschemasubentry',
  'hassubordinates',
  'numsubordinates',
  'entrydn',
  'memberof',
  'pwdchangedtime',
]);
export const isDropped = (name: string): boolean => DROPPED.has(name.toLowerCase());
