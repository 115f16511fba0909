/**
 * Where one accepted recipient leads: mailboxes of this farm and places elsewhere, with the sender,
 * the list and the notices that each of them gets. The same for all who take letters in.
 */
import { domainKey } from '../directory/address.ts';
import type {
  Account,
  Destination,
  ListEntry,
  Resolution,
  TracedStop,
} from '../directory/types.ts';
import { parseMailbox } from '../smtp/address.ts';
import type { NotifyOn, Origin, OutboundRecipient } from '../spool/outbound.ts';
import type { RecipientDsn } from '../smtp/types.ts';
import type { Leaving, ListCopy, Recipient, SuccessWish } from './types.ts';

/** What one RCPT became. */
export interface Places {
  /** As the client gave it. */
  readonly address: string;
  readonly mailboxes: readonly Recipient[];
  readonly leaving: readonly Leaving[];
  /** Set when we tell the sender of success. */
  readonly success: SuccessWish | undefined;
}

/** One RCPT of a letter. */
export interface Rcpt {
  readonly address: string;
  /** MAIL FROM; '' is the null sender. */
  readonly sender: string;
  readonly dsn?: RecipientDsn | undefined;
  /** Envelope sender of a letter that a forward sends on (SRS); by default as it came. */
  readonly forwardSender?: string | undefined;
  /** What the directory told of the way; without it, a list counts only where it was written to. */
  readonly way?: Way | undefined;
}

/**
 * What the directory tells of the way of one address (`ResolveContext.onStop`): the list that sends
 * the copies, also where an alias, a forward or a catch-all leads to it, and `all@domain`.
 */
export class Way {
  #list: ListCopy | undefined;
  /** The user who was written to: his own copy is no list's. */
  #named: string | undefined;
  #stops = 0;

