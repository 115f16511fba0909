import { BerError, decodeBer, integer, octets, parts, SET, TAG, text } from './ber.ts';
import type { Tlv } from './ber.ts';
import { decodeControls, type Controls } from './controls.ts';
import { decodeFilter, FilterRefused, type Filter } from './filter.ts';
import { DnError, parseDn, type Rdn } from '../dn.ts';
import { LdapFailure } from './result.ts';

/** A distinguished name as sent, and its parts. */
export interface Dn {
  readonly text: string;
  readonly rdns: readonly Rdn[];
}

/** Attribute descriptions and values as sent. */
export interface AttributeValues {
  readonly name: string;
  readonly values: readonly string[];
}

export const SCOPES = ['base', 'one', 'sub', 'children'] as const;
export type Scope = (typeof SCOPES)[number];

export type Change = AttributeValues & { readonly operation: 'add' | 'delete' | 'replace' };

/** A request, whole and checked; a handler sees nothing else (RFC 4511 §4.2 to §4.12). */
export type Operation =
  | { readonly kind: 'bind'; readonly dn: Dn; readonly password: Buffer }
  | { readonly kind: 'unbind' }
  | { readonly kind: 'abandon' }
  | {
      readonly kind: 'search';
      readonly base: Dn;
      readonly scope: Scope;
      readonly sizeLimit: number;
      readonly typesOnly: boolean;
      readonly filter: Filter;
      readonly attributes: readonly string[];
    }
  | { readonly kind: 'add'; readonly dn: Dn; readonly attributes: readonly AttributeValues[] }
  | { readonly kind: 'modify'; readonly dn: Dn; readonly changes: readonly Change[] }
  | { readonly kind: 'delete'; readonly dn: Dn }
  | {
      readonly kind: 'rename';
      readonly dn: Dn;
      readonly newRdn: Dn;
      readonly deleteOldRdn: boolean;
      readonly newSuperior: Dn | undefined;
    }
  | { readonly kind: 'compare'; readonly dn: Dn; readonly name: string; readonly value: string }
  | { readonly kind: 'extended'; readonly name: string; readonly value: Buffer | undefined };

/** Response tags by request tag. */
const OPERATIONS = {
  0x60: { response: 0x61, decode: decodeBind },
  0x63: { response: 0x65, decode: decodeSearch },
  0x66: { response: 0x67, decode: decodeModify },
  0x68: { response: 0x69, decode: decodeAdd },
  0x4a: { response: 0x6b, decode: decodeDelete },
  0x6c: { response: 0x6d, decode: decodeRename },
  0x6e: { response: 0x6f, decode: decodeCompare },
  0x77: { response: 0x78, decode: decodeExtended },
  0x42: { response: 0, decode: (): Operation => ({ kind: 'unbind' }) },
  0x50: { response: 0, decode: (): Operation => ({ kind: 'abandon' }) },
} as const;

/** An operation with what the controls beside it ask. */
export interface Request {
  readonly operation: Operation;
  readonly controls: Controls;
}

export interface Envelope {
  readonly id: number;
  /** Tag of the response; 0 where there is none. */
  readonly response: number;
  /** @throws LdapFailure with what the client is to be told. */
  readonly open: () => Request;
}

/** Reads what is needed to answer at all. @throws BerError: then the connection ends. */
export function openEnvelope(message: Tlv): Envelope {
  const [idPart, body, controls] = message.children;
  const id = integer(idPart);
  if (id < 0 || !body) throw new BerError('The message has no id or no operation');
  if (!Object.hasOwn(OPERATIONS, body.tag)) throw new BerError('The operation is not one of LDAP');
  const row = OPERATIONS[body.tag as keyof typeof OPERATIONS];
  const open = (): Request => {
    try {
      const operation = row.decode(body);
      return { operation, controls: decodeControls(controls, operation.kind) };
    } catch (error) {
      throw asFailure(error);
    }
  };
  return { id, response: row.response, open };
}

function asFailure(error: unknown): unknown {
  if (error instanceof BerError) return new LdapFailure('protocolError', error.message);
  if (error instanceof DnError) return new LdapFailure('invalidDnSyntax', error.message);
  if (error instanceof FilterRefused) {
    return new LdapFailure('inappropriateMatching', error.message);
  }
  return error;
}

const dnOf = (value: string): Dn => ({ text: value, rdns: parseDn(value) });

const boolean = (tlv: Tlv | undefined): boolean => {
  if (tlv?.tag !== TAG.boolean || tlv.value.length !== 1) throw new BerError('Boolean expected');
  return tlv.value[0] !== 0;
};

