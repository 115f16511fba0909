/**
 * Identities (RFC 8621 §6): one for each address of the account, which is always there, and those
 * that the user makes with other names and signatures. Nobody can have one of a foreign address.
 */
import { hash } from 'node:crypto';
import type { Args, JmapContext } from '../types.ts';
import { isRecord } from '../wire/values.ts';
import { readerFor } from './arguments.ts';
import { faultOf } from './faults.ts';
import { patched } from './patch.ts';
import { readRecords, recordsChanges, recordsState, writeRecord } from './records.ts';
import {
  badProperties,
  changesAnswer,
  changesArguments,
  picked,
  requireState,
  resolvedId,
  SetOutcome,
  SetRefusal,
  setArguments,
  wantedIds,
  wantedProperties,
} from './standard.ts';

const DRAWER = 'identities';
const IDENTITIES_MAX = 100;
const TEXT_MAX = 65_536;
const NAME_MAX = 500;
const ADDRESSES_MAX = 50;

export interface Identity {
  readonly id: string;
  readonly name: string;
  readonly email: string;
  readonly replyTo: readonly Args[] | null;
  readonly bcc: readonly Args[] | null;
  readonly textSignature: string;
  readonly htmlSignature: string;
  readonly mayDelete: boolean;
}
const PROPERTIES: readonly string[] =
  'id name email replyTo bcc textSignature htmlSignature mayDelete'.split(' ');

/** All of the account, those of its addresses first. @throws StoreError */
export async function identitiesOf(context: JmapContext): Promise<ReadonlyMap<string, Identity>> {
  const records = await readRecords(context, DRAWER);
  const all = new Map<string, Identity>();
  for (const email of context.account.addresses) {
    const id = `a${hash('sha256', email.toLowerCase(), 'base64url').slice(0, 20)}`;
    all.set(id, { ...identityOf(records.get(id) ?? {}, id), email, mayDelete: false });
  }
  const own = new Set(context.account.addresses.map((one) => one.toLowerCase()));
  for (const [id, record] of records) {
    const identity = identityOf(record, id);
    // An address that was taken away since has no identity any more.
    if (!all.has(id) && own.has(identity.email.toLowerCase())) all.set(id, identity);
  }
  return all;
}

function identityOf(record: Args, id: string): Identity {
  const text = (name: string): string => {
    const value = record[name];
    return typeof value === 'string' ? value : '';
  };
  const list = (name: string): readonly Args[] | null => {
    const value = record[name];
    return Array.isArray(value) ? (value as readonly Args[]) : null;
  };
  return {
    id,
    name: text('name'),
    email: text('email'),
    replyTo: list('replyTo'),
    bcc: list('bcc'),
    textSignature: text('textSignature'),
    htmlSignature: text('htmlSignature'),
    mayDelete: true,
  };
}

/** RFC 8621 §6.1 */
export async function identityGet(args: Args, context: JmapContext): Promise<Args> {
  const reader = readerFor(args, context);
  const ids = wantedIds(reader, context);
  const properties = wantedProperties(reader, PROPERTIES);
  reader.end();
  const all = await identitiesOf(context);
  const wanted = ids ?? [...all.keys()];
  return {
    accountId: context.account.id,
    state: recordsState(all),
    list: wanted.flatMap((id) => {
      const one = all.get(id);
      return one === undefined ? [] : [picked({ ...one }, properties)];
    }),
    notFound: wanted.filter((id) => !all.has(id)),
  };
}

/** RFC 8621 §6.2 */
export async function identityChanges(args: Args, context: JmapContext): Promise<Args> {
  const reader = readerFor(args, context);
  const asked = changesArguments(reader);
  reader.end();
  const part = recordsChanges(asked.since, await identitiesOf(context), asked.max);
  return changesAnswer({ accountId: context.account.id, ...asked }, part);
}