  readonly onStop = ({ is }: TracedStop): void => {
    this.#stops += 1;
    if (is.kind === 'user' && this.#stops === 1) this.#named = is.account.id;
    if (is.kind === 'all') this.#list ??= { address: is.address, owner: undefined };
    if (is.kind === 'list' && !is.moderated) this.#list ??= copyOf(is.list);
  };

  /** The list whose copy somebody gets; nobody: it goes elsewhere. */
  listFor(account: Account | undefined): ListCopy | undefined {
    return account !== undefined && account.id === this.#named ? undefined : this.#list;
  }
}

/** Who puts in what leaves without a forward or a list. */
export interface Submitter {
  readonly origin: Origin;
  /** Immutable id of the account, '' where none did. */
  readonly owner: string;
  readonly login: string;
}

const RELAY: Submitter = { origin: 'relay', owner: '', login: '' };

type Expanded = Extract<Resolution, { kind: 'expanded' }>;

/** A recipient that is one mailbox. */
export function placeOf(rcpt: Rcpt, account: Account): Places {
  const { address, dsn } = rcpt;
  const mailboxes = [{ address, account }];
  const success = dsn && wishOf(rcpt, 'delivered', mailboxes);
  return { address, mailboxes, leaving: [], success };
}

/** A recipient elsewhere, by the MX of its domain; undefined where no server could take it. */
export function placeElsewhere(rcpt: Rcpt, by: Submitter): Places | undefined {
  const recipient = outboundRecipient(rcpt.address, rcpt.dsn);
  const domain = recipient && domainOf(recipient.address);
  if (recipient === undefined || domain === undefined) return undefined;
  const route = { kind: 'mx', domain } as const;
  const leaving = [{ route, recipient, sender: rcpt.sender, ...by }];
  return { address: rcpt.address, mailboxes: [], leaving, success: undefined };
}

/**
 * A recipient that leads on: forwards, lists, rules. Notices follow RFC 3461 §5.2.7: one place
 * elsewhere has them as they were asked for; of several, nobody reports success but we, as
 * 'expanded'; a list takes the letter, which is its delivery, and sends one of its own.
 */
export function placesOf(rcpt: Rcpt, resolution: Expanded, by: Submitter = RELAY): Places {
  const { address, dsn } = rcpt;
  const { list: own, moderated } = resolution;
  if (own !== undefined && moderated && own.moderators.length > 0) {
    const success = wishOf(rcpt, 'delivered', []);
    return { address, mailboxes: [], leaving: [heldFor(rcpt, own)], success };
  }
  const listFor = (account?: Account): ListCopy | undefined =>
    own === undefined ? rcpt.way?.listFor(account) : moderated ? undefined : copyOf(own);
  const list = listFor();
  const mailboxes = resolution.destinations.flatMap((one) => {
    const copy = one.kind === 'mailbox' ? listFor(one.account) : undefined;
    return one.kind === 'mailbox'
      ? [{ address, account: one.account, ...(copy && { list: copy }) }]
      : [];
  });
  const ways = resolution.destinations.filter((one) => one.kind !== 'mailbox');
  const sole = mailboxes.length === 0 && ways.length === 1;
  const onward = sole ? dsn : withoutSuccess(dsn);
  const leaving = ways.flatMap((one) => {
    const made = list === undefined ? sentOn(rcpt, one, onward, by) : posted(rcpt, one, list);
    return made === undefined ? [] : [made];
  });
  if (list !== undefined) {
    return { address, mailboxes, leaving, success: wishOf(rcpt, 'delivered', []) };
  }
  if (sole) return { address, mailboxes, leaving, success: undefined };
  const action = leaving.length > 0 ? 'expanded' : 'delivered';
  return { address, mailboxes, leaving, success: wishOf(rcpt, action, mailboxes) };
}

/** All places of one letter: one copy for each mailbox and each address, however it is reached. */
export function together(accepted: readonly Places[]): {
  readonly recipients: readonly Recipient[];
  readonly leaving: readonly Leaving[];
  readonly success: readonly SuccessWish[];
} {
  const success = accepted.flatMap((one) => one.success ?? []);
  const [only] = accepted;
  if (only && accepted.length === 1) {
    return { recipients: only.mailboxes, leaving: only.leaving, success };
  }
  const recipients = new Map<string, Recipient>();
  const leaving = new Map<string, Leaving>();
  for (const one of accepted) {
    for (const recipient of one.mailboxes) {
      put(recipients, recipient.account.id, recipient);
    }
    for (const way of one.leaving) put(leaving, way.recipient.address, way);
  }
  return { recipients: [...recipients.values()], leaving: [...leaving.values()], success };
}

/** The first of its name, unless it is a list's copy: a direct one has no List-* lines. */
function put<T extends { readonly list?: ListCopy | undefined }>(
  known: Map<string, T>,
  name: string,
  one: T,
): void {
  const before = known.get(name);
  if (before === undefined || (before.list && !one.list)) known.set(name, one);
}

/** A letter to a moderated list: held, and the moderators are asked. */
const heldFor = ({ sender }: Rcpt, list: ListEntry): Leaving => ({
  route: { kind: 'farm' },
  recipient: { address: list.address },
  sender,
  origin: 'list',
  owner: '',
  login: '',
  held: { list: copyOf(list), moderators: list.moderators },
});

export const copyOf = ({ address, owner, posting }: ListEntry): ListCopy => ({
  address,
  owner,
  posting,
});

/** A forward, a rule, a domain that we only pass on. */
function sentOn(
  { address: given, sender, forwardSender = sender }: Rcpt,
  way: Exclude<Destination, { kind: 'mailbox' }>,
  dsn: RecipientDsn | undefined,
  by: Submitter,
): Leaving | undefined {
  const [forwarding] = way.fallback ?? [];
  // Where the letter goes on to is the user's affair: notices name what was written to (§5.2.1).
  const original = dsn?.original ?? (forwarding && originalOf(given));
  const recipient = outboundRecipient(way.address, { ...dsn, original });
  if (recipient === undefined) return undefined;
  const route = routeOf(way, recipient);
  if (route === undefined) return undefined;
  if (forwarding === undefined) return { route, recipient, sender, ...by };
  const { id: owner, login } = forwarding;
  return { route, recipient, sender: forwardSender, origin: 'forward', owner, login };
}

/** A list's copy: the list's own envelope where somebody answers for it. */
function posted(
  { address, sender, dsn }: Rcpt,
  way: Exclude<Destination, { kind: 'mailbox' }>,
  list: ListCopy,
): Leaving | undefined {
  const owned = list.owner !== undefined && sender !== '';
  const asked = withoutSuccess(dsn);
  const original = asked?.original ?? originalOf(address);
  const recipient = outboundRecipient(way.address, owned ? undefined : { ...asked, original });
  const route = recipient && routeOf(way, recipient);
  if (recipient === undefined || route === undefined) return undefined;
  const from = owned ? (list.owner ?? sender) : sender;
  return { route, recipient, sender: from, origin: 'list', owner: '', login: '', list };
}

function routeOf(
  way: Exclude<Destination, { kind: 'mailbox' }>,
  { address }: OutboundRecipient,
): Leaving['route'] | undefined {
  if (way.kind === 'host') {
    const { host, port, protocol } = way;
    return { kind: 'host', host, port, protocol };
  }
  const domain = domainOf(address);
  return domain === undefined ? undefined : { kind: 'mx', domain };
}

/** As it goes over the wire: quoted where needed, the domain in A-labels. */
function outboundRecipient(
  text: string,
  dsn: RecipientDsn | undefined,
): OutboundRecipient | undefined {
  const at = text.lastIndexOf('@');
  const address = at <= 0 ? undefined : mailboxText(text.slice(0, at), text.slice(at + 1));
  return address === undefined ? undefined : { address, ...dsn };
}

/** An address of a local part as it is or quoted; undefined where no server could take it. */
export function mailboxText(local: string, domain: string): string | undefined {
  const ascii = domain.startsWith('[') ? domain : domainKey(domain);
  if (ascii === undefined) return undefined;
  const quoted = `"${local.replace(/["\\]/g, '\\$&')}"`;
  const mailbox = parseMailbox(`${local}@${ascii}`) ?? parseMailbox(`${quoted}@${ascii}`);
  return mailbox?.address;
}

const domainOf = (address: string): string | undefined => {
  const domain = address.slice(address.lastIndexOf('@') + 1);
  return domain.startsWith('[') ? domain.toLowerCase() : domainKey(domain);
};

// oxlint-disable-next-line no-control-regex -- what is not ASCII is what is asked for.
const NON_ASCII = /[^\0-\x7f]/;
const originalOf = (address: string): string =>
  `${NON_ASCII.test(address) ? 'utf-8' : 'rfc822'};${address}`;

/** RFC 3461 §5.2.7.2: NEVER and the rest go on; success is not reported by each of many. */
function withoutSuccess(dsn: RecipientDsn | undefined): RecipientDsn | undefined {
  const { notify } = dsn ?? {};
  if (notify === undefined || notify === 'never') return dsn;
  const rest: readonly NotifyOn[] = notify.filter((on) => on !== 'success');
  return { ...dsn, notify: rest.length === 0 ? 'never' : rest };
}

function wishOf(
  { address, sender, dsn }: Rcpt,
  action: SuccessWish['action'],
  mailboxes: readonly Recipient[],
): SuccessWish | undefined {
  if (sender === '' || dsn?.notify === undefined || !dsn.notify.includes('success')) {
    return undefined;
  }
  const accounts = mailboxes.map(({ account }) => account.id);
  return { address, original: dsn.original, action, accounts };
}