function decodeBind(body: Tlv): Operation {
  const [version, name, authentication] = body.children;
  if (integer(version) !== 3) throw new LdapFailure('protocolError', 'Only LDAP version 3');
  if (authentication?.tag === 0xa3) {
    throw new LdapFailure('authMethodNotSupported', 'Only simple bind is supported');
  }
  return { kind: 'bind', dn: dnOf(text(name)), password: octets(authentication, 0x80) };
}

function decodeSearch(body: Tlv): Operation {
  const [base, scope, , sizeLimit, , typesOnly, filter, attributes] = body.children;
  const scopeName = SCOPES[integer(scope, TAG.enumerated)];
  if (!scopeName) throw new BerError('The scope is not one of LDAP');
  return {
    kind: 'search',
    base: dnOf(text(base)),
    scope: scopeName,
    sizeLimit: Math.max(0, integer(sizeLimit)),
    typesOnly: boolean(typesOnly),
    filter: decodeFilter(filter),
    attributes: parts(attributes).map((part) => text(part)),
  };
}

/** Attribute descriptions (RFC 4512 §2.5) without options, which nothing of ours uses. */
const ATTRIBUTE_NAME = /^(?:[A-Za-z][A-Za-z0-9-]{0,99}|\d+(?:\.\d+)+)$/;

function attributeValues(tlv: Tlv): AttributeValues {
  const [name, values] = parts(tlv);
  const description = text(name);
  if (!ATTRIBUTE_NAME.test(description)) {
    throw new LdapFailure(
      'invalidAttributeSyntax',
      `"${description.slice(0, 40)}" is no attribute`,
    );
  }
  return { name: description, values: parts(values, SET).map((value) => textValue(value)) };
}

function textValue(value: Tlv): string {
  try {
    return text(value);
  } catch {
    throw new LdapFailure('invalidAttributeSyntax', 'This server keeps values in UTF-8 only');
  }
}

function decodeAdd(body: Tlv): Operation {
  const [dn, attributes] = body.children;
  return { kind: 'add', dn: dnOf(text(dn)), attributes: parts(attributes).map(attributeValues) };
}

const CHANGES = ['add', 'delete', 'replace'] as const;

function decodeModify(body: Tlv): Operation {
  const [dn, changes] = body.children;
  return {
    kind: 'modify',
    dn: dnOf(text(dn)),
    changes: parts(changes).map((part) => {
      const [operation, modification] = parts(part);
      const name = CHANGES[integer(operation, TAG.enumerated)];
      if (!name || !modification) throw new BerError('The change is not one of LDAP');
      return { operation: name, ...attributeValues(modification) };
    }),
  };
}

function decodeDelete(body: Tlv): Operation {
  return { kind: 'delete', dn: dnOf(text(body, 0x4a)) };
}

function decodeRename(body: Tlv): Operation {
  const [dn, newRdn, deleteOldRdn, newSuperior] = body.children;
  const rdn = dnOf(text(newRdn));
  if (rdn.rdns.length !== 1) throw new LdapFailure('invalidDnSyntax', 'The new name is not one');
  return {
    kind: 'rename',
    dn: dnOf(text(dn)),
    newRdn: rdn,
    deleteOldRdn: boolean(deleteOldRdn),
    newSuperior: newSuperior ? dnOf(text(newSuperior, 0x80)) : undefined,
  };
}

function decodeCompare(body: Tlv): Operation {
  const [dn, assertion] = body.children;
  const [name, value] = parts(assertion);
  return { kind: 'compare', dn: dnOf(text(dn)), name: text(name), value: text(value) };
}

function decodeExtended(body: Tlv): Operation {
  const [name, value] = body.children;
  return { kind: 'extended', name: text(name, 0x80), value: value && octets(value, 0x81) };
}

/** A change of password by its own operation (RFC 3062 §2). */
export interface PasswordModify {
  /** Undefined: who is bound. */
  readonly dn: Dn | undefined;
  readonly oldPassword: Buffer | undefined;
  /** Undefined: the server makes one. */
  readonly newPassword: string | undefined;
}

/** @throws LdapFailure */
export function decodePasswordModify(value: Buffer | undefined): PasswordModify {
  try {
    const given = value ? parts(decodeBer(value)) : [];
    const at = (tag: number): Tlv | undefined => given.find((part) => part.tag === tag);
    const [user, old, fresh] = [at(0x80), at(0x81), at(0x82)];
    const name = user && text(user, 0x80).replace(/^dn:/i, '');
    return {
      dn: name === undefined || name === '' ? undefined : dnOf(name),
      oldPassword: old?.value,
      newPassword: fresh && text(fresh, 0x82),
    };
  } catch (error) {
    throw asFailure(error);
  }
}
