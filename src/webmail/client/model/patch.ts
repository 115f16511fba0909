import type { ListEmail, Placed } from '../jmap/types.ts';

/** What becomes of one email: names that are set (true) or taken away (false). */
export interface Patch {
  readonly keywords?: Readonly<Record<string, boolean>>;
  /** Folders that it lies in from now on. */
  readonly mailboxes?: readonly string[];
}

export type Patches = Readonly<Record<string, Patch>>;

export function patched<E extends ListEmail>(email: E, patch: Patch): E {
  const keywords = { ...email.keywords };
  for (const [name, on] of Object.entries(patch.keywords ?? {})) {
    if (on) keywords[name] = true;
    else delete keywords[name];
  }
  const mailboxIds = patch.mailboxes
    ? Object.fromEntries(patch.mailboxes.map((id) => [id, true]))
    : email.mailboxIds;
  return { ...email, keywords, mailboxIds };
}

/** The patch that makes of `patched(email, patch)` what `email` is. */
export function inverse(email: Placed, patch: Patch): Patch {
  const names = Object.keys(patch.keywords ?? {});
  return {
    ...(patch.keywords && {
      keywords: Object.fromEntries(names.map((name) => [name, email.keywords[name] === true])),
    }),
    ...(patch.mailboxes && { mailboxes: Object.keys(email.mailboxIds) }),
  };
}

/**
 * As Email/set takes it (RFC 8620 §5.3). Keywords one by one, so that those that others set
 * meanwhile stay; folders as a whole: an email that somebody else has moved is moved again, and
 * does not end in two. Sent twice it does the same as once.
 */
export function updateOf(patch: Patch): Record<string, unknown> {
  const update: Record<string, unknown> = {};
  for (const [name, on] of Object.entries(patch.keywords ?? {})) {
    update[`keywords/${pointer(name)}`] = on ? true : null;
  }
  if (patch.mailboxes) {
    update['mailboxIds'] = Object.fromEntries(patch.mailboxes.map((id) => [id, true]));
  }
  return update;
}

/** RFC 6901 §3. */
const pointer = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1');
