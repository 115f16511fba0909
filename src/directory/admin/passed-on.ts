/** Customers' domains that are passed on, and keys that domains are signed with. */
import { domainSpellings } from '../address.ts';
import { toNode } from '../client/entries.ts';
import { etrnSourceIsSafe } from '../etrn.ts';
import { nameDn } from '../dn.ts';
import { canonicalAddress, parseListen } from '../../net/address.ts';
import { secretEntryName } from '../secret-name.ts';
import { formatTransport, parseTransport, selectorIsSafe } from '../transport.ts';
import { dkimSecretName, type NodeEntry, type Transport } from '../types.ts';
import type { DomainRecord, DomainValues } from './api.ts';
import type { Farm, Proposed } from './collection.ts';
import { AdminError } from './error.ts';
import { printable } from './names.ts';
import { anyEnding } from './query.ts';
import type { AdminSession } from './session.ts';
import * as values from './values.ts';

const invalid = (text: string): AdminError => new AdminError('invalid', text);

/** In one spelling. @throws AdminError invalid */
export function checkedTransport(text: string): string {
  const transport = parseTransport(text);
  if (transport) return formatTransport(transport);
  throw invalid(`"${printable(text)}" is not mx, HOST:PORT or lmtp:HOST:PORT`);
}

/** @throws AdminError invalid */
export function checkedEtrnSource(text: string): string {
  const value = text.trim().toLowerCase();
  if (etrnSourceIsSafe(value)) return value;
  throw invalid(`"${printable(text)}" is not an address, a network or the login of a user`);
}

/** @throws AdminError invalid */
export function checkedSelector(text: string): string {
  const selector = text.trim().toLowerCase();
  if (selectorIsSafe(selector)) return selector;
  throw invalid(`"${printable(text)}" is not a selector: letters, digits and hyphens (63)`);
}

/**
 * A domain that is passed on is nothing else beside that, and does not lead back to this farm.
 * @throws AdminError invalid, not-found
 */
export async function checkPassedOn(
  farm: Farm,
  {
    name,
    given,
    before,
  }: { name: string; given: Partial<DomainValues> } & Pick<
    Proposed<DomainRecord, DomainValues>,
    'before'
  >,
): Promise<void> {
  const etrnFrom = given.etrnFrom ?? [];
  const kept = given.transport === undefined && before?.transport !== undefined;
  if (!kept && typeof given.transport !== 'string') {
    const left = given.etrnFrom === undefined ? (before?.etrnFrom ?? []) : etrnFrom;
    if (left.length === 0) return;
    throw invalid(`${name} has users here: ETRN is for a domain with a transport only`);
  }
  const aliasOf = after(given.aliasOf, before?.aliasOf);
  const catchAll = after(given.catchAll, before?.catchAll);
  const all = after(given.all, before?.all) ?? 'off';
  const other =
    aliasOf === undefined
      ? catchAll === undefined
        ? all === 'off'
          ? undefined
          : `all@ is open to ${all}`
        : `nobody's mail goes to ${catchAll}`
      : `it means ${aliasOf}`;
  if (other !== undefined) throw invalid(`Mail for ${name} cannot be passed on: ${other}`);
  await requireLogins(farm, etrnFrom);
  if (typeof given.transport !== 'string') return;
  const held = await addressIn(farm.session, name);
  if (held !== undefined) {
    throw invalid(`${name} has addresses here (${held}), which would get nothing any more`);
  }
  await requireElsewhere(farm, parseTransport(given.transport));
}

const after = <T>(given: T | null | undefined, before: T | undefined): T | undefined =>
  given === undefined ? before : (given ?? undefined);

async function requireLogins(farm: Farm, sources: readonly string[]): Promise<void> {
  for (const source of sources) {
    if (!source.includes('@') || (await farm.addresses.holder(source))) continue;
    const text = `${printable(source)} may not ask by ETRN: there is no such user; add it first`;
    throw new AdminError('not-found', text);
  }
}

/** An address of a node would send the mail around; a name is seen through when it is sent. */
async function requireElsewhere(farm: Farm, transport: Transport | undefined): Promise<void> {
  if (transport?.kind !== 'host') return;
  const { session } = farm;
  const found = await session.search({ base: session.names.nodes, objectClass: 'mwNode' });
  const own = found.map(toNode).find((node) => listensAt(node, transport));
  if (!own) return;
  const where = formatTransport(transport);
  throw invalid(`${where} is the node ${own.name} of this farm: mail would go around`);
}

function listensAt(node: NodeEntry, { host, port }: { host: string; port: number }): boolean {
  const wanted = canonicalAddress(host);
  const named = [node.server.toLowerCase(), ...node.addresses.map(canonicalAddress)];
  return node.listen.some((text) => {
    const at = parseListen(text);
    if (typeof at === 'string' || at.port !== port) return false;
    return named.includes(wanted) || canonicalAddress(at.host) === wanted;
  });
}

/** A key that is not there would let every letter of the domain wait. */
export async function requireKeys(
  { session }: Farm,
  domain: string,
  selectors: readonly string[],
): Promise<void> {
  for (const selector of selectors.map(checkedSelector)) {
    const cn = secretEntryName('dkim', dkimSecretName(domain, selector)) ?? '';
    if (await session.entry(nameDn('cn', cn, session.names.secrets), ['cn'])) continue;
    const text =
      `There is no key ${selector} of ${domain}; make one: ` +
      `mailfarm domain dkim ${domain} --selector ${selector} --new`;
    throw new AdminError('not-found', text);
  }
}

/** Somebody who has an address in a domain. */
export async function addressIn(session: AdminSession, name: string): Promise<string | undefined> {
  const endings = domainSpellings(name).map((spelling) => `@${spelling}`);
  const { users, lists } = session.names;
  for (const base of [users, lists]) {
    const filter = anyEnding(['cn', 'mailAlias'], endings);
    const [entry] = await session.search({ base, filter, limit: 1, attributes: ['cn'] });
    if (entry) return values.lower(entry, 'cn') ?? entry.dn;
  }
  return undefined;
}
