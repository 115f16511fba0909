import { isIP } from 'node:net';
import { FilterParser } from 'ldapts';
import { RE2JS } from 're2js';
import { addressKey, domainKey } from '../address.ts';
import { parseDn } from '../dn.ts';
import {
  ACCOUNT_SERVICES,
  ALL_POLICIES,
  POSTING_POLICIES,
  VOLUME_STATES,
  VOLUME_USES,
} from '../types.ts';
import { etrnSourceIsSafe } from '../etrn.ts';
import { parseAppPassword, recoveryCodeIsUsable, totpIsUsable } from '../factors.ts';
import { SECRET_BYTES_MAX } from '../secret-name.ts';
import {
  parseTransport,
  selectorIsSafe,
  VACATION_BYTES_MAX,
  VACATION_SUBJECT_BYTES_MAX,
} from '../transport.ts';
import { unverifiable } from './password.ts';

/** What is wrong with a value, in words that follow the attribute's name; undefined when right. */
type Check = (value: string) => string | undefined;

const fits =
  (pattern: RegExp, otherwise: string): Check =>
  (value) =>
    pattern.test(value) ? undefined : otherwise;

const oneOf =
  (allowed: readonly string[]): Check =>
  (value) =>
    allowed.includes(value.toLowerCase()) ? undefined : `is one of ${allowed.join(', ')}`;

const succeeds =
  (work: (value: string) => unknown, otherwise: string): Check =>
  (value) => {
    try {
      work(value);
      return undefined;
    } catch {
      return otherwise;
    }
  };

const whole = fits(/^\d{1,15}$/, 'is a whole number');
const time = fits(/^\d{14}(?:[.,]\d{1,9})?Z$/, 'is a time such as 20261122093000Z');

const absolute: Check = (value) =>
  value.startsWith('/') && !/\p{Cc}/u.test(value) && !value.split('/').includes('..')
    ? undefined
    : 'is an absolute path without ".."';

const address: Check = (value) =>
  addressKey(value) === undefined ? 'is not an address that can be looked up' : undefined;

const domain: Check = (value) => (domainKey(value) === undefined ? 'is not a domain' : undefined);

const dn = succeeds(parseDn, 'is the DN of an entry');

const atMost =
  (octets: number): Check =>
  (value) =>
    Buffer.byteLength(value) > octets ? `has at most ${octets} octets` : undefined;

const TARGET =
  /^(?:volume:[A-Za-z0-9][\w.-]{0,63}|host:(?:\[[0-9A-Fa-f:.]+\]|[^\s:[\]]+)(?::\d{1,5})?)$/;

/** Checks by attribute in lower case, whatever the class. */
const CHECKS: ReadonlyMap<string, Check> = new Map(
  Object.entries({
    nid: whole,
    userPassword: unverifiable,
    mailAlias: address,
    mailForward: address,
    mwForwardKeep: oneOf(['true', 'false']),
    mwPath: absolute,
    mwQuota: whole,
    mwSuspended: oneOf(ACCOUNT_SERVICES),
    mwRemoved: time,
    mwLevel: whole,
    mwAliasOf: domain,
    mwCatchAll: address,
    mwAll: oneOf(ALL_POLICIES),
    mwMember: address,
    mwMemberFilter: succeeds((text) => FilterParser.parseString(text), 'is a filter (RFC 4515)'),
    mwPosting: oneOf(POSTING_POLICIES),
    mwModerator: address,
    mwOwner: address,
    mwMountPath: absolute,
    mwWeight: whole,
    mwState: oneOf(VOLUME_STATES),
    mwUse: oneOf(VOLUME_USES),
    mwBeat: time,
    mwSiteDomain: domain,
    mwSiteLevel: oneOf(['0', '1', '2']),
    mwOrder: fits(/^-?\d{1,9}$/, 'is a whole number'),
    mwPattern: succeeds((text) => RE2JS.compile(text), 'is a regular expression as RE2 has them'),
    mwTarget: fits(TARGET, 'is volume:NAME, host:NAME or host:NAME:PORT'),
    mwSetting: fits(/^[a-z][a-z0-9.-]*=/, 'is NAME=VALUE'),
    mwTransport: (value) =>
      parseTransport(value) ? undefined : 'is mx, HOST:PORT or lmtp:HOST:PORT',
    mwEtrnFrom: (value) =>
      etrnSourceIsSafe(value) ? undefined : 'is an address, a network or the login of a user',
    mwDkim: (value) =>
      selectorIsSafe(value.toLowerCase()) ? undefined : 'is a selector: labels of a domain name',
    mwVacation: atMost(VACATION_BYTES_MAX),
    mwVacationSubject: (value) =>
      /\p{Cc}/u.test(value) ? 'is one line' : atMost(VACATION_SUBJECT_BYTES_MAX)(value),
    mwVacationFrom: time,
    mwVacationUntil: time,
    mwSecretValue: atMost(SECRET_BYTES_MAX),
    mwAppPassword: (value) =>
      parseAppPassword(value) ? undefined : 'is ID HASH SERVICES TIME LABEL',
    mwTotp: (value) => (totpIsUsable(value) ? undefined : 'is base32 of 128 to 512 bits'),
    mwRecoveryCode: (value) =>
      recoveryCodeIsUsable(value) ? undefined : 'is SHA-256 in base64url',
    mwAddress: (value) => (isIP(value) === 0 ? 'is an IP address' : undefined),
    mwClaimOf: dn,
    mwClaimUntil: time,
    member: dn,
  } satisfies Record<string, Check>).map(([name, check]) => [name.toLowerCase(), check]),
);

/** What is wrong with a value, in words that follow the attribute's name. */
export const wrongValue = (attribute: string, value: string): string | undefined =>
  value === '' ? 'is empty' : CHECKS.get(attribute)?.(value);

export const isWhole = (value: string): boolean => whole(value) === undefined;
