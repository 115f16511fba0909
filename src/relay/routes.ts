/**
 * Ways that an administrator chose in place of MX records: `relay.next` for everything, and
 * `relay.routes` for single domains, the longest name first. A setting that cannot be read makes
 * letters wait: to send them another way than was meant may show them to whom it should not.
 */
import { isIP } from 'node:net';
import { domainKey } from '../directory/address.ts';
import type { Smarthost } from '../spool/sender/types.ts';
import type { RelayOptions } from './options.ts';

type RouteOptions = Pick<
  RelayOptions,
  'relay.next' | 'relay.next.login' | 'relay.next.tls' | 'relay.routes'
>;

/** A setting that says where letters go cannot be read. */
export class RouteError extends Error {
  readonly code = 'MF-REL-007';
  constructor(setting: string, text: string) {
    super(
      `${setting}: ${JSON.stringify(text)} is no HOST, HOST:PORT or [ADDRESS]:PORT: MF-REL-007`,
    );
    this.name = 'RouteError';
  }
}

/** Who takes letters for a domain; undefined: its MX. Rejects with RouteError. */
export function smarthosts(
  options: RouteOptions,
): (domain: string) => Promise<Smarthost | undefined> {
  const next = options['relay.next'].trim();
  const rows = options['relay.routes'].map(parseRow);
  return async (domain) => {
    // Also a row that has nothing to do with this domain: which one it was meant for is not known.
    const broken = rows.find((row) => row instanceof RouteError);
    if (broken) throw broken;
    const [best] = rows
      .filter((row): row is Row => !(row instanceof RouteError) && matches(row, domain))
      .toSorted((a, b) => b.name.length - a.name.length);
    if (best) return best.host;
    if (next === '') return undefined;
    const place = parsePlace(next);
    if (place === undefined) throw new RouteError('relay.next', next);
    return { ...place, login: options['relay.next.login'], tls: options['relay.next.tls'] };
  };
}

interface Row {
  readonly name: string;
  readonly below: boolean;
  /** Undefined: by MX. */
  readonly host: Smarthost | undefined;
}

const matches = ({ name, below }: Row, domain: string): boolean =>
  below ? domain.endsWith(`.${name}`) : domain === name;

function parseRow(text: string): Row | RouteError {
  const at = text.indexOf('=');
  const left = text.slice(0, at).trim();
  const right = text.slice(at + 1).trim();
  const below = left.startsWith('.');
  const name = domainKey(below ? left.slice(1) : left);
  if (at <= 0 || name === undefined) return new RouteError('relay.routes', text);
  if (right.toLowerCase() === 'mx') return { name, below, host: undefined };
  const place = parsePlace(right);
  if (place === undefined) return new RouteError('relay.routes', text);
  return { name, below, host: { ...place, login: '', tls: 'may' } };
}

const PLACE = /^(?:\[([0-9A-Fa-f:.]{2,45})\]|([^:[\]\s]+))(?::(\d{1,5}))?$/;

function parsePlace(text: string): { readonly host: string; readonly port: number } | undefined {
  const [, literal, name, digits] = PLACE.exec(text) ?? [];
  const port = digits === undefined ? 25 : Number(digits);
  if (port < 1 || port > 65_535) return undefined;
  if (literal !== undefined) return isIP(literal) === 0 ? undefined : { host: literal, port };
  const host = name === undefined ? undefined : domainKey(name);
  return host === undefined ? undefined : { host, port };
}