/** RFC 8621 §6.3 */
export async function identitySet(args: Args, context: JmapContext): Promise<Args> {
  const reader = readerFor(args, context);
  const asked = setArguments(reader, context);
  reader.end();
  const before = await identitiesOf(context);
  const oldState = recordsState(before);
  requireState(asked.ifInState, oldState);
  const outcome = new SetOutcome();
  for (const [key, object] of asked.create) {
    try {
      if (before.size + outcome.created.size >= IDENTITIES_MAX) {
        throw new SetRefusal({ type: 'overQuota', description: 'These are enough identities' });
      }
      const id = `i${Buffer.from(context.random.bytes(9)).toString('base64url')}`;
      const made = checked({ ...identityOf({}, id), ...object, id, mayDelete: true }, context);
      await writeRecord(context, { drawer: DRAWER, name: id }, made);
      context.createdIds.set(key, id);
      outcome.created.set(key, { id, mayDelete: true });
    } catch (error) {
      outcome.notCreated.set(key, faultOf(error));
    }
  }
  const destroy = asked.destroy.map((given) => resolvedId(given, context) ?? given);
  for (const [given, patch] of asked.update) {
    const id = resolvedId(given, context) ?? given;
    try {
      const one = before.get(id);
      if (one === undefined) throw new SetRefusal({ type: 'notFound' });
      if (destroy.includes(id)) throw new SetRefusal({ type: 'willDestroy' });
      const after = patched({ ...one }, patch);
      for (const name of ['id', 'email', 'mayDelete'] as const) {
        if (after[name] !== one[name]) badProperties([name], `${name} cannot be changed`);
      }
      await writeRecord(context, { drawer: DRAWER, name: id }, checked(after, context));
      outcome.updated.set(given, null);
    } catch (error) {
      outcome.notUpdated.set(given, faultOf(error));
    }
  }
  for (const id of destroy) {
    const one = before.get(id);
    if (one?.mayDelete === true) {
      await context.view.mail.facts.remove(DRAWER, id);
      outcome.destroyed.push(id);
    } else outcome.notDestroyed.set(id, { type: one ? 'forbidden' : 'notFound' });
  }
  const newState = recordsState(await identitiesOf(context));
  return outcome.answer({ accountId: context.account.id, oldState, newState });
}

/** @throws SetRefusal invalidProperties, forbiddenFrom, tooLarge */
function checked(object: Args, { account }: JmapContext): Args {
  for (const name of Object.keys(object)) {
    if (!PROPERTIES.includes(name)) badProperties([name], `There is no property ${name}`);
  }
  const { name, email, textSignature, htmlSignature, replyTo, bcc } = object;
  for (const [property, text, max] of [
    ['name', name, NAME_MAX],
    ['email', email, NAME_MAX],
    ['textSignature', textSignature, TEXT_MAX],
    ['htmlSignature', htmlSignature, TEXT_MAX],
  ] as const) {
    if (typeof text !== 'string') badProperties([property], `${property} is a text`);
    if (String(text).length > max) {
      throw new SetRefusal({ type: 'tooLarge', description: `${property} is too long` });
    }
  }
  for (const [property, list] of [
    ['replyTo', replyTo],
    ['bcc', bcc],
  ] as const) {
    if (list !== null && !isAddressList(list)) badProperties([property], `${property} is a list`);
  }
  const own = account.addresses.some((one) => one.toLowerCase() === String(email).toLowerCase());
  if (own) return object;
  throw new SetRefusal({ type: 'forbiddenFrom', description: 'The address is none of yours' });
}

const isAddressList = (value: unknown): boolean =>
  Array.isArray(value) &&
  value.length <= ADDRESSES_MAX &&
  value.every((one) => isRecord(one) && typeof one['email'] === 'string');

/** An identity that a submission names. @throws SetRefusal */
export async function requireIdentity(context: JmapContext, id: unknown): Promise<Identity> {
  const one = typeof id === 'string' ? (await identitiesOf(context)).get(id) : undefined;
  return one ?? badProperties(['identityId'], 'There is no such identity');
}
