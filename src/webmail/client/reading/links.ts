/** Where links of messages go: which may be followed, and what is said of them. */

const FOLLOWED = new Set(['http:', 'https:', 'mailto:', 'tel:']);

export interface Link {
  /**
   * Absolute, as the browser writes it: hosts as A-labels, so that no letter looks like another.
   */
  readonly href: string;
  /** '' where it goes to no host. */
  readonly host: string;
}

/** Undefined: it is not followed, or goes nowhere outside of the message. */
export function linkOf(href: string): Link | undefined {
  const text = href.trim();
  const url = URL.parse(text.startsWith('//') ? `https:${text}` : text);
  if (!url || !FOLLOWED.has(url.protocol)) return undefined;
  if (url.username !== '' || url.password !== '') {
    // `https://bank.example@elsewhere.example`: the beginning is no host.
    url.username = '';
    url.password = '';
  }
  return { href: url.href, host: url.host };
}

const NAMED = /(?:https?:\/\/|^)((?:[\p{L}\p{N}-]+\.)+[\p{L}-]{2,})(?=[/:?#\s]|$)/u;

/** Whether a link's text names a host that the link does not go to. */
export function namesAnother(text: string, { host }: Link): boolean {
  const named = NAMED.exec(text.trim())?.[1];
  if (named === undefined || host === '') return false;
  const known = URL.parse(`https://${named}`)?.hostname;
  const goes = host.replace(/:\d+$/, '');
  return known !== undefined && bare(known) !== bare(goes);
}

const bare = (host: string): string => host.toLowerCase().replace(/^www\./, '');
