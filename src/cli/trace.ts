import { addressKey, keyText } from '../directory/address.ts';
import { formatTransport } from '../directory/transport.ts';
import type { TracedStop } from '../directory/types.ts';

/** Names told one by one: a list may have hundreds. */
const NAMES_SHOWN = 8;

const WHY: Readonly<Record<string, string>> = {
  unknown: 'is nobody and left out',
  malformed: 'is no address and left out',
  refused: 'does not take letters of this sender, and is left out',
  'too-many': 'are more than a user may have: none is followed, the mailbox gets it (MF-DIR-023)',
};

/** The way of a letter as lines for people: each stop, what it is, where it goes on to. */
export function traceLines(stops: readonly TracedStop[]): readonly string[] {
  const seen = new Set<string>();
  return stops.map((stop, index) => {
    seen.add(normal(stop.address));
    const from = index === 0 || stop.by === stop.address ? '' : `${stop.by} → `;
    return `${from}${stop.address} ${said(stop, seen)}`;
  });
}

function said({ address, is }: TracedStop, seen: ReadonlySet<string>): string {
  const on = (names: readonly string[]): string => {
    const shown = names.slice(0, NAMES_SHOWN).map((name) => {
      const known = seen.has(normal(name)) && normal(name) !== normal(address);
      return known ? `${name} (seen above)` : name;
    });
    const more = names.length - shown.length;
    return more > 0 ? `${shown.join(', ')} and ${more} more` : shown.join(', ');
  };
  switch (is.kind) {
    case 'user': {
      const { login, forwards, keepsForwarded, suspended } = is.account;
      const who = normal(login) === normal(address) ? 'is a user' : `is ${login}`;
      if (forwards.length === 0) return who;
      if (suspended.includes('mail')) return `${who}; mail is suspended: forwards are not followed`;
      return `${who}, forwards to ${on(forwards)}${keepsForwarded ? ' and keeps a copy' : ''}`;
    }
    case 'list': {
      const { list, moderated } = is;
      const { moderators, owner, members, filter, posting } = list;
      if (moderated) {
        const first = moderators.length > 0 ? moderators : owner === undefined ? [] : [owner];
        return `is a moderated list: first to ${on(first) || 'nobody'}`;
      }
      const chosen = filter === undefined ? [] : [`all users with ${filter}`];
      return `is a list (posting: ${posting}), to ${on([...members, ...chosen]) || 'nobody'}`;
    }
    case 'all':
      return `is everybody of ${is.address.slice(is.address.indexOf('@') + 1)}`;
    case 'host':
      return `goes to ${is.host}:${is.port} by a rule`;
    case 'transport':
      return `is passed on: the transport of ${is.domain} is ${formatTransport(is.transport)}`;
    case 'catch-all':
      return `is nobody; the catch-all of ${is.domain} is ${is.address}`;
    case 'elsewhere':
      return 'is not of this farm: the letter leaves';
    case 'left-out':
      return WHY[is.why] ?? `is left out: ${is.why}`;
  }
}

const normal = (text: string): string => {
  const key = addressKey(text.trim());
  return key ? keyText(key) : text;
};
